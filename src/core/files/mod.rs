//! Files that are offered: what each is, whom it is from, and how far it has come. Their bytes never
//! come here.

mod safe_name;
pub(super) mod sharing;
mod source;
mod transfer;

pub use safe_name::{numbered, safe_name};
pub use source::{AgentFile, CheckedFile, Identity, Source};
pub use transfer::{Download, TransferEvent, TransferId, TransferOrder, Upload};

use nexscope_relay::protocol::same_name;
use serde::{Deserialize, Serialize};

use super::Millis;
use crate::core::review::inbox::Key;

/// Files of one message that are looked at; further ones are passed over.
pub(super) const MOST: usize = 64;
/// What may be kept aside of files that were pushed and that nobody has accepted yet, in bytes.
pub(super) const ASIDE: u64 = 256 << 20;

/// All files that were offered in the room, by number.
#[derive(Debug, Default)]
pub struct Offers {
    /// `f1` is the first.
    list: Vec<Offer>,
}

/// A file that somebody offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// `f12` is what people type.
    pub number: u32,
    pub from: String,
    pub post: u32,
    pub name: String,
    /// Its size in bytes, as announced; 0 until one of ours was read.
    pub size: u64,
    /// Whose side we are on.
    pub side: Side,
    /// The message's sender and id.
    pub(super) key: Key,
    /// The sender's id for it; any string.
    pub(super) file: String,
    pub(super) sha256: Option<String>,
}

/// Whose side of an offer we are on.
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// It is offered to us.
    Theirs(Fetch),
    Mine(OwnFile),
    /// It is for others, or was offered by us at another place.
    Others,
}

/// A file that is offered to us.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// How far it has come.
    pub stage: Stage,
    pub accepted: bool,
    /// Its sender (version 1) sends it without being asked; it is kept aside until it is accepted.
    pub pushed: bool,
}

/// How far a file that comes has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It waits for the person.
    Offered,
    Preparing,
    /// It was asked for from this byte on; the sender has not begun.
    Asked(u64),
    Moving(Progress),
    /// All of it is here, and waits for the person.
    Aside,
    /// It is here, and lies there.
    Done(std::path::PathBuf),
    /// The person does not want it.
    Declined,
    /// It will not come: why.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct OwnFile {
    /// The file as it was when it was read; its hash is empty until then.
    pub source: Source,
    /// Who has asked for it, and how far it is with each.
    pub receivers: Vec<Receiver>,
    /// How much of it was read for its hash, in bytes; `None` when that is done.
    pub reading: Option<u64>,
    /// The person has taken it back.
    pub withdrawn: bool,
}

/// One who has asked for a file of ours, or does not want it.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    pub name: String,
    pub stage: UploadState,
    /// All of it has gone once: what fails later, such as an answer to an old wish, takes nothing from that.
    pub(super) has_it: bool,
}

/// How far a file of ours is with one receiver.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadState {
    Moving(Progress),
    /// The connection was cut; the receiver asks again when it is back.
    Cut(u64),
    /// All of it has gone.
    Done,
    /// They do not want it: why, may be empty.
    Declined(String),
    /// It did not work: why.
    Failed(String),
}

/// How far bytes on their way are, and how fast.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Bytes from the file's beginning on.
    pub have: u64,
    /// Bytes a second, of late; 0 until it is known.
    pub rate: f64,
    at: Millis,
}

/// What was decided about a file, or became of it; kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOutcome {
    Accepted,
    /// All of it is here, and waits for the person.
    Aside,
    /// The person does not want it.
    Declined,
    /// It is here, and lies there.
    Done(#[serde(with = "crate::text::path_serde")] std::path::PathBuf),
    /// It will not come: why.
    Failed(String),
    /// One of ours is with this member.
    Given(String),
    /// One of ours was taken back.
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

    /// Seconds until `size` is reached, where that can be told.
    pub fn left(&self, size: u64) -> Option<u64> {
        (self.rate >= 1.0).then(|| (size.saturating_sub(self.have) as f64 / self.rate).ceil() as u64)
    }
}

impl Offer {
    /// It is ours, and nobody has asked for it or said no.
    pub fn waits_for_takers(&self) -> bool {
        matches!(&self.side, Side::Mine(mine) if !mine.withdrawn && mine.reading.is_none() && mine.receivers.is_empty())
    }

    /// Whether bytes of it are on their way, or are about to be.
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

    /// Where it lies, if it is here.
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

    /// The SHA-256 of its bytes, in hex, where it is known: as announced, or as read here.
    pub(super) fn sha256(&self) -> Option<String> {
        match &self.side {
            Side::Mine(mine) => Some(mine.source.sha256.clone()).filter(|hash| !hash.is_empty()),
            Side::Theirs(_) | Side::Others => self.sha256.clone(),
        }
    }

    /// What tells its `.part` from others: it says nothing of what others chose.
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
    /// How far it is, in a word of the control socket's.
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
    /// What has become of it, in a word of the control socket's: where its receivers differ, what is still going on
    /// first, then that somebody has it. It is `offered` as long as nobody has answered.
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

    /// The receiver of that name, as it is now.
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

    /// Those that move, and those that wait for the person.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Offer> {
        self.list.iter().filter(|offer| {
            offer.is_moving()
                || matches!(&offer.side, Side::Theirs(fetch) if matches!(fetch.stage, Stage::Offered | Stage::Aside))
        })
    }

    /// The one with that number.
    pub fn get(&self, number: u32) -> Option<&Offer> {
        self.list.get((number as usize).checked_sub(1)?)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Offer> {
        self.list.get_mut((number as usize).checked_sub(1)?)
    }

    /// Adds one, and gives it its number.
    pub(super) fn add(&mut self, mut offer: Offer) -> u32 {
        offer.number = self.list.len() as u32 + 1;
        self.list.push(offer);
        self.list.len() as u32
    }

    /// The one of a message with the sender's id for it.
    pub(super) fn find(&self, key: &Key, file: &str) -> Option<&Offer> {
        // The newest are asked for most.
        self.list
            .iter()
            .rev()
            .find(|offer| offer.key == *key && offer.file == file)
    }

    /// The one that a stream of `from`'s is for: streams name the file and not its message.
    pub(super) fn of_stream(&self, from: &str, file: &str) -> Option<&Offer> {
        self.list.iter().rev().find(|offer| {
            offer.file == file && same_name(&offer.from, from) && matches!(offer.side, Side::Theirs(_))
        })
    }

    /// Of a message's files, those that fit.
    pub(super) fn of_message<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Offer> {
        self.list.iter().filter(move |offer| offer.key == *key)
    }

    /// Bytes of pushed files that wait for the person or are coming to be.
    pub(super) fn aside(&self) -> u64 {
        let waits = |fetch: &Fetch| {
            fetch.pushed && !fetch.accepted && matches!(fetch.stage, Stage::Aside | Stage::Moving(_))
        };
        let sizes = self.list.iter().filter_map(|offer| match &offer.side {
            Side::Theirs(fetch) if waits(fetch) => Some(offer.size),
            _ => None,
        });
        sizes.sum()
    }
}

impl Offer {
    /// How far it is, in words.
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

    /// Of the whole, in words.
    fn percent(&self, have: u64) -> String {
        match self.size {
            0 => "0 %".to_owned(),
            size => format!("{} %", (u128::from(have) * 100 / u128::from(size)).min(100)),
        }
    }

    /// Of the whole, from 0 to 1, where it moves.
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
                // The slowest one is the news.
                moving.min_by(f64::total_cmp)
            }
            Side::Others => None,
        }
    }
}
