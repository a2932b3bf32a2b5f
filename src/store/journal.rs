//! The journal: one record a line, appended and synced, replayed at the start.
//!
//! A thread of its own writes, so that a slow disk never stalls the screen. It writes all that waits and
//! syncs once. A crash can tear the last line only; that line was never reported as safe, so it is cut
//! off at the next start.
//!
//! The same thread writes the audit log, first: so what was confirmed stands in both.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::Path,
    time::Duration,
};

use serde::Serialize;
use tokio::sync::mpsc;

use super::{
    audit::{Audit, log_path},
    state_dir::open_private,
};
use crate::core::{Kept, Millis, Record, persist::audit};

/// Records that may wait for the disk. When they are that many, the session takes no more from the relay.
const QUEUE: usize = 1024;

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// Pause before a write is tried again that failed (a full disk).
const RETRY: Duration = Duration::from_secs(1);

/// The way to the journal.
#[derive(Debug)]
pub struct Journal {
    /// Where it goes in what is to be written, in order. Full: the session waits with taking more in.
    pub records: mpsc::Sender<ToWrite>,
    pub reports: mpsc::Receiver<Report>,
}

#[derive(Debug)]
pub enum ToWrite {
    /// A record of the journal's.
    Record(Box<Record>),
    /// An entry of the audit log's, and when.
    Audit(Millis, Box<audit::Entry>),
}

#[derive(Debug)]
pub enum Report {
    /// A record is safely on disk.
    Kept(Kept),
    /// The disk does not take it; it is tried again until it does.
    Failing(String),
    /// After failing, it goes again.
    Mended,
}

/// A journal that was read.
#[derive(Debug)]
pub struct Opened {
    pub is_new: bool,
    /// What had to be left out, in words for the log.
    pub repairs: Vec<String>,
    pub journal: Journal,
}

/// A journal that is being read: its records, oldest first, one at a time, so that a long one is never in
/// memory as a whole.
#[derive(Debug)]
pub struct Reading {
    /// Where the audit log lies.
    audit: std::path::PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    number: usize,
    /// Bytes of whole lines.
    good: u64,
    repairs: Vec<String>,
    failed: Option<io::Error>,
}

impl Journal {
    /// Opens the journal at `path`, or makes it (0600). Fails where the file cannot be read or written. The audit log
    /// lies beside it.
    pub fn open(path: &Path) -> io::Result<Reading> {
        let file = open_private(OpenOptions::new().read(true).append(true).create(true), path)?;
        Ok(Reading {
            audit: log_path(path.parent().unwrap_or(Path::new(""))),
            lines: BufReader::with_capacity(BUFFER, file),
            line: Vec::new(),
            number: 0,
            good: 0,
            repairs: Vec::new(),
            failed: None,
        })
    }
}

impl Reading {
    /// The records within the last so many bytes, oldest first. Reading goes on at the beginning.
    pub fn newest(&mut self, bytes: u64) -> Vec<Record> {
        let records = self.read_newest(bytes).unwrap_or_default();
        self.failed = self.lines.rewind().err();
        records
    }

    fn read_newest(&mut self, bytes: u64) -> io::Result<Vec<Record>> {
        let length = self.lines.get_ref().metadata()?.len();
        let mut text = Vec::new();
        self.lines
            .seek(io::SeekFrom::Start(length.saturating_sub(bytes)))?;
        self.lines.read_to_end(&mut text)?;
        let mut lines = text.split(|byte| *byte == b'\n');
        if bytes < length {
            // Most probably the end of a line.
            lines.next();
        }
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Reads what is left, cuts off a torn end, and starts the journal's thread.
    pub fn finish(mut self) -> io::Result<Opened> {
        while self.next().is_some() {}
        if let Some(error) = self.failed {
            return Err(error);
        }
        let file = self.lines.into_inner();
        file.set_len(self.good)?;
        let mut repairs: Vec<String> = self
            .repairs
            .iter()
            .map(|repair| format!("journal: {repair}"))
            .collect();
        let (log, repaired) = Audit::open(&self.audit, self.good == 0)?;
        repairs.extend(repaired.iter().map(|repair| format!("audit: {repair}")));
        let (records_in, waiting) = mpsc::channel(QUEUE);
        // Reports are small and taken at once; a full channel makes the writer wait, nothing is lost.
        let (reports_in, reports) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write(file, log, waiting, &reports_in))?;
        Ok(Opened {
            is_new: self.good == 0,
            repairs,
            journal: Journal {
                records: records_in,
                reports,
            },
        })
    }
}

impl Iterator for Reading {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while self.failed.is_none() {
            self.line.clear();
            let length = match self.lines.read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(length) => length,
                Err(error) => {
                    self.failed = Some(error);
                    return None;
                }
            };
            self.number += 1;
            let number = self.number;
            if self.line.last() != Some(&b'\n') {
                self.repairs.push(format!(
                    "line {number} was torn by a crash and is cut off ({length} bytes)"
                ));
                return None;
            }
            self.good += length as u64;
            match serde_json::from_slice(&self.line) {
                Ok(record) => return Some(record),
                Err(error) => self
                    .repairs
                    .push(format!("line {number} is not a record and is skipped: {error}")),
            }
        }
        None
    }
}

