//! The audit log on disk: one entry a line, each with the SHA-256 of the line before.
//!
//! Changing a line breaks the chain at the next one. Truncation leaves the chain intact, so a small file
//! beside it, `audit.head`, records the length and the last line. The log is a separate file, not part of the
//! journal, so that it can be verified without the journal, which contains more.
//!
//! Nothing on the same disk protects against somebody who can write to this folder and recomputes the whole
//! chain and the head: a log that must be proof against the person themselves has to be copied elsewhere.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    journal::{append, line},
    state_dir::{open_private, read_private, write_private},
};
use crate::core::{
    Millis,
    persist::audit::{Entry, sha256},
};

/// The hash of the previous line in the first line.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// Its number, starting at 1.
    pub seq: u64,
    /// The time, in milliseconds since the Unix epoch.
    pub at: Millis,
    /// The SHA-256 of the previous line, in hex, without its line feed.
    pub prev: String,
    pub entry: Entry,
}

/// The end of the log at the last write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The number of lines.
    count: u64,
    /// The SHA-256 of the last line.
    hash: String,
    /// The length of the file, in bytes.
    bytes: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            count: 0,
            hash: NOTHING.to_owned(),
            bytes: 0,
        }
    }
}

/// The path of the log in a state folder.
pub fn log_path(state: &Path) -> PathBuf {
    state.join("audit.jsonl")
}

/// A room's log, open for writing.
#[derive(Debug)]
pub(super) struct Audit {
    file: File,
    head_path: PathBuf,
    head: Head,
}

impl Audit {
    /// Opens or creates (0600) the log at `path`, and cuts off a line torn by a crash. Damage that no crash
    /// can cause is a gap: an entry of the chain records it before anything else is written, and [`verify`]
    /// reports it from then on. `is_new` means that the room has no journal yet, so that there may be no log.
    /// Also returns what was repaired.
    ///
    /// # Errors
    ///
    /// If the files cannot be read or written.
    pub(super) fn open(path: &Path, is_new: bool) -> io::Result<(Self, Vec<String>)> {
        let (mut repairs, mut gaps) = (Vec::new(), Vec::new());
        let mut file = open_private(OpenOptions::new().read(true).append(true).create(true), path)?;
        let head_path = head_path(path);
        let length = file.metadata()?.len();
        let known = read_head(&head_path)?;
        if known.is_none() && length > 0 {
            gaps.push("audit.head was missing, so lines at the end may be missing too".to_owned());
        } else if known.is_none() && !is_new {
            gaps.push("the log was missing, although the room has a journal".to_owned());
        }
        let is_first = known.is_none() && length == 0;
        let mut head = known.unwrap_or_default();
        if length < head.bytes {
            gaps.push(format!(
                "the end was missing: {length} of {} bytes were there",
                head.bytes
            ));
            // The chain continues after the missing line, on a new line.
            end_line(&mut file)?;
            head.bytes = file.metadata()?.len();
        } else if !is_last_line(&mut file, &head)? {
            gaps.push(format!("line {} was not the one that was written", head.count));
            end_line(&mut file)?;
            head.bytes = file.metadata()?.len();
        } else {
            // Lines written after the head.
            file.seek(io::SeekFrom::Start(head.bytes))?;
            let torn = read_on(&mut file, &mut head)?;
            if torn > 0 {
                repairs.push(format!("a torn last line was cut off ({torn} bytes)"));
                file.set_len(head.bytes)?;
            }
        }
        let mut audit = Self {
            file,
            head_path,
            head,
        };
        let noticed: Vec<_> = gaps
            .iter()
            .map(|what| (now(), Entry::Gap { what: what.clone() }))
            .collect();
        audit.append(&noticed)?;
        // A log without a head is a gap, so the head is written before the first line.
        if is_first || !noticed.is_empty() {
            audit.write_head()?;
        }
        repairs.extend(gaps);
        Ok((audit, repairs))
    }

    /// Appends entries, and syncs. Leaves the log unchanged if it fails.
    pub(super) fn append(&mut self, entries: &[(Millis, Entry)]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut head, mut bytes) = (self.head.clone(), Vec::new());
        for (at, entry) in entries {
            let one = Line {
                seq: head.count + 1,
                at: *at,
                prev: head.hash,
                entry: entry.clone(),
            };
            let line = line(&one)?;
            head.hash = sha256(line.trim_ascii_end());
            head.count += 1;
            head.bytes += line.len() as u64;
            bytes.extend(line);
        }
        append(&mut self.file, &bytes)?;
        self.head = head;
        Ok(())
    }

    /// Writes the head. It may lag behind: later lines only have to continue the chain. Fails if it cannot be
    /// written.
    pub(super) fn write_head(&self) -> io::Result<()> {
        write_private(&self.head_path, &line(&self.head)?)
    }
}

