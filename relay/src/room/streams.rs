//! Streams: files on their way from one member to another, held to credit, order and size.
//!
//! The receiver's credit says up to which offset the sender may send. It is never more than a window above
//! what the relay has begun to write to the receiver, so that a file of any size costs a window.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use super::{
    FrameClass, Outbox, Room, StreamItem, StreamProgress,
    seat::{NameKey, SeatId},
    v1::Outgoing,
};
use crate::{
    protocol::{
        CHUNK_HEAD, ChunkHead, Code, ErrorFrame, MAX_STREAMS, StreamClose, StreamCredit, StreamOpen,
        StreamReason, is_name, stream_id,
    },
    wire,
};

/// A credit that raises the limit by less counts for the rate.
const SMALL_CREDIT: u64 = 16 * 1024;
/// The longest id of a file, in bytes.
const MAX_FILE_ID: usize = 256;

/// A file on its way.
pub(super) struct Stream {
    pub(super) from: SeatId,
    pub(super) to: SeatId,
    pub(super) size: u64,
    /// What has come from the sender, as an offset.
    pub(super) sent: u64,
    /// Up to where the sender may send.
    pub(super) credit: u64,
    /// Whether the sender has said `done`: only what is queued is to be written yet.
    pub(super) done: bool,
    pub(super) progress: Arc<StreamProgress>,
    /// Where the receiver speaks version 1, what it knows the file by.
    pub(super) v1: Option<Box<Outgoing>>,
}

/// The streams of a room, by id.
pub(super) type Streams = HashMap<Uuid, Stream>;

/// What is wrong with a frame of a stream.
#[derive(Debug)]
pub enum StreamError {
    /// Its sender is to be told so.
    Tell(ErrorFrame),
    /// Its sender has been told already: it broke the stream's rules.
    Violation,
}

impl From<ErrorFrame> for StreamError {
    fn from(error: ErrorFrame) -> StreamError {
        StreamError::Tell(error)
    }
}

/// Who of a stream's two sides somebody is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Receiver,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "stream_open")]
pub(super) struct OpenFrame<'a> {
    pub(super) stream: &'a str,
    pub(super) from: &'a str,
    pub(super) size: u64,
    pub(super) of: &'a str,
    pub(super) offset: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) pushed: bool,
}

impl Stream {
    /// For whom it is open: for its sender until that has said `done`.
    fn side(&self, seat_id: &SeatId) -> Option<Side> {
        if self.from == *seat_id {
            (!self.done).then_some(Side::Sender)
        } else {
            (self.to == *seat_id).then_some(Side::Receiver)
        }
    }
}