/// Writes what comes, in order; ends when the session is gone and all is written.
fn write(
    mut file: File,
    mut log: Audit,
    mut waiting: mpsc::Receiver<ToWrite>,
    reports: &mpsc::Sender<Report>,
) {
    let mut batch = Vec::new();
    while waiting.blocking_recv_many(&mut batch, QUEUE) > 0 {
        let (mut bytes, mut kept, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for one in batch.drain(..) {
            match one {
                ToWrite::Audit(at, entry) => entries.push((at, *entry)),
                // A record holds no map with keys that are no strings, so this cannot fail.
                ToWrite::Record(record) => {
                    if let Ok(line) = line(&record) {
                        bytes.extend(line);
                        kept.extend(record.kept());
                    }
                }
            }
        }
        let written = until_written(reports, || log.append(&entries))
            && (bytes.is_empty() || until_written(reports, || append(&mut file, &bytes)));
        if !written {
            return;
        }
        for kept in kept {
            // The session may be gone; the records are safe anyway.
            let _ = reports.blocking_send(Report::Kept(kept));
        }
        // After what somebody waits for. A head that could not be written is written with the next entries.
        if !entries.is_empty()
            && let Err(error) = log.write_head()
        {
            tracing::error!(%error, "audit.head cannot be written");
        }
    }
}

/// Tries until it is done, and reports where it is not at once. Returns whether it was: nobody waits for a
/// session that is gone.
fn until_written(reports: &mpsc::Sender<Report>, mut write: impl FnMut() -> io::Result<()>) -> bool {
    let mut failing = false;
    while let Err(error) = write() {
        if !failing {
            failing = true;
            let _ = reports.blocking_send(Report::Failing(error.to_string()));
        }
        if reports.is_closed() {
            return false;
        }
        std::thread::sleep(RETRY);
    }
    if failing {
        let _ = reports.blocking_send(Report::Mended);
    }
    true
}

/// Something as one line. What came from others byte for byte may be written over several lines; between the
/// tokens of JSON, and nowhere else, a line feed is white space like any other.
pub(super) fn line(what: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(what)?;
    line.iter_mut()
        .filter(|byte| **byte == b'\n')
        .for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok(line)
}

/// Appends all of `bytes` and syncs, or leaves the file as it was.
pub(super) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let before = file.seek(io::SeekFrom::End(0))?;
    let result = file.write_all(bytes).and_then(|()| file.sync_data());
    if result.is_err() {
        file.set_len(before)?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(record: Record) -> ToWrite {
        ToWrite::Record(Box::new(record))
    }

    fn spoke(thread: &str) -> Record {
        Record::Spoke {
            thread: thread.into(),
        }
    }

    fn threads(records: &[Record]) -> Vec<&str> {
        fn thread(record: &Record) -> &str {
            match record {
                Record::Spoke { thread } => thread,
                other => panic!("{other:?}"),
            }
        }
        records.iter().map(thread).collect()
    }

    fn acked(id: &str) -> Record {
        Record::Acked {
            id: id.into(),
            epoch: "e".into(),
            seq: 1,
            absent: vec![],
            received: vec![],
        }
    }

    #[tokio::test]
    async fn what_is_reported_is_there_again_and_a_torn_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).unwrap().finish().unwrap().journal;
        for thread in ["a", "b"] {
            journal.records.send(kept(spoke(thread))).await.unwrap();
        }
        journal.records.send(kept(acked("x"))).await.unwrap();
        assert!(matches!(
            journal.reports.recv().await,
            Some(Report::Kept(Kept::Acked { .. }))
        ));
        drop(journal);

        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"spoke\":{\"thr").unwrap();
        let mut reading = Journal::open(&path).unwrap();
        assert_eq!(reading.newest(40).len(), 0);
        assert_eq!(threads(&reading.newest(1_000)[..2]), ["a", "b"]);
        let records: Vec<Record> = reading.by_ref().collect();
        assert_eq!(threads(&records[..2]), ["a", "b"]);
        assert_eq!(records.len(), 3);
        let opened = reading.finish().unwrap();
        assert_eq!((opened.repairs.len(), opened.is_new), (1, false));
        drop(opened);
        assert!(Journal::open(&path).unwrap().finish().unwrap().repairs.is_empty());
    }

    #[test]
    fn a_bad_line_in_the_middle_loses_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let line = |thread: &str| serde_json::to_string(&spoke(thread)).unwrap();
        std::fs::write(&path, format!("{}\nnonsense\n{}\n", line("a"), line("b"))).unwrap();
        let _runtime = tokio::runtime::Runtime::new().unwrap();
        let mut reading = Journal::open(&path).unwrap();
        assert_eq!(threads(&reading.by_ref().collect::<Vec<_>>()), ["a", "b"]);
        let repairs = reading.finish().unwrap().repairs;
        // That this journal has no audit log is noticed too.
        assert!(repairs.len() == 2 && repairs[0].contains("line 2"), "{repairs:?}");
    }

    #[test]
    fn the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        Journal::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