fn now() -> Millis {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as Millis)
}

fn head_path(log: &Path) -> PathBuf {
    log.with_extension("head")
}

/// Reads the head; `None` if there is no readable one.
fn read_head(path: &Path) -> io::Result<Option<Head>> {
    match read_private(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds the complete lines from here on to `head`. Returns how many bytes follow the last of them.
fn read_on(file: &mut File, head: &mut Head) -> io::Result<usize> {
    let (mut lines, mut line) = (BufReader::new(file), Vec::new());
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(length);
        }
        head.count += 1;
        head.hash = sha256(&line);
        head.bytes += length as u64;
    }
}

/// Block size for reading backwards to the start of a line, in bytes.
const BACK: u64 = 1 << 16;

/// Whether the line that ends at the position in `head` has its hash.
fn is_last_line(file: &mut File, head: &Head) -> io::Result<bool> {
    let (mut line, mut from) = (Vec::new(), head.bytes);
    while from > 0 {
        let length = from.min(BACK);
        let mut before = vec![0; length as usize];
        from -= length;
        file.seek(io::SeekFrom::Start(from))?;
        file.read_exact(&mut before)?;
        before.append(&mut line);
        line = before;
        // The last byte is the line's own line feed.
        let earlier = &line[..line.len() - 1];
        if let Some(at) = earlier.iter().rposition(|byte| *byte == b'\n') {
            line.drain(..=at);
            break;
        }
    }
    Ok(match line.pop() {
        None => head.count == 0,
        Some(last) => last == b'\n' && sha256(&line) == head.hash,
    })
}

/// Terminates the last line, if it is torn.
fn end_line(file: &mut File) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(io::SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// The result of verifying a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The number of lines.
    pub lines: u64,
    /// Problems, as sentences; empty if there are none. At most ten, the first ones.
    pub problems: Vec<String>,
}

/// The maximum number of problems reported; one is enough to know.
const TOLD: usize = 10;

/// The fields of a line that verifying reads.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
    entry: Noticed,
}

/// The fields of an entry that is a problem by itself.
#[derive(Deserialize)]
struct Noticed {
    #[serde(default)]
    gap: Option<Gap>,
}

#[derive(Deserialize)]
struct Gap {
    what: String,
}

/// Verifies the chain of the log at `path`, up to the end recorded in `audit.head`. Fails if it cannot be
/// read.
pub fn verify(path: &Path) -> io::Result<Verified> {
    let file = open_private(OpenOptions::new().read(true), path)?;
    // Read after the log was opened and before it is read: concurrent writes only make the log longer.
    let known = read_head(&head_path(path))?;
    let (mut lines, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
    let (mut hash, mut seq, mut count, mut problems) = (NOTHING.to_owned(), 0, 0, Vec::new());
    let mut at_head = known.as_ref().is_some_and(|head| head.count == 0);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 || problems.len() >= TOLD {
            break;
        }
        count += 1;
        if line.pop() != Some(b'\n') {
            problems.push(format!("line {count} is torn"));
            break;
        }
        match serde_json::from_slice::<Link>(&line) {
            Ok(link) => {
                if link.prev != hash {
                    problems.push(format!(
                        "line {count} does not match the line before: one of them was changed, or lines were removed, added or moved"
                    ));
                } else if link.seq != seq + 1 {
                    problems.push(format!(
                        "line {count} has the number {}, not {}",
                        link.seq,
                        seq + 1
                    ));
                }
                if let Some(Gap { what }) = link.entry.gap {
                    let what = crate::text::clean_line(&what, 200);
                    problems.push(format!("before line {count}: {what} (noticed at the next start)"));
                }
                seq = link.seq;
            }
            Err(_) => {
                problems.push(format!("line {count} is not an audit log line"));
                seq += 1;
            }
        }
        hash = sha256(&line);
        at_head |= known
            .as_ref()
            .is_some_and(|head| head.count == seq && head.hash == hash);
    }
    match known {
        None if count > 0 => problems.push(
            "audit.head is missing or cannot be read: whether the end was cut off is not known".to_owned(),
        ),
        Some(head) if !at_head && problems.len() < TOLD => problems.push(match seq < head.count {
            true => format!("the end is missing: {seq} of {} lines are there", head.count),
            false => format!("line {} is not the one that was written", head.count),
        }),
        _ => {}
    }
    Ok(Verified {
        lines: count,
        problems,
    })
}

/// All readable lines of the log at `path`, oldest first, one at a time. Fails if it cannot be opened.
pub fn lines(path: &Path) -> io::Result<impl Iterator<Item = Line>> {
    let lines = BufReader::new(open_private(OpenOptions::new().read(true), path)?).split(b'\n');
    Ok(lines
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_slice(&line).ok()))
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
