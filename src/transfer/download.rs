//! Receives a file over as many streams as needed, until it is complete.

use std::path::Path;

use nexscope_relay::protocol::StreamReason;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{DiskError, OVER, ProgressThrottle, TransferContext, partial_file::Part};
use crate::{
    core::files::{Download, TransferEvent},
    link::{ConnectionEpoch, REPLACED, StreamEvent},
};

struct Stream {
    id: Uuid,
    /// The connection that the stream belongs to.
    life: ConnectionEpoch,
    /// The offset of the next chunk, in bytes.
    at: u64,
    /// The offset up to which the sender may send, in bytes.
    credit: u64,
}

struct DownloadTask<'a> {
    dir: &'a Path,
    wanted: Download,
    ways: &'a TransferContext,
    part: Part,
    stream: Option<Stream>,
    pulse: ProgressThrottle,
    /// The file is complete, and waits for the person.
    aside: bool,
}

/// Whether to continue.
enum Next {
    Go,
    Over,
}

/// Receives the file until it is complete, cancelled, or failed.
pub(super) fn run(
    dir: &Path,
    wanted: Download,
    ways: &TransferContext,
    mut pieces: mpsc::Receiver<StreamEvent>,
) {
    take(dir, wanted, ways, &mut pieces);
    // A sender that has started to send it again is notified, and does not wait for credit forever.
    pieces.close();
    while let Ok(piece) = pieces.try_recv() {
        if let StreamEvent::Opened { stream, .. } = piece {
            ways.link.streams.remove(stream);
            let life = ways.link.life();
            ways.link.close_now(life, stream, StreamReason::Failed, OVER);
        }
    }
}

fn take(dir: &Path, wanted: Download, ways: &TransferContext, pieces: &mut mpsc::Receiver<StreamEvent>) {
    if wanted.again
        && let Some(path) = Part::finished(dir, &wanted)
    {
        return ways.tell(TransferEvent::Done { path });
    }
    let part = match Part::open(dir, &wanted) {
        Ok(part) => part,
        Err(why) => return ways.tell(TransferEvent::Failed(why.to_string())),
    };
    let whole = wanted.whole && part.have == wanted.size;
    let ready = TransferEvent::Ready { have: part.have };
    let mut receiving = DownloadTask {
        dir,
        wanted,
        ways,
        part,
        stream: None,
        pulse: ProgressThrottle::new(),
        aside: false,
    };
    if whole {
        if let Next::Over = receiving.whole() {
            return;
        }
    } else {
        ways.tell(ready);
    }
    while let Some(piece) = pieces.blocking_recv() {
        if let Next::Over = receiving.take(piece) {
            break;
        }
    }
    receiving.leave_stream();
}

