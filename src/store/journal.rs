//! The journal: one record a line, appended and synced, replayed at the start.
//!
//! A thread of its own writes, so that a slow disk never stalls the screen. It writes all that waits and
//! syncs once. A crash can tear the last line only; that line was never reported as safe, so it is cut
//! off at the next start.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, Write},
    path::Path,
    time::Duration,
};

use tokio::sync::mpsc;

use super::place::private;
use crate::room::{Kept, Record};

/// Records that may wait for the disk. When they are that many, the session takes no more from the relay.
const QUEUE: usize = 1024;

/// Pause before a write is tried again that failed (a full disk).
const RETRY: Duration = Duration::from_secs(1);

/// The way to the journal.
#[derive(Debug)]
pub struct Journal {
    /// Where records go in. Full: the session waits with taking more in.
    pub records: mpsc::Sender<Record>,
    /// What became of them.
    pub reports: mpsc::Receiver<Report>,
}

/// What the journal tells.
#[derive(Debug)]
pub enum Report {
    /// A record is safely on disk.
    Kept(Kept),
    /// The disk does not take it; it is tried again until it does.
    Failing(String),
    /// After failing, it goes again.
    Mended,
}

/// A journal that was opened.
#[derive(Debug)]
pub struct Opened {
    /// What it held, oldest first.
    pub records: Vec<Record>,
    /// What had to be left out, in words for the log.
    pub repairs: Vec<String>,
    /// The way to it.
    pub journal: Journal,
}

impl Journal {
    /// Opens the journal at `path`, or makes it (0600), repairs a torn end, and starts its thread.
    /// Fails where the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Opened> {
        let mut file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
        let (records, repairs) = read(&mut file)?;
        let (records_in, waiting) = mpsc::channel(QUEUE);
        // Reports are small and taken at once; a full channel makes the writer wait, nothing is lost.
        let (reports_in, reports) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write(file, waiting, &reports_in))?;
        Ok(Opened {
            records,
            repairs,
            journal: Journal {
                records: records_in,
                reports,
            },
        })
    }
}

/// Reads all records, and cuts off a torn end.
fn read(file: &mut File) -> io::Result<(Vec<Record>, Vec<String>)> {
    let (mut records, mut repairs) = (Vec::new(), Vec::new());
    let (mut good, mut line, mut number) = (0_u64, Vec::new(), 0);
    let mut lines = BufReader::new(&mut *file);
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        number += 1;
        if line.last() != Some(&b'\n') {
            repairs.push(format!(
                "line {number} was torn by a crash and is cut off ({length} bytes)"
            ));
            break;
        }
        good += length as u64;
        match serde_json::from_slice(&line) {
            Ok(record) => records.push(record),
            Err(error) => repairs.push(format!("line {number} is no record and is passed over: {error}")),
        }
    }
    file.set_len(good)?;
    Ok((records, repairs))
}

/// Writes what comes, in order; ends when the session is gone and all is written.
fn write(mut file: File, mut waiting: mpsc::Receiver<Record>, reports: &mpsc::Sender<Report>) {
    let mut batch = Vec::new();
    while waiting.blocking_recv_many(&mut batch, QUEUE) > 0 {
        let mut bytes = Vec::new();
        for record in &batch {
            // A record holds no map with keys that are no strings, so this cannot fail.
            if serde_json::to_writer(&mut bytes, record).is_ok() {
                bytes.push(b'\n');
            }
        }
        let mut failing = false;
        while let Err(error) = append(&mut file, &bytes) {
            if !failing {
                failing = true;
                let _ = reports.blocking_send(Report::Failing(error.to_string()));
            }
            if reports.is_closed() {
                return;
            }
            std::thread::sleep(RETRY);
        }
        if failing {
            let _ = reports.blocking_send(Report::Mended);
        }
        for kept in batch.drain(..).filter_map(|record| record.kept()) {
            // The session may be gone; the records are safe all the same.
            let _ = reports.blocking_send(Report::Kept(kept));
        }
    }
}

/// Appends all of `bytes` and syncs, or leaves the file as it was.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
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
        let mut journal = Journal::open(&path).unwrap().journal;
        for thread in ["a", "b"] {
            journal.records.send(spoke(thread)).await.unwrap();
        }
        journal.records.send(acked("x")).await.unwrap();
        assert!(matches!(
            journal.reports.recv().await,
            Some(Report::Kept(Kept::Acked { .. }))
        ));
        drop(journal);

        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"spoke\":{\"thr").unwrap();
        let opened = Journal::open(&path).unwrap();
        assert_eq!(threads(&opened.records[..2]), ["a", "b"]);
        assert_eq!((opened.records.len(), opened.repairs.len()), (3, 1));
        drop(opened);
        assert!(Journal::open(&path).unwrap().repairs.is_empty());
    }

    #[test]
    fn a_bad_line_in_the_middle_loses_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let line = |thread: &str| serde_json::to_string(&spoke(thread)).unwrap();
        std::fs::write(&path, format!("{}\nnonsense\n{}\n", line("a"), line("b"))).unwrap();
        let _runtime = tokio::runtime::Runtime::new().unwrap();
        let opened = Journal::open(&path).unwrap();
        assert_eq!(threads(&opened.records), ["a", "b"]);
        assert_eq!(opened.repairs.len(), 1);
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
