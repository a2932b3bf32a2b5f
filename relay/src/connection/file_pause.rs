//! The pause between two files to a version 1 client.
//!
//! nexscope-plugin receives a file until it is written to disk, which ends some time after `file-end` has arrived. It
//! mixes up what comes sooner with that file and loses both. It reads its connection all the while, so the time to wait
//! for its disk grows with the file. A ping behind each file tells when the client has read it: on a slow network that
//! is long after the relay has written it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::wire;

/// Time after a client has read a file of no bytes.
const MIN_PAUSE: Duration = Duration::from_millis(250);
/// Bytes of a file for which the pause is a millisecond longer.
const BYTES_PER_MS: u64 = 100_000;
/// Time for which the relay waits for the pong. A client that answers no pings at all is closed by its heartbeat.
const MAX_PONG_WAIT: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct FilePause {
    /// Number of files so far. The payload of the ping behind each.
    files: u64,
    stage: Stage,
}

#[derive(Default)]
enum Stage {
    #[default]
    None,
    /// The client has not read the file. It counts as read at `until`, which is unknown while the file is written.
    Unread { bytes: u64, until: Option<Instant> },
    /// The client is writing the file to disk.
    Until(Instant),
}

impl FilePause {
    /// Begins a pause behind a file. Returns the ping to send behind it.
    pub fn begin(&mut self, bytes: u64) -> Bytes {
        self.files += 1;
        self.stage = Stage::Unread { bytes, until: None };
        wire::ping(self.files.to_string().as_bytes())
    }

    /// Handles a pong with this payload.
    #[cfg(any(test, feature = "v1"))]
    pub fn pong(&mut self, payload: &[u8]) {
        if let Stage::Unread { bytes, .. } = self.stage
            && payload == self.files.to_string().as_bytes()
        {
            self.stage = Stage::Until(Instant::now() + length(bytes));
        }
    }

    /// Whether the next file must wait. To be called when everything before it is written.
    pub fn is_active(&mut self) -> bool {
        match &mut self.stage {
            Stage::None => return false,
            Stage::Unread { bytes, until } => {
                let now = Instant::now();
                if now >= *until.get_or_insert(now + MAX_PONG_WAIT) {
                    self.stage = Stage::Until(now + length(*bytes));
                }
            }
            Stage::Until(until) => {
                if Instant::now() >= *until {
                    self.stage = Stage::None;
                    return false;
                }
            }
        }
        true
    }

    /// When it may end, as far as that is known.
    pub fn until(&self) -> Option<Instant> {
        match self.stage {
            Stage::None => None,
            Stage::Unread { until, .. } => until,
            Stage::Until(until) => Some(until),
        }
    }
}

fn length(bytes: u64) -> Duration {
    MIN_PAUSE + Duration::from_millis(bytes / BYTES_PER_MS)
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    /// Whether the pause lasts until `ms` from now.
    async fn lasts(file: &mut FilePause, ms: u64) {
        advance(Duration::from_millis(ms - 1)).await;
        assert!(file.is_active(), "after {ms} - 1 ms");
        advance(Duration::from_millis(1)).await;
        assert!(!file.is_active(), "after {ms} ms");
    }

    #[tokio::test]
    async fn it_begins_with_the_pong_and_grows_with_the_file() {
        pause();
        let mut file = FilePause::default();
        assert!(!file.is_active() && file.until().is_none());
        for (number, bytes, ms) in [(1, 0, 250), (2, 7, 250), (3, 90_000_000, 1150)] {
            let ping = file.begin(bytes);
            assert_eq!(wire::payload(&ping), number.to_string().as_bytes());
            assert!(file.is_active());
            advance(Duration::from_secs(5)).await;
            file.pong(b"");
            file.pong(b"0");
            assert!(file.is_active(), "those answer other pings");
            file.pong(number.to_string().as_bytes());
            lasts(&mut file, ms).await;
        }
    }

    #[tokio::test]
    async fn a_client_without_pongs_waits_longer() {
        pause();
        let mut file = FilePause::default();
        file.begin(1_000_000);
        assert_eq!(file.until(), None, "its end is not written yet");
        advance(Duration::from_secs(60)).await;
        assert!(file.is_active());
        advance(MAX_PONG_WAIT).await;
        assert!(file.is_active());
        lasts(&mut file, 260).await;
    }
}
