//! Offered files: what each is, who offers it, and the state of its transfer. The bytes never get here.

mod safe_name;
pub(super) mod sharing;
mod source;
mod stream_refused;
mod transfer;

pub use safe_name::{numbered, safe_name};
pub use source::{AgentFile, CheckedFile, Identity, Source};
pub use stream_refused::StreamRefused;
pub use transfer::{Download, TransferEvent, TransferId, TransferOrder, Upload};

use nexscope_relay::protocol::same_name;
use serde::{Deserialize, Serialize};

use super::Millis;
use crate::core::review::inbox::Key;

/// Highest number of files of one message; further ones are ignored.
pub(super) const MOST: usize = 64;
/// Space for pushed files that nobody has accepted yet, in bytes.
pub(super) const ASIDE: u64 = 256 << 20;
/// Highest number of pushed files that are kept aside at once: each has a thread.
pub(super) const MOST_ASIDE: usize = 64;

/// All files offered in the room, by number.
#[derive(Debug, Default)]
pub struct Offers {
    /// Starts with `f1`.
    list: Vec<Offer>,
}

/// A file that somebody offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// People type it as `f12`.
    pub number: u32,
    pub from: String,
    pub post: u32,
    pub name: String,
    /// Its size in bytes, as announced; 0 for our own file before it is read.
    pub size: u64,
    /// Our side of the offer.
    pub side: Side,
    /// The message's sender and id.
    pub(super) key: Key,
    /// The sender's id for it; any string.
    pub(super) file: String,
    pub(super) sha256: Option<String>,
}

/// Our side of an offer.
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// It is offered to us.
    Theirs(Fetch),
    Mine(OwnFile),
    /// It is for others, or we offered it from another place.
    Others,
}

/// A file that is offered to us.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// The state of its download.
    pub stage: Stage,
    pub accepted: bool,
    /// Whether its sender (version 1) sends it without a request; it is kept aside until it is accepted.
    pub pushed: bool,
}

/// The state of a download.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Waits for the person.
    Offered,
    Preparing,
    /// Requested from this byte on; the sender has not begun.
    Asked(u64),
    Moving(Progress),
    /// Complete, and waits for the person.
    Aside,
    /// Complete and saved at this path.
    Done(std::path::PathBuf),
    /// Declined by the person.
    Declined,
    /// Failed, with the reason.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct OwnFile {
    /// The file as it was when it was read; its hash is empty before.
    pub source: Source,
    /// Members who have requested it, with the state of each upload.
    pub receivers: Vec<Receiver>,
    /// Bytes read so far for its hash; `None` when that is done.
    pub reading: Option<u64>,
    /// Whether the person has withdrawn it.
    pub withdrawn: bool,
}

/// A member who has requested or declined our file.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    pub name: String,
    pub stage: UploadState,
    /// Whether all of it was sent once: a later failure, such as of an outdated request, does not change that.
    pub(super) has_it: bool,
}

/// The state of an upload to one receiver.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadState {
    Moving(Progress),
    /// The connection was cut after this many bytes; the receiver asks again when it is back.
    Cut(u64),
    /// Sent completely.
    Done,
    /// Declined, with a reason that may be empty.
    Declined(String),
    /// Failed, with the reason.
    Failed(String),
}

/// Position and speed of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Bytes, counted from the beginning of the file.
    pub have: u64,
    /// Recent bytes per second; 0 while unknown.
    pub rate: f64,
    at: Millis,
}

/// A decision about a file, or its outcome; kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOutcome {
    Accepted,
    /// Complete, and waits for the person.
    Aside,
    /// Declined by the person.
    Declined,
    /// Complete and saved at this path.
    Done(#[serde(with = "crate::text::path_serde")] std::path::PathBuf),
    /// Failed, with the reason.
    Failed(String),
    /// Our file was sent to this member.
    Given(String),
    /// Our file was withdrawn.
    Withdrawn,
}

impl Progress {
    pub(super) fn new(have: u64, at: Millis) -> Self {
        Self { have, rate: 0.0, at }
    }

    pub(super) fn moved(&mut self, have: u64, now: Millis) {
        let passed = now.saturating_sub(self.at);
        if passed > 0 {
            let of_late = have.saturating_sub(self.have) as f64 * 1000.0 / passed as f64;
            // Smoothed, so that a person can read it.
            self.rate = match self.rate > 0.0 {
                true => self.rate * 0.8 + of_late * 0.2,
                false => of_late,
            };
            self.at = now;
        }
        self.have = have;
    }