impl<O: Outbox> Room<O> {
    /// Opens a stream. Fails with `bad_frame` where a field is wrong or the id is in use.
    pub fn stream_open(&mut self, seat_id: &SeatId, open: &StreamOpen) -> Result<(), StreamError> {
        let Some(sender) = self.seat_of(seat_id) else {
            return Ok(());
        };
        let bad = |message| for_stream(&open.stream, ErrorFrame::new(Code::BadFrame, message));
        let id = stream_id(&open.stream)
            .ok_or_else(|| bad("A stream's id is a UUID, lower case, with hyphens."))?;
        self.forget_finished();
        if self.streams.contains_key(&id) {
            return Err(bad("That stream's id is in use; choose another.").into());
        }
        let to = open.to.as_deref().filter(|to| is_name(to));
        let to = to.ok_or_else(|| bad("Say in `to` which member receives the stream."))?;
        if open.offset > open.size {
            return Err(bad("`offset` is at most `size`.").into());
        }
        if open.of.len() > MAX_FILE_ID {
            return Err(bad("`of` is at most 256 bytes.").into());
        }
        let count = self
            .streams
            .values()
            .filter(|stream| stream.from == *seat_id && !stream.done)
            .count();
        if count >= MAX_STREAMS {
            let error = ErrorFrame::new(
                Code::StreamViolation,
                "You send 16 streams already; end one first.",
            );
            self.push_to_seat(seat_id, wire::text(&for_stream(&open.stream, error)));
            self.push_to_seat(
                seat_id,
                close_frame(id, StreamReason::Failed, "The sender has too many streams."),
            );
            return Err(StreamError::Violation);
        }
        let Some(receiver) = self.seat_at(to).filter(|index| *index != sender) else {
            self.push_to_seat(
                seat_id,
                close_frame(id, StreamReason::PeerGone, "The receiver is not here."),
            );
            return Ok(());
        };
        let Some(link) = &self.seats[receiver].link else {
            self.push_to_seat(
                seat_id,
                close_frame(id, StreamReason::PeerGone, "The receiver is away."),
            );
            return Ok(());
        };
        let to = SeatId {
            key: self.seats[receiver].key.clone(),
            connection: link.connection,
        };
        if self.has_too_many_streams(&to) {
            let message = "The receiver has too many streams; try again when one has ended.";
            self.push_to_seat(seat_id, close_frame(id, StreamReason::Failed, message));
            return Ok(());
        }
        if self.seats[receiver].v1.is_some() {
            match self.v1_open_stream(seat_id, &to, id, open) {
                Ok(stream) => drop(self.streams.insert(id, stream)),
                Err(message) => self.push_to_seat(seat_id, close_frame(id, StreamReason::Failed, message)),
            }
            return Ok(());
        }
        let frame = wire::text(&OpenFrame {
            stream: &open.stream,
            from: &self.seats[sender].member.name,
            size: open.size,
            of: &open.of,
            offset: open.offset,
            pushed: false,
        });
        self.push_to_seat(&to, frame);
        let stream = Stream {
            from: seat_id.clone(),
            to,
            size: open.size,
            sent: open.offset,
            credit: open.offset,
            done: false,
            progress: StreamProgress::new(id, open.offset, None),
            v1: None,
        };
        self.streams.insert(id, stream);
        Ok(())
    }

    /// Whether a credit is too small to be free of the rate limit: it raises the limit by under 16 KiB, and
    /// not up to the file's end.
    pub fn is_small_credit(&self, seat_id: &SeatId, credit: &StreamCredit) -> bool {
        let stream = stream_id(&credit.stream).and_then(|id| self.streams.get(&id));
        let Some(stream) = stream.filter(|stream| stream.to == *seat_id) else {
            return true;
        };
        let raised = credit.bytes.saturating_sub(stream.credit);
        raised < SMALL_CREDIT && (raised == 0 || credit.bytes < stream.size || stream.credit >= stream.size)
    }

    /// Lets a stream's sender go on. Fails where the stream is not open, or credit exceeds the window.
    pub fn stream_credit(&mut self, seat_id: &SeatId, credit: &StreamCredit) -> Result<(), StreamError> {
        let (id, side) = self.find_stream(seat_id, &credit.stream)?;
        let window = self.rules.limits.window_bytes as u64;
        // Found by `stream_of`.
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        if side == Side::Sender {
            return Err(self.violation(id, seat_id, "Credit comes from a stream's receiver."));
        }
        if credit.bytes.saturating_sub(stream.progress.written_to()) > window {
            let message = "Credit is more than `window_bytes` above what was sent to you.";
            return Err(self.violation(id, seat_id, message));
        }
        if credit.bytes <= stream.credit || stream.done {
            return Ok(());
        }
        stream.credit = credit.bytes;
        let from = stream.from.clone();
        self.push_to_seat(&from, wire::text(credit));
        Ok(())
    }

