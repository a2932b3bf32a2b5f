//! The journal: one record a line, appended and synced, replayed at startup.
//!
//! It is written by its own thread, so that a slow disk never blocks the screen. All queued records are
//! written and synced at once. A crash can only tear the last line; that line was never confirmed, so it is
//! cut off at the next start.
//!
//! The same thread writes the audit log first, so everything confirmed is in both.

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

/// The queue length, in records. If it is full, the session takes nothing more from the relay.
const QUEUE: usize = 1024;

/// The read buffer, in bytes.
const BUFFER: usize = 256 * 1024;

/// The pause before a failed write (a full disk) is retried.
const RETRY: Duration = Duration::from_secs(1);

/// A handle to the journal's thread.
#[derive(Debug)]
pub struct Journal {
    /// Queues records for writing, in order. Full: the session stops taking input.
    pub records: mpsc::Sender<ToWrite>,
    pub reports: mpsc::Receiver<Report>,
}

#[derive(Debug)]
pub enum ToWrite {
    /// A record for the journal.
    Record(Box<Record>),
    /// An entry for the audit log, and its time.
    Audit(Millis, Box<audit::Entry>),
}

#[derive(Debug)]
pub enum Report {
    /// A record is synced to disk.
    Kept(Kept),
    /// Writing fails; it is retried until it succeeds.
    Failing(String),
    /// Writing works again.
    Mended,
}

/// A journal that has been read.
#[derive(Debug)]
pub struct Opened {
    pub is_new: bool,
    /// Descriptions of skipped records, for the log.
    pub repairs: Vec<String>,
    pub journal: Journal,
}

/// A journal being read: its records, oldest first, one at a time, so that a long one is never in memory as a
/// whole.
#[derive(Debug)]
pub struct Reading {
    /// The path of the audit log.
    audit: std::path::PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    number: usize,
    /// The length of the complete lines, in bytes.
    good: u64,
    repairs: Vec<String>,
    failed: Option<io::Error>,
}

impl Journal {
    /// Opens or creates (0600) the journal at `path`. Fails if the file cannot be read or written. The audit
    /// log is beside it.
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
    /// The records within the last `bytes` bytes, oldest first. Reading continues at the beginning.
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

    /// Reads the rest, cuts off a torn end, and starts the journal's thread. Fails if the journal or the
    /// audit log cannot be read or written.
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
        // Reports are small and taken at once; if the channel is full, the writer waits, and nothing is lost.
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

/// Writes the queue in order; ends when the session is gone and everything is written.
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
                // A record has only string map keys, so this cannot fail.
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
            // The session may be gone; the records are synced anyway.
            let _ = reports.blocking_send(Report::Kept(kept));
        }
        // After everything that somebody waits for. A head that could not be written is written with the next
        // entries.
        if !entries.is_empty()
            && let Err(error) = log.write_head()
        {
            tracing::error!(%error, "audit.head cannot be written");
        }
    }
}

/// Retries until `write` succeeds, reporting the first failure. Returns whether it succeeded: it gives up if
/// the session is gone.
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

/// Serializes `what` as one line. Embedded raw JSON from others may span several lines; between JSON tokens,
/// and nowhere else, a line feed is white space like any other.
pub(super) fn line(what: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(what)?;
    line.iter_mut()
        .filter(|byte| **byte == b'\n')
        .for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok(line)
}

/// Appends all of `bytes` and syncs. Leaves the file unchanged if it fails.
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
        // The missing audit log of this journal is reported too.
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