    /// Seconds until `size` is reached, if that can be estimated.
    pub fn left(&self, size: u64) -> Option<u64> {
        (self.rate >= 1.0).then(|| (size.saturating_sub(self.have) as f64 / self.rate).ceil() as u64)
    }
}

impl Offer {
    /// Whether it is ours, and nobody has requested or declined it.
    pub fn waits_for_takers(&self) -> bool {
        matches!(&self.side, Side::Mine(mine) if !mine.withdrawn && mine.reading.is_none() && mine.receivers.is_empty())
    }

    /// Whether its bytes are being transferred, or are about to be.
    pub fn is_moving(&self) -> bool {
        match &self.side {
            Side::Theirs(fetch) => {
                matches!(fetch.stage, Stage::Preparing | Stage::Asked(_) | Stage::Moving(_))
            }
            Side::Mine(mine) => {
                mine.reading.is_some()
                    || mine
                        .receivers
                        .iter()
                        .any(|one| matches!(one.stage, UploadState::Moving(_) | UploadState::Cut(_)))
            }
            Side::Others => false,
        }
    }

    /// Its path, if it is here.
    pub fn place(&self) -> Option<&std::path::Path> {
        match &self.side {
            Side::Theirs(Fetch {
                stage: Stage::Done(path),
                ..
            }) => Some(path),
            Side::Mine(mine) => Some(&mine.source.path),
            _ => None,
        }
    }

    pub(super) fn fetch_mut(&mut self) -> Option<&mut Fetch> {
        match &mut self.side {
            Side::Theirs(fetch) => Some(fetch),
            _ => None,
        }
    }

    pub(super) fn mine_mut(&mut self) -> Option<&mut OwnFile> {
        match &mut self.side {
            Side::Mine(mine) => Some(mine),
            _ => None,
        }
    }

    /// The SHA-256 of its bytes in hex, if known: as announced, or as read here.
    pub(super) fn sha256(&self) -> Option<String> {
        match &self.side {
            Side::Mine(mine) => Some(mine.source.sha256.clone()).filter(|hash| !hash.is_empty()),
            Side::Theirs(_) | Side::Others => self.sha256.clone(),
        }
    }

    /// The tag that tells its `.part` from others; it contains nothing that others chose.
    pub(super) fn tag(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for part in [&self.key.0, &self.key.1, &self.file] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        crate::text::hex(&hash.finalize()[..8])
    }
}

impl UploadState {
    /// The state as a word for the control socket.
    pub fn state(&self) -> &'static str {
        match self {
            UploadState::Moving(_) | UploadState::Cut(_) => "goes",
            UploadState::Done => "done",
            UploadState::Declined(_) => "declined",
            UploadState::Failed(_) => "failed",
        }
    }
}

impl OwnFile {
    /// The state as a word for the control socket. If receivers differ, a transfer in progress comes first, then a
    /// finished one. `offered` until somebody has answered.
    pub fn state(&self) -> &'static str {
        if self.withdrawn {
            return "withdrawn";
        }
        if self.reading.is_some() {
            return "reading";
        }
        ["goes", "done", "failed", "declined"]
            .into_iter()
            .find(|state| self.receivers.iter().any(|one| one.stage.state() == *state))
            .unwrap_or("offered")
    }

    /// Sets the state of the receiver of that name.
    pub(super) fn receiver(&mut self, name: &str, stage: UploadState) {
        match self.receivers.iter_mut().find(|one| same_name(&one.name, name)) {
            Some(one) => {
                one.has_it |= stage == UploadState::Done;
                one.stage = stage;
            }
            None => self.receivers.push(Receiver {
                name: name.to_owned(),
                has_it: stage == UploadState::Done,
                stage,
            }),
        }
    }
}

impl Offers {
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Offer> {
        self.list.iter()
    }

