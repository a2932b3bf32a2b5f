//! Looks the files of drafts through, beside all else: they may be large, and the disk may be slow.

use std::{path::Path, path::PathBuf, sync::Arc};

use tokio::sync::{Semaphore, mpsc};

use crate::{
    config::Token,
    room::{Event, LOOKED_THROUGH, Looked},
    text, transfer,
};

/// What looks files through for a session.
pub(super) struct Looking {
    /// What was found.
    pub looked: mpsc::Receiver<Event>,
    looked_in: mpsc::Sender<Event>,
    /// One draft at a time, so that many never take much memory.
    turn: Arc<Semaphore>,
}

impl Looking {
    pub(super) fn new() -> Self {
        // Full: who has looked waits with telling it; each draft waits for one at most.
        let (looked_in, looked) = mpsc::channel(8);
        Self {
            looked,
            looked_in,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Looks the files of a draft through, and tells it as [`Event::Looked`]. `own` is what must not leave.
    pub(super) fn start(&self, draft: u32, files: Vec<PathBuf>, own: Option<Token>, brought: String) {
        let (turn, looked_in) = (Arc::clone(&self.turn), self.looked_in.clone());
        tokio::spawn(async move {
            let _turn = turn.acquire().await;
            let count = files.len();
            let look = move || {
                let own = own.as_ref().map(|token| token.0.as_str());
                files
                    .iter()
                    .map(|file| look(file, own.as_slice(), &brought))
                    .collect()
            };
            let files = tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
                tracing::error!(%error, "files of a draft could not be looked through");
                vec![Looked::not("Nexscope itself failed; its log says where"); count]
            });
            // The session may have ended meanwhile.
            let _ = looked_in.send(Event::Looked { draft, files }).await;
        });
    }
}

fn look(file: &Path, own: &[&str], brought: &str) -> Looked {
    match transfer::contents(file, LOOKED_THROUGH) {
        Ok(Some((source, bytes))) => Looked::through(source, &bytes, own, brought),
        Ok(None) => Looked::not(format!("it is larger than {}", text::bytes(LOOKED_THROUGH))),
        Err(why) => Looked::not(why),
    }
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
        let mut looking = Looking::new();
        let files = ["a.txt", "b.bin", "c.log", "d.txt", "gone"].map(path).to_vec();
        looking.start(7, files, Some(Token("plain-room-word".into())), String::new());
        let Some(Event::Looked { draft: 7, files }) = looking.looked.recv().await else {
            panic!()
        };
        let told: Vec<(Vec<usize>, Option<&str>, bool)> = files
            .iter()
            .map(|one| {
                let lines = one.found.iter().map(|found| found.line).collect();
                (lines, one.not_through.as_deref(), one.source.is_some())
            })
            .collect();
        let gone = format!("{}: there is no such file", path("gone").display());
        let expected = [
            (vec![2], None, true),
            (vec![], Some("it is no text"), true),
            (vec![], Some("it is larger than 8.4 MB"), false),
            (vec![1], None, true),
            (vec![], Some(gone.as_str()), false),
        ];
        assert_eq!(told, expected);
    }
}
