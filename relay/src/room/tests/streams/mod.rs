//! Streams without sockets.

mod property;
mod rules;

use uuid::Uuid;

use super::*;
use crate::protocol::{ChunkHead, StreamClose, StreamCredit, StreamOpen, StreamReason};

const WINDOW: u64 = 1000;
const NAMES: [&str; 3] = ["ann", "bob", "cat"];

fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

fn open(n: u128, to: &str, size: u64, offset: u64) -> StreamOpen {
    StreamOpen {
        stream: id(n),
        to: Some(to.into()),
        from: None,
        size,
        of: "f".into(),
        offset,
        pushed: false,
    }
}

fn chunk(n: u128, offset: u64, length: usize) -> Bytes {
    let stream = Uuid::from_u128(n);
    let mut frame = ChunkHead { stream, offset }.to_bytes().to_vec();
    frame.extend((0..length as u64).map(|i| offset.wrapping_add(i) as u8));
    frame.into()
}

fn credit(n: u128, bytes: u64) -> StreamCredit {
    StreamCredit { stream: id(n), bytes }
}

fn close(n: u128, reason: StreamReason) -> StreamClose {
    StreamClose {
        stream: id(n),
        reason,
        message: String::new(),
    }
}

/// A stream frame. The first number is that of the stream.
enum Act {
    Open(StreamOpen),
    Credit(u128, u64),
    /// An offset and a length.
    Chunk(u128, u64, usize),
    Close(u128, StreamReason),
}

impl Bench {
    /// Sends a frame, and returns the code of the error that its sender gets.
    fn act(&mut self, by: &Client, act: &Act) -> Option<Code> {
        let by = &by.seat_id;
        told(match act {
            Act::Open(open) => self.room.stream_open(by, open),
            Act::Credit(n, bytes) => self.room.streams().credit(by, &credit(*n, *bytes)),
            Act::Chunk(n, offset, length) => self.room.streams().chunk(by, chunk(*n, *offset, *length)),
            Act::Close(n, reason) => self.room.streams().close(by, &close(*n, *reason)),
        })
    }

    fn open(&mut self, by: &Client, n: u128, to: &str, size: u64, offset: u64) -> Option<Code> {
        self.act(by, &Act::Open(open(n, to, size, offset)))
    }
}

/// The code of the error that the sender of a frame gets.
fn told(result: Result<(), StreamError>) -> Option<Code> {
    match result {
        Ok(()) => None,
        Err(StreamError::Reply(error)) => Some(error.code),
        Err(StreamError::Violation) => Some(Code::StreamViolation),
    }
}

fn bench() -> (Bench, [Client; 3]) {
    let mut bench = Bench::new(|rules| rules.limits.window_bytes = WINDOW as usize);
    let mut clients = NAMES.map(|name| bench.join(name));
    clients.iter_mut().for_each(|client| {
        bench.read_all(client);
    });
    (bench, clients)
}

/// The queued frames of a connection: types, and reasons or codes.
fn waiting(bench: &mut Bench, client: &mut Client) -> Vec<String> {
    let frames = bench.read_all(client);
    let word = |frame: &Value| {
        let more = [&frame["reason"], &frame["code"], &frame["bytes"]];
        let more = more.into_iter().find(|value| !value.is_null());
        format!("{} {}", frame["type"], more.unwrap_or(&Value::Null)).replace('"', "")
    };
    frames.iter().map(word).collect()
}

impl Client {
    /// Takes the next item of any stream, as a writer would.
    pub(super) fn take(&self) -> Option<StreamItem> {
        let mut state = self.outbox.0.borrow_mut();
        let lane = state.lanes.iter().position(|(_, lane)| !lane.is_empty())?;
        let (progress, pieces) = &mut state.lanes[lane];
        let piece = pieces.pop_front()?;
        match &piece {
            StreamItem::Chunk { end, .. } => progress.advance_to(*end),
            StreamItem::Last(_) => {
                progress.finish();
                state.lanes.remove(lane);
            }
            StreamItem::Frame(_) => {}
        }
        Some(piece)
    }
}