    /// Takes a chunk, a whole binary frame. Fails where the stream is not open, or where the chunk is not the
    /// next, exceeds the credit or the size.
    pub fn stream_chunk(&mut self, seat_id: &SeatId, frame: Bytes) -> Result<(), StreamError> {
        let Some((head, data)) = ChunkHead::parse(&frame) else {
            let message = "A binary frame is 16 bytes of stream id, 8 of offset, and 1 or more of the file.";
            return Err(ErrorFrame::new(Code::BadFrame, message).into());
        };
        let (id, offset, length) = (head.stream, head.offset, data.len() as u64);
        let stream = self.streams.get_mut(&id);
        let Some((stream, side)) = stream.and_then(|stream| {
            let side = stream.side(seat_id)?;
            Some((stream, side))
        }) else {
            return Err(no_such_stream(id.to_string()).into());
        };
        let message = if side == Side::Receiver {
            "Chunks come from a stream's sender."
        } else if offset != stream.sent {
            "Chunks are contiguous; this is not the next."
        } else if length > stream.credit.saturating_sub(stream.sent) {
            "Wait for credit before you send more."
        } else if length > stream.size.saturating_sub(stream.sent) {
            "The chunk goes beyond the file's size."
        } else {
            stream.sent += length;
            // Version 1 gets the file's bytes alone.
            let (payload, head) = match stream.v1 {
                Some(_) => (frame.slice(CHUNK_HEAD..), 0),
                None => (frame, CHUNK_HEAD),
            };
            let end = stream.sent;
            let piece = StreamItem::Chunk { payload, head, end };
            if let Some(outbox) = outbox(&self.seats, &self.names, &stream.to) {
                outbox.push_stream(&stream.progress, piece);
            }
            return Ok(());
        };
        Err(self.violation(id, seat_id, message))
    }

    /// Ends a stream. Fails where it is not open, or where it is not `done` yet.
    pub fn stream_close(&mut self, seat_id: &SeatId, close: &StreamClose) -> Result<(), StreamError> {
        let (id, side) = self.find_stream(seat_id, &close.stream)?;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        let done = close.reason == StreamReason::Done;
        let complete = match side {
            Side::Sender => stream.sent == stream.size,
            Side::Receiver => stream.progress.written_to() == stream.size,
        };
        if done && !complete {
            return Err(self.violation(id, seat_id, "A stream is `done` when all of the file was sent."));
        }
        // Cut here: it is shown to a person.
        let message: String = close.message.chars().take(200).collect();
        let frame = close_frame(id, close.reason, &message);
        match side {
            Side::Sender if done => {
                stream.done = true;
                let last = stream.v1.as_ref().map_or(frame, |v1| v1.end());
                if let Some(outbox) = outbox(&self.seats, &self.names, &stream.to) {
                    outbox.push_stream(&stream.progress, StreamItem::Last(last));
                }
            }
            Side::Sender => {
                let to = stream.to.clone();
                self.remove_stream(id);
                self.push_to_seat(&to, frame);
            }
            Side::Receiver => {
                // Who has said `done` and hears the same knows it already.
                let told = stream.done && done;
                let from = stream.from.clone();
                self.remove_stream(id);
                if !told {
                    self.push_to_seat(&from, frame);
                }
            }
        }
        Ok(())
    }

    /// Whether a connection receives as many streams as it may. Those that their senders are done with, and that it
    /// has not read yet, cost memory still, but no sender can know of them: as many again are let be.
    pub(super) fn has_too_many_streams(&self, to: &SeatId) -> bool {
        let (mut open, mut done) = (0, 0);
        for stream in self.streams.values().filter(|stream| stream.to == *to) {
            *(if stream.done { &mut done } else { &mut open }) += 1;
        }
        open >= MAX_STREAMS || open + done >= 2 * MAX_STREAMS
    }

    /// What is done and written is open no more; until now, frames for it were nobody's fault.
    pub(super) fn forget_finished(&mut self) {
        self.streams
            .retain(|_, stream| !(stream.done && stream.progress.is_finished()));
    }

