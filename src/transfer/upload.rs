//! Sends a local file on one stream.

use nexscope_relay::protocol::{ChunkHead, StreamOpen, StreamReason};
use tokio::sync::mpsc::{self, error::TryRecvError};
use uuid::Uuid;

use super::{ProgressThrottle, TransferContext, outflow::Outflow, slots::UploadSlots};
use crate::{
    core::files::{TransferEvent, Upload},
    link::{ConnectionEpoch, FileFrame, REPLACED, StreamEvent},
};

/// The end of an upload stream.
enum End {
    /// Everything was sent.
    Done,
    /// The connection is gone, or the receiver's is.
    Cut(u64),
    /// Cancelled; the other side knows.
    Stopped(Option<String>),
    /// The receiver has asked for it again: another thread continues.
    Replaced,
    /// It cannot continue, and the receiver has to be told why.
    Broken(String),
}

/// Sends the file when a slot is free, and reports how it ended.
pub(super) fn run(
    giving: &Upload,
    stream: Uuid,
    turns: &UploadSlots,
    ways: &TransferContext,
    mut pieces: mpsc::Receiver<StreamEvent>,
) {
    // The current epoch: connections that begin while it waits do not know its stream.
    let life = ways.link.life();
    match turns.wait(&mut pieces) {
        Ok(_turn) => on_stream(giving, (life, stream), ways, &mut pieces),
        Err(Some(StreamEvent::Stop | StreamEvent::Replaced)) => {}
        Err(_) => ways.tell(TransferEvent::Cut { have: giving.offset }),
    }
    ways.link.streams.remove(stream);
}

fn on_stream(
    giving: &Upload,
    (life, stream): (ConnectionEpoch, Uuid),
    ways: &TransferContext,
    pieces: &mut mpsc::Receiver<StreamEvent>,
) {
    let open = StreamOpen {
        stream: stream.to_string(),
        to: Some(giving.to.clone()),
        from: None,
        size: giving.source.size,
        of: giving.file.clone(),
        offset: giving.offset,
        pushed: false,
    };
    // Before the stream opens: an agent's file is compared in full, which may take a while.
    let mut is_cut = false;
    let opened = Outflow::open(&giving.source, || match pieces.try_recv() {
        Ok(StreamEvent::Stop | StreamEvent::Replaced) => true,
        Ok(StreamEvent::Cut) | Err(TryRecvError::Disconnected) => {
            is_cut = true;
            true
        }
        // Other events are about a stream, and there is none yet.
        Ok(_) | Err(TryRecvError::Empty) => false,
    });
    let outflow = match opened {
        Ok(Some(outflow)) => Ok(outflow),
        Ok(None) => {
            if is_cut {
                ways.tell(TransferEvent::Cut { have: giving.offset });
            }
            return;
        }
        Err(why) => Err(why),
    };
    ways.link.send(life, FileFrame::Open(open));
    let end = match outflow {
        Ok(outflow) => give(giving, outflow, (life, stream), ways, pieces),
        Err(why) => End::Broken(why.to_string()),
    };
    match end {
        End::Done => {
            ways.link.send_close(life, stream, StreamReason::Done, "");
            ways.tell(TransferEvent::Done {
                path: giving.source.path.clone(),
            });
        }
        End::Cut(have) => ways.tell(TransferEvent::Cut { have }),
        End::Stopped(Some(why)) => ways.tell(TransferEvent::Failed(why)),
        End::Replaced => ways
            .link
            .send_close(life, stream, StreamReason::Cancelled, REPLACED),
        End::Stopped(None) => ways.link.send_close(life, stream, StreamReason::Cancelled, ""),
        End::Broken(why) => {
            ways.link.send_close(life, stream, StreamReason::Failed, &why);
            ways.tell(TransferEvent::Failed(why));
        }
    }
}

fn give(
    giving: &Upload,
    mut file: Outflow,
    (life, stream): (ConnectionEpoch, Uuid),
    ways: &TransferContext,
    pieces: &mut mpsc::Receiver<StreamEvent>,
) -> End {
    let source = &giving.source;
    if let Err(why) = file.seek(giving.offset) {
        return End::Broken(why.to_string());
    }
    let (mut at, mut credit) = (giving.offset, giving.offset);
    let mut pulse = ProgressThrottle::new();
    while at < source.size {
        // Without credit it can only wait; with credit it only polls the queue.
        let piece = match at < credit {
            true => pieces.try_recv().ok(),
            false => match pieces.blocking_recv() {
                None => return End::Cut(at),
                piece => piece,
            },
        };
        match piece {
            Some(StreamEvent::Credit(up_to)) => credit = credit.max(up_to.min(source.size)),
            Some(StreamEvent::Closed { reason, message, .. }) => {
                return closed(reason, &message, &giving.to, at);
            }
            Some(StreamEvent::Cut) => return End::Cut(at),
            Some(StreamEvent::Stop) => return End::Stopped(None),
            Some(StreamEvent::Replaced) => return End::Replaced,
            Some(StreamEvent::Opened { .. } | StreamEvent::Chunk { .. } | StreamEvent::Keep) | None => {}
        }
        if at >= credit {
            continue;
        }
        let length = (credit - at).min(ways.link.chunk_bytes() as u64) as usize;
        let mut frame = Vec::with_capacity(nexscope_relay::protocol::CHUNK_HEAD + length);
        frame.extend(ChunkHead { stream, offset: at }.to_bytes());
        match file.read(at, length, &mut frame) {
            Ok(read) => at += read as u64,
            Err(why) => return End::Broken(why.to_string()),
        }
        ways.link.send(life, FileFrame::Chunk(frame.into()));
        pulse.beat(ways, at);
    }
    match file.is_as_offered(source) {
        true => End::Done,
        false => End::Broken("it has changed while it was sent; offer it again".to_owned()),
    }
}

fn closed(reason: StreamReason, message: &str, to: &str, at: u64) -> End {
    match reason {
        StreamReason::PeerGone => End::Cut(at),
        // The receiver continues on a newer stream of ours.
        StreamReason::Cancelled if message == REPLACED => End::Cut(at),
        StreamReason::Cancelled => End::Stopped(Some(format!("{to} cancelled it"))),
        StreamReason::Failed | StreamReason::Done => End::Stopped(Some(match message.is_empty() {
            true => format!("{to} could not receive it"),
            false => crate::text::clean_line(&format!("{to} could not receive it: {message}"), 200),
        })),
    }
}
