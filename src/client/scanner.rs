//! Scans the files of drafts in the background: they may be large, and the disk may be slow.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    core::{Event, LOOKED_THROUGH, ScanResult, Token, files::AgentFile},
    transfer,
};

/// The attachment scanner of a session.
pub(super) struct AttachmentScanner {
    /// The scan results.
    pub looked: mpsc::Receiver<Event>,
    looked_in: mpsc::Sender<Event>,
    /// One draft at a time, to limit memory use.
    turn: Arc<Semaphore>,
    /// The drafts whose files are being scanned, or were.
    drafts: HashMap<u32, Draft>,
}

/// A draft whose files are scanned. Dropping it cancels the scan: a file may have any size.
struct Draft {
    /// Text that its agent got from outside its folder, kept for a rescan of a changed file.
    brought: Arc<str>,
    _over: DropGuard,
}

impl AttachmentScanner {
    pub(super) fn new() -> Self {
        // Full: a finished scan waits to be reported; each draft has at most one.
        let (looked_in, looked) = mpsc::channel(8);
        Self {
            looked,
            looked_in,
            turn: Arc::new(Semaphore::new(1)),
            drafts: HashMap::new(),
        }
    }

    /// Scans the files of a draft, and reports it as [`Event::Looked`]. `own` must not leave. If `brought` is
    /// empty, the text from the first scan is used.
    pub(super) fn start(&mut self, draft: u32, files: Vec<AgentFile>, own: Option<Token>, brought: String) {
        let (turn, looked_in) = (Arc::clone(&self.turn), self.looked_in.clone());
        let over = CancellationToken::new();
        let brought: Arc<str> = match self.drafts.get(&draft) {
            Some(before) if brought.is_empty() => Arc::clone(&before.brought),
            _ => brought.into(),
        };
        let running = Draft {
            brought: Arc::clone(&brought),
            _over: over.clone().drop_guard(),
        };
        self.drafts.insert(draft, running);
        tokio::spawn(async move {
            let _turn = turn.acquire().await;
            let count = files.len();
            let look = move || {
                let own = own.as_ref().map(|token| token.0.as_str());
                files
                    .iter()
                    .map(|file| look(file, own.as_slice(), &brought, &over))
                    .collect::<Option<Vec<_>>>()
            };
            let files = tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
                tracing::error!(%error, "files of a draft could not be searched");
                Some(vec![ScanResult::not("a bug in Nexscope; see its log"); count])
            });
            if let Some(files) = files {
                // The session may have ended meanwhile.
                let _ = looked_in.send(Event::Looked { draft, files }).await;
            }
        });
    }

    /// Cancels the scans of drafts that are no longer pending.
    pub(super) fn keep_only(&mut self, waits: impl Fn(u32) -> bool) {
        self.drafts.retain(|draft, _| waits(*draft));
    }
}

/// Scans one file; `None` if cancelled. The checked text comes from the same handle by which the file is
/// remembered.
fn look(file: &AgentFile, own: &[&str], brought: &str, over: &CancellationToken) -> Option<ScanResult> {
    let contents = match transfer::contents(file, LOOKED_THROUGH, || over.is_cancelled()) {
        Ok(contents) => contents?,
        Err(why) => return Some(ScanResult::not(why)),
    };
    let looked = match contents.bytes {
        Some(bytes) => ScanResult::through(contents.checked, &bytes, own, brought),
        None => ScanResult::too_large(contents.checked),
    };
    Some(ScanResult {
        has_hard_links: contents.has_hard_links,
        ..looked
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_looked_through_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.txt"), "x\nghp_abcdefghijklmnopqrstuvwxyz0123456789").unwrap();
        std::fs::write(path("b.bin"), b"\0\x01").unwrap();
        let large = std::fs::File::create(path("c.log")).unwrap();
        large.set_len(LOOKED_THROUGH + 1).unwrap();
        std::fs::write(path("d.txt"), "the word is plain-room-word").unwrap();
        let mut looking = AttachmentScanner::new();
        let dir_real = dir.path().canonicalize().unwrap();
        let files = ["a.txt", "b.bin", "c.log", "d.txt", "gone"].map(|name| dir_real.join(name).into());
        let files = files.to_vec();
        looking.start(7, files, Some(Token("plain-room-word".into())), String::new());
        let Some(Event::Looked { draft: 7, files }) = looking.looked.recv().await else {
            panic!()
        };
        let told: Vec<(Vec<usize>, Option<&str>, bool)> = files
            .iter()
            .map(|one| {
                let lines = one.found.iter().map(|found| found.line).collect();
                (lines, one.not_through.as_deref(), one.checked.is_some())
            })
            .collect();
        let expected = [
            (vec![2], None, true),
            (vec![], Some("it is not text"), true),
            (vec![], Some("it is larger than 8.4 MB"), true),
            (vec![1], None, true),
            (vec![], Some("there is no such file"), false),
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn what_was_brought_from_outside_is_looked_for_again_in_a_file_that_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("a.txt");
        let brought =
            "a sentence from far outside of the folder, long enough to be told apart from any other. ";
        let mut looking = AttachmentScanner::new();
        for (text, brought, found) in [("fine", brought, 0), (brought, "", 1)] {
            std::fs::write(&path, text.repeat(3)).unwrap();
            looking.start(1, vec![path.clone().into()], None, brought.repeat(3));
            let Some(Event::Looked { draft: 1, files }) = looking.looked.recv().await else {
                panic!()
            };
            assert_eq!(files[0].found.len(), found, "{text}");
        }
    }

    #[tokio::test]
    async fn a_draft_that_waits_no_more_is_not_looked_through_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        // Reading it would take hours.
        let endless = std::fs::File::create(dir.join("endless")).unwrap();
        endless.set_len(1 << 42).unwrap();
        std::fs::write(dir.join("a.txt"), "fine").unwrap();
        let mut looking = AttachmentScanner::new();
        looking.start(1, vec![dir.join("endless").into()], None, String::new());
        looking.start(2, vec![dir.join("a.txt").into()], None, String::new());
        looking.keep_only(|draft| draft == 2);
        let Some(Event::Looked { draft, .. }) = looking.looked.recv().await else {
            panic!()
        };
        assert_eq!(draft, 2);
    }
}