    /// Offers in transfer, and offers that wait for the person.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Offer> {
        self.list.iter().filter(|offer| {
            offer.is_moving()
                || matches!(&offer.side, Side::Theirs(fetch) if matches!(fetch.stage, Stage::Offered | Stage::Aside))
        })
    }

    pub fn get(&self, number: u32) -> Option<&Offer> {
        self.list.get((number as usize).checked_sub(1)?)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Offer> {
        self.list.get_mut((number as usize).checked_sub(1)?)
    }

    /// Adds an offer and assigns its number.
    pub(super) fn add(&mut self, mut offer: Offer) -> u32 {
        offer.number = self.list.len() as u32 + 1;
        self.list.push(offer);
        self.list.len() as u32
    }

    /// The offer of a message, by the sender's id for it.
    pub(super) fn find(&self, key: &Key, file: &str) -> Option<&Offer> {
        // The newest are asked for most.
        self.list
            .iter()
            .rev()
            .find(|offer| offer.key == *key && offer.file == file)
    }

    /// The offer that a stream of `from` is for: streams name the file and not its message.
    pub(super) fn of_stream(&self, from: &str, file: &str) -> Option<&Offer> {
        self.list.iter().rev().find(|offer| {
            offer.file == file && same_name(&offer.from, from) && matches!(offer.side, Side::Theirs(_))
        })
    }

    /// The offers of a message.
    pub(super) fn of_message<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Offer> {
        self.list.iter().filter(move |offer| offer.key == *key)
    }

    /// Total size of pushed files that wait for the person or are being received, in bytes.
    pub(super) fn aside(&self) -> (u64, usize) {
        let waits = |fetch: &Fetch| {
            fetch.pushed && !fetch.accepted && matches!(fetch.stage, Stage::Aside | Stage::Moving(_))
        };
        let sizes = self.list.iter().filter_map(|offer| match &offer.side {
            Side::Theirs(fetch) if waits(fetch) => Some(offer.size),
            _ => None,
        });
        sizes.fold((0, 0), |(bytes, files), size| (bytes + size, files + 1))
    }
}

impl Offer {
    /// Formats the state for a person.
    pub fn in_words(&self) -> String {
        match &self.side {
            Side::Theirs(fetch) => match &fetch.stage {
                Stage::Offered => "offered".to_owned(),
                Stage::Preparing => "getting ready …".to_owned(),
                Stage::Asked(0) => format!("waits for {}", self.from),
                Stage::Asked(have) => format!("{} is here, waits for {}", self.percent(*have), self.from),
                Stage::Moving(progress) => self.moving(progress),
                Stage::Aside => "is here, and waits for you".to_owned(),
                Stage::Done(path) => {
                    format!("in {}", crate::text::clean_line(&path.to_string_lossy(), 500))
                }
                Stage::Declined => "declined".to_owned(),
                Stage::Failed(why) => format!("failed: {why}"),
            },
            Side::Mine(mine) => {
                if mine.withdrawn {
                    return "withdrawn".to_owned();
                }
                if let Some(read) = mine.reading {
                    return format!("is read, {}", crate::text::bytes(read));
                }
                let each: Vec<String> = mine.receivers.iter().map(|one| self.with(one)).collect();
                match each.is_empty() {
                    true => "offered".to_owned(),
                    false => each.join(", "),
                }
            }
            Side::Others => format!("offered by {}", self.from),
        }
    }

    fn with(&self, receiver: &Receiver) -> String {
        let name = &receiver.name;
        match &receiver.stage {
            UploadState::Moving(progress) => format!("to {name} {}", self.moving(progress)),
            UploadState::Cut(have) => format!("to {name} {}, cut", self.percent(*have)),
            UploadState::Done => format!("{name} has it"),
            UploadState::Declined(why) if why.is_empty() => format!("{name} declined"),
            UploadState::Declined(why) => format!("{name} declined: {why}"),
            UploadState::Failed(why) => format!("to {name} failed: {why}"),
        }
    }

    fn moving(&self, progress: &Progress) -> String {
        let mut words = self.percent(progress.have);
        if progress.rate >= 1.0 {
            words.push_str(&format!(" · {}/s", crate::text::bytes(progress.rate as u64)));
        }
        match progress.left(self.size) {
            Some(seconds @ 0..120) => words.push_str(&format!(" · {seconds} s left")),
            Some(seconds) => words.push_str(&format!(" · {} min left", seconds / 60)),
            None => {}
        }
        words
    }

    /// Formats the share of the whole as a percentage.
    fn percent(&self, have: u64) -> String {
        match self.size {
            0 => "0 %".to_owned(),
            size => format!("{} %", (u128::from(have) * 100 / u128::from(size)).min(100)),
        }
    }

    /// Share of the whole, from 0 to 1, while it is in transfer.
    pub fn fraction(&self) -> Option<f64> {
        let of = |have: u64| (have as f64 / (self.size.max(1)) as f64).min(1.0);
        match &self.side {
            Side::Theirs(fetch) => match &fetch.stage {
                Stage::Moving(progress) => Some(of(progress.have)),
                Stage::Asked(have) => Some(of(*have)),
                _ => None,
            },
            Side::Mine(mine) => {
                let moving = mine.receivers.iter().filter_map(|one| match &one.stage {
                    UploadState::Moving(progress) => Some(of(progress.have)),
                    _ => None,
                });
                // The slowest one counts.
                moving.min_by(f64::total_cmp)
            }
            Side::Others => None,
        }
    }
}