    /// A connection has ended: so have its streams.
    pub(super) fn end_streams(&mut self, seat_id: &SeatId) {
        let ends = |stream: &Stream| (stream.from == *seat_id && !stream.done) || stream.to == *seat_id;
        let ended: Vec<Uuid> = self
            .streams
            .iter()
            .filter(|(_, s)| ends(s))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let Some(stream) = self.remove_stream(id) else {
                continue;
            };
            let other = if stream.from == *seat_id {
                &stream.to
            } else {
                &stream.from
            };
            self.push_to_seat(
                other,
                close_frame(
                    id,
                    StreamReason::PeerGone,
                    "The other side's connection has ended.",
                ),
            );
        }
    }

    /// Tells both sides that a rule was broken, and ends the stream.
    fn violation(&mut self, id: Uuid, offender: &SeatId, message: &str) -> StreamError {
        let error = for_stream(&id.to_string(), ErrorFrame::new(Code::StreamViolation, message));
        self.push_to_seat(offender, wire::text(&error));
        self.fail_stream(id, message);
        StreamError::Violation
    }

    /// Ends a stream with `failed`, towards both sides.
    pub(super) fn fail_stream(&mut self, id: Uuid, message: &str) {
        let Some(stream) = self.remove_stream(id) else {
            return;
        };
        let close = close_frame(id, StreamReason::Failed, message);
        self.push_to_seat(&stream.from, close.clone());
        self.push_to_seat(&stream.to, close);
    }

    /// Takes a stream out, with what is queued of it.
    pub(super) fn remove_stream(&mut self, id: Uuid) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        if let Some(outbox) = outbox(&self.seats, &self.names, &stream.to) {
            match &stream.v1 {
                Some(v1) => outbox.cut_stream(id, v1.incomplete()),
                None => outbox.drop_stream(id),
            }
        }
        Some(stream)
    }

    /// An open stream of this connection. One of which all is written is open no more, but a frame of the
    /// receiver's may have been on its way: nobody's fault, and nothing to answer.
    fn find_stream(&self, seat_id: &SeatId, id: &str) -> Result<(Uuid, Side), ErrorFrame> {
        let found = stream_id(id).and_then(|uuid| {
            let side = self.streams.get(&uuid)?.side(seat_id)?;
            Some((uuid, side))
        });
        found.ok_or_else(|| no_such_stream(id.to_owned()))
    }

    /// Queues a frame for a connection, if it is there yet. A version 1 connection looks at its streams
    /// instead of reading about them.
    pub(super) fn push_to_seat(&self, to: &SeatId, frame: Bytes) {
        if let Some(v1) = self.v1_seat(to) {
            v1.progress_notify.notify_one();
        } else if let Some(outbox) = outbox(&self.seats, &self.names, to) {
            outbox.push(frame, FrameClass::Frame);
        }
    }

    /// A name's place among the seats.
    pub(super) fn seat_at(&self, name: &str) -> Option<usize> {
        self.names.get(&NameKey::new(name)).copied()
    }
}

/// A connection's outbox. Not a method, so that a stream can be borrowed beside it.
pub(super) fn outbox<'a, O>(
    seats: &'a [super::Seat<O>],
    names: &HashMap<NameKey, usize>,
    seat_id: &SeatId,
) -> Option<&'a O> {
    let link = seats[*names.get(&seat_id.key)?].link.as_ref()?;
    (link.connection == seat_id.connection).then_some(&link.outbox)
}

pub(super) fn close_frame(id: Uuid, reason: StreamReason, message: &str) -> Bytes {
    wire::text(&StreamClose {
        stream: id.to_string(),
        reason,
        message: message.to_owned(),
    })
}

fn no_such_stream(stream: String) -> ErrorFrame {
    for_stream(
        &stream,
        ErrorFrame::new(Code::NoSuchStream, "That stream is not open; open a new one."),
    )
}

/// An error about a stream; what is no id at all is not repeated.
fn for_stream(stream: &str, error: ErrorFrame) -> ErrorFrame {
    ErrorFrame {
        stream: crate::protocol::is_id(stream).then(|| stream.to_owned()),
        ..error
    }
}