impl DownloadTask<'_> {
    fn take(&mut self, piece: StreamEvent) -> Next {
        match piece {
            StreamEvent::Opened { stream, offset } => {
                self.end_stream(StreamReason::Cancelled, REPLACED);
                self.stream = Some(Stream {
                    id: stream,
                    life: self.ways.link.life(),
                    at: offset,
                    credit: offset,
                });
                if offset > self.part.have {
                    self.fail("it starts after the part that is already here");
                    return Next::Over;
                }
                self.give_credit();
            }
            StreamEvent::Chunk {
                stream,
                offset,
                bytes,
            } => {
                if self.stream.as_ref().is_some_and(|current| current.id == stream) {
                    return self.chunk(offset, &bytes);
                }
            }
            StreamEvent::Closed {
                stream,
                reason,
                message,
            } => {
                if self.stream.as_ref().is_some_and(|current| current.id == stream) {
                    return self.closed(reason, &message);
                }
            }
            StreamEvent::Cut => self.cut(),
            StreamEvent::Keep => {
                self.wanted.accepted = true;
                if self.aside {
                    return self.finish();
                }
            }
            StreamEvent::Stop => {
                self.end_stream(StreamReason::Cancelled, "");
                self.part.delete();
                return Next::Over;
            }
            StreamEvent::Credit(_) | StreamEvent::Replaced => {}
        }
        Next::Go
    }

    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> Next {
        let Some(stream) = &mut self.stream else {
            return Next::Go;
        };
        if self.ways.link.streams.overran(stream.id) {
            self.fail("it comes in too many small pieces");
            return Next::Over;
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if offset != stream.at || end > stream.credit || end > self.wanted.size {
            self.fail("the sender breaks the file's size or order");
            return Next::Over;
        }
        stream.at = end;
        // Bytes that we already have may be repeated if the sender started earlier.
        let known = self.part.have.saturating_sub(offset).min(bytes.len() as u64);
        if let Err(error) = self.part.write(&bytes[known as usize..]) {
            self.fail(&format!("it cannot be written: {}", DiskError::from(&error)));
            return Next::Over;
        }
        self.pulse.beat(self.ways, self.part.have);
        self.give_credit();
        Next::Go
    }

    /// Grants credit for a window ahead of the received bytes, in steps of half a window.
    fn give_credit(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let window = self.ways.link.window_bytes() as u64;
        let up_to = (stream.at + window).min(self.wanted.size);
        let step = (window / 2).max(1);
        if up_to > stream.credit && (up_to - stream.credit >= step || up_to == self.wanted.size) {
            stream.credit = up_to;
            self.ways.link.credit(stream.life, stream.id, up_to);
        }
    }

    fn closed(&mut self, reason: StreamReason, message: &str) -> Next {
        self.leave_stream();
        match reason {
            StreamReason::Done if self.part.have == self.wanted.size => return self.whole(),
            StreamReason::Done => {
                let (have, size) = (self.part.have, self.wanted.size);
                self.failed(format!(
                    "the sender says that it is done after {} of {}",
                    crate::text::bytes(have),
                    crate::text::bytes(size)
                ));
            }
            // The sender continues on a stream that it has opened or is about to open.
            StreamReason::Cancelled if message == REPLACED => return Next::Go,
            StreamReason::PeerGone => {
                let have = self.part.have;
                self.ways.tell(TransferEvent::Cut { have });
                return Next::Go;
            }
            StreamReason::Cancelled => {
                // It is no longer offered, so the rest will never arrive.
                self.part.delete();
                self.ways
                    .tell(TransferEvent::Failed("the sender cancelled it".to_owned()));
            }
            StreamReason::Failed => {
                let why = crate::text::clean_line(message, 200);
                self.failed(match why.is_empty() {
                    true => "the sender could not continue".to_owned(),
                    false => why,
                });
            }
        }
        Next::Over
    }

    fn cut(&mut self) {
        if self.stream.take().is_some() {
            let have = self.part.have;
            self.ways.tell(TransferEvent::Cut { have });
        }
    }

    /// Handles a file whose bytes are all received.
    fn whole(&mut self) -> Next {
        if let Err(why) = self.part.check(&self.wanted) {
            self.ways.tell(TransferEvent::Failed(why.to_string()));
            return Next::Over;
        }
        if self.wanted.accepted {
            return self.finish();
        }
        self.aside = true;
        self.ways.tell(TransferEvent::Aside);
        Next::Go
    }

    fn finish(&mut self) -> Next {
        self.ways.tell(match self.part.finish(self.dir, &self.wanted) {
            Ok(path) => TransferEvent::Done { path },
            Err(why) => TransferEvent::Failed(why.to_string()),
        });
        Next::Over
    }

    fn fail(&mut self, why: &str) {
        self.end_stream(StreamReason::Failed, why);
        self.failed(why.to_owned());
    }

    /// Reports a failure. A retry resumes from the received bytes; a file that was pushed, and not accepted, has none.
    fn failed(&mut self, why: String) {
        match self.wanted.accepted {
            true => self.part.tidy(),
            false => self.part.delete(),
        }
        self.ways.tell(TransferEvent::Failed(why));
    }

    fn end_stream(&mut self, reason: StreamReason, message: &str) {
        if let Some(stream) = self.stream.take() {
            self.ways.link.streams.remove(stream.id);
            self.ways.link.close_now(stream.life, stream.id, reason, message);
        }
    }

    fn leave_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.ways.link.streams.remove(stream.id);
        }
    }
}
