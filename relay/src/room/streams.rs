//! Streams: files in transit from one member to another, held to credit, order and size.
//!
//! The receiver's credit is the offset up to which the sender may send. It never exceeds what the relay has started to
//! write to the receiver by more than a window, so a file of any size costs one window of memory.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Outbox, Room, StreamItem, StreamProgress,
    seat::{NameKey, SeatId},
    seats::Seats,
    v1::OutgoingFile,
};
use crate::{
    protocol::{
        CHUNK_HEAD, ChunkHead, Code, ErrorFrame, MAX_STREAMS, StreamClose, StreamCredit, StreamOpen,
        StreamReason, is_id, is_name, stream_id,
    },
    wire,
};

/// A credit that raises the limit by fewer bytes counts towards the rate limit.
const SMALL_CREDIT: u64 = 16 * 1024;
/// Maximum length of a file's id, in bytes.
const MAX_FILE_ID: usize = 256;
/// Maximum length of a closing message, in characters. It is shown to a person.
const MAX_CLOSE_MESSAGE: usize = 200;

pub(super) struct Stream {
    pub(super) from: SeatId,
    pub(super) to: SeatId,
    pub(super) size: u64,
    /// The offset up to which the sender has sent.
    pub(super) sent: u64,
    /// The offset up to which the sender may send.
    pub(super) credit: u64,
    /// Whether the sender has closed it with `done`. Only queued bytes remain to be written.
    pub(super) done: bool,
    pub(super) progress: Arc<StreamProgress>,
    /// Set if the receiver speaks version 1.
    pub(super) v1: Option<Box<OutgoingFile>>,
}

/// The streams of a room, by id.
pub(super) struct Streams {
    pub(super) by_id: HashMap<Uuid, Stream>,
    /// Maximum credit above the receiver's progress, in bytes.
    window: u64,
}

/// The result of a bad stream frame.
#[derive(Debug)]
pub enum StreamError {
    /// An error for the sender of the frame.
    Reply(ErrorFrame),
    /// The frame broke the rules of its stream. Its sender has already been told.
    Violation,
}

impl From<ErrorFrame> for StreamError {
    fn from(error: ErrorFrame) -> StreamError {
        StreamError::Reply(error)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Receiver,
}

impl Stream {
    /// A stream that starts at `offset`, without credit.
    pub(super) fn new(
        from: &SeatId,
        to: &SeatId,
        size: u64,
        offset: u64,
        progress: &Arc<StreamProgress>,
    ) -> Stream {
        Stream {
            from: from.clone(),
            to: to.clone(),
            size,
            sent: offset,
            credit: offset,
            done: false,
            progress: Arc::clone(progress),
            v1: None,
        }
    }

    /// The side of a connection for which the stream is open. For the sender it is, until `done`.
    fn side(&self, seat_id: &SeatId) -> Option<Side> {
        if self.from == *seat_id {
            (!self.done).then_some(Side::Sender)
        } else {
            (self.to == *seat_id).then_some(Side::Receiver)
        }
    }

    /// Accepts a chunk and returns it as an item for the receiver's queue, or says which rule it breaks.
    fn accept(
        &mut self,
        side: Side,
        offset: u64,
        length: u64,
        frame: Bytes,
    ) -> Result<StreamItem, &'static str> {
        if side == Side::Receiver {
            return Err("Only the sender of a stream sends chunks.");
        }
        if offset != self.sent {
            return Err("Chunks must be contiguous; this is not the next one.");
        }
        if length > self.credit.saturating_sub(self.sent) {
            return Err("Wait for credit before you send more.");
        }
        if length > self.size.saturating_sub(self.sent) {
            return Err("The chunk exceeds the size of the file.");
        }
        self.sent += length;
        // Version 1 gets the bytes of the file only.
        let (payload, head) = match self.v1 {
            Some(_) => (frame.slice(CHUNK_HEAD..), 0),
            None => (frame, CHUNK_HEAD),
        };
        let end = self.sent;
        Ok(StreamItem::Chunk { payload, head, end })
    }
}

impl Streams {
    pub(super) fn new(window: u64) -> Streams {
        Streams {
            by_id: HashMap::new(),
            window,
        }
    }

    /// Whether a connection receives as many streams as it may. Streams that are done but not read still cost memory,
    /// although their senders cannot know of them, so as many again are allowed.
    pub(super) fn is_receiver_full(&self, to: &SeatId) -> bool {
        let (mut open, mut done) = (0, 0);
        for stream in self.by_id.values().filter(|stream| stream.to == *to) {
            *(if stream.done { &mut done } else { &mut open }) += 1;
        }
        open >= MAX_STREAMS || open + done >= 2 * MAX_STREAMS
    }

    fn is_sender_full(&self, from: &SeatId) -> bool {
        let open = |stream: &&Stream| stream.from == *from && !stream.done;
        self.by_id.values().filter(open).count() >= MAX_STREAMS
    }

    /// Removes streams that are done and written. Until then, late frames for them are not errors.
    pub(super) fn remove_finished(&mut self) {
        self.by_id
            .retain(|_, stream| !(stream.done && stream.progress.is_finished()));
    }

    /// Checks the fields of `stream_open`. Returns the id and the receiver.
    fn check_open<'a>(&self, open: &'a StreamOpen) -> Result<(Uuid, &'a str), ErrorFrame> {
        let bad = |message| about(&open.stream, ErrorFrame::new(Code::BadFrame, message));
        let id = stream_id(&open.stream)
            .ok_or_else(|| bad("A stream id must be a UUID in lower case with hyphens."))?;
        if self.by_id.contains_key(&id) {
            return Err(bad("That stream id is in use; choose another."));
        }
        let to = open.to.as_deref().filter(|to| is_name(to));
        let to = to.ok_or_else(|| bad("`to` must name the member that receives the stream."))?;
        if open.offset > open.size {
            return Err(bad("`offset` must not exceed `size`."));
        }
        if open.of.len() > MAX_FILE_ID {
            return Err(bad("`of` is limited to 256 bytes."));
        }
        Ok((id, to))
    }

    /// The stream with this id, if it is open for this connection.
    fn find(&mut self, seat_id: &SeatId, id: &str) -> Result<(Uuid, Side, &mut Stream), ErrorFrame> {
        let found = stream_id(id).and_then(|uuid| {
            let stream = self.by_id.get_mut(&uuid)?;
            Some((uuid, stream.side(seat_id)?, stream))
        });
        found.ok_or_else(|| no_such_stream(id))
    }
}

impl<O: Outbox> Room<O> {
    /// Opens a stream. Fails with `bad_frame` if a field is wrong or the id is in use; a violation if the sender
    /// has too many streams.
    pub fn stream_open(&mut self, seat_id: &SeatId, open: &StreamOpen) -> Result<(), StreamError> {
        let Some(sender) = self.seats.index_of(seat_id) else {
            return Ok(());
        };
        self.streams.remove_finished();
        let (id, to) = self.streams.check_open(open)?;
        let is_sender_full = self.streams.is_sender_full(seat_id);
        let opened = if is_sender_full {
            let error = ErrorFrame::new(
                Code::StreamViolation,
                "You already send 16 streams; end one first.",
            );
            self.seats.send(seat_id, wire::text(&about(&open.stream, error)));
            Err((StreamReason::Failed, "The sender has too many streams."))
        } else {
            self.start_stream(sender, seat_id, id, to, open)
        };
        match opened {
            Ok(stream) => drop(self.streams.by_id.insert(id, stream)),
            Err((reason, message)) => self.seats.send(seat_id, close_frame(id, reason, message)),
        }
        if is_sender_full {
            return Err(StreamError::Violation);
        }
        Ok(())
    }

    /// Announces a stream to its receiver, or says why it cannot be opened.
    fn start_stream(
        &mut self,
        sender: usize,
        from: &SeatId,
        id: Uuid,
        to: &str,
        open: &StreamOpen,
    ) -> Result<Stream, (StreamReason, &'static str)> {
        let receiver = self.seats.named(&NameKey::new(to));
        let receiver = receiver.filter(|index| *index != sender);
        let receiver = receiver.ok_or((StreamReason::PeerGone, "The receiver is not here."))?;
        let receiver = &self.seats[receiver];
        let link = receiver.link.as_ref();
        let to = SeatId {
            key: receiver.key.clone(),
            connection: link
                .ok_or((StreamReason::PeerGone, "The receiver is away."))?
                .connection,
        };
        if self.streams.is_receiver_full(&to) {
            let message = "The receiver has too many streams; try again when one has ended.";
            return Err((StreamReason::Failed, message));
        }
        if receiver.v1.is_some() {
            let opened = self.v1().open_stream(from, &to, id, open);
            return opened.map_err(|message| (StreamReason::Failed, message));
        }
        let frame = wire::text(&StreamOpen {
            to: None,
            from: Some(self.seats[sender].member.name.clone()),
            ..open.clone()
        });
        self.seats.send(&to, frame);
        let progress = StreamProgress::new(id, open.offset, None);
        Ok(Stream::new(from, &to, open.size, open.offset, &progress))
    }

    /// The streams of the room, to handle frames about them.
    pub fn streams(&mut self) -> StreamsHandle<'_, O> {
        StreamsHandle {
            streams: &mut self.streams,
            seats: &self.seats,
        }
    }
}

/// The streams of a room together with the seats that they connect.
pub struct StreamsHandle<'a, O> {
    streams: &'a mut Streams,
    seats: &'a Seats<O>,
}

impl<O: Outbox> StreamsHandle<'_, O> {
    /// Whether a credit counts towards the rate limit: it raises the limit by less than 16 KiB, and not up to the end
    /// of the file.
    pub fn is_small_credit(&self, seat_id: &SeatId, credit: &StreamCredit) -> bool {
        let stream = stream_id(&credit.stream).and_then(|id| self.streams.by_id.get(&id));
        let Some(stream) = stream.filter(|stream| stream.to == *seat_id) else {
            return true;
        };
        let raised = credit.bytes.saturating_sub(stream.credit);
        raised < SMALL_CREDIT && (raised == 0 || credit.bytes < stream.size || stream.credit >= stream.size)
    }

    /// Passes credit on to the sender of a stream. Fails with `no_such_stream`, or a violation if the credit
    /// exceeds the window or comes from the sender.
    pub fn credit(&mut self, seat_id: &SeatId, credit: &StreamCredit) -> Result<(), StreamError> {
        let window = self.streams.window;
        let (id, side, stream) = self.streams.find(seat_id, &credit.stream)?;
        if side == Side::Sender {
            return Err(self.violation(id, seat_id, "Only the receiver of a stream gives credit."));
        }
        if credit.bytes.saturating_sub(stream.progress.written_to()) > window {
            let message = "Credit exceeds what was sent to you by more than `window_bytes`.";
            return Err(self.violation(id, seat_id, message));
        }
        if credit.bytes > stream.credit && !stream.done {
            stream.credit = credit.bytes;
            self.seats.send(&stream.from, wire::text(credit));
        }
        Ok(())
    }

    /// Queues a chunk, a whole binary frame, for its receiver. Fails with `bad_frame` or `no_such_stream`, or a
    /// violation if the chunk breaks order, credit or size.
    pub fn chunk(&mut self, seat_id: &SeatId, frame: Bytes) -> Result<(), StreamError> {
        let Some((head, data)) = ChunkHead::parse(&frame) else {
            let message =
                "A binary frame must be 16 bytes of stream id, 8 of offset, and at least 1 of the file.";
            return Err(ErrorFrame::new(Code::BadFrame, message).into());
        };
        let (id, length) = (head.stream, data.len() as u64);
        let stream = self.streams.by_id.get_mut(&id);
        let Some((stream, side)) = stream.and_then(|stream| {
            let side = stream.side(seat_id)?;
            Some((stream, side))
        }) else {
            return Err(no_such_stream(&id.to_string()).into());
        };
        match stream.accept(side, head.offset, length, frame) {
            Ok(item) => {
                if let Some(outbox) = self.seats.outbox(&stream.to) {
                    outbox.push_stream(&stream.progress, item);
                }
                Ok(())
            }
            Err(message) => Err(self.violation(id, seat_id, message)),
        }
    }

    /// Closes a stream. Fails with `no_such_stream`, or a violation if it is closed with `done` too early.
    pub fn close(&mut self, seat_id: &SeatId, close: &StreamClose) -> Result<(), StreamError> {
        let (id, side, stream) = self.streams.find(seat_id, &close.stream)?;
        let done = close.reason == StreamReason::Done;
        let complete = match side {
            Side::Sender => stream.sent == stream.size,
            Side::Receiver => stream.progress.written_to() == stream.size,
        };
        if done && !complete {
            let message = "`done` is only for a stream whose file was sent completely.";
            return Err(self.violation(id, seat_id, message));
        }
        let message: String = close.message.chars().take(MAX_CLOSE_MESSAGE).collect();
        let frame = close_frame(id, close.reason, &message);
        match side {
            Side::Sender if done => {
                stream.done = true;
                let last = stream.v1.as_ref().map_or(frame, |v1| v1.end());
                if let Some(outbox) = self.seats.outbox(&stream.to) {
                    outbox.push_stream(&stream.progress, StreamItem::Last(last));
                }
            }
            Side::Sender => {
                let to = stream.to.clone();
                self.remove(id);
                self.seats.send(&to, frame);
            }
            Side::Receiver => {
                // A sender that has closed the stream with `done` need not hear the same.
                let known = stream.done && done;
                let from = stream.from.clone();
                self.remove(id);
                if !known {
                    self.seats.send(&from, frame);
                }
            }
        }
        Ok(())
    }

    /// Ends all streams of a connection that has ended.
    pub(super) fn end_all(&mut self, seat_id: &SeatId) {
        let ends = |stream: &Stream| (stream.from == *seat_id && !stream.done) || stream.to == *seat_id;
        let streams = self.streams.by_id.iter();
        let ended: Vec<Uuid> = streams.filter(|(_, s)| ends(s)).map(|(id, _)| *id).collect();
        for id in ended {
            let Some(stream) = self.remove(id) else { continue };
            let other = if stream.from == *seat_id {
                &stream.to
            } else {
                &stream.from
            };
            let message = "The other side's connection has ended.";
            self.seats
                .send(other, close_frame(id, StreamReason::PeerGone, message));
        }
    }

    /// Reports a broken rule to both sides and ends the stream.
    fn violation(&mut self, id: Uuid, offender: &SeatId, message: &str) -> StreamError {
        let error = about(&id.to_string(), ErrorFrame::new(Code::StreamViolation, message));
        self.seats.send(offender, wire::text(&error));
        self.fail(id, message);
        StreamError::Violation
    }

    /// Ends a stream with `failed` for both sides.
    pub(super) fn fail(&mut self, id: Uuid, message: &str) {
        let Some(stream) = self.remove(id) else { return };
        let close = close_frame(id, StreamReason::Failed, message);
        self.seats.send(&stream.from, close.clone());
        self.seats.send(&stream.to, close);
    }

    /// Removes a stream and everything that is queued of it.
    fn remove(&mut self, id: Uuid) -> Option<Stream> {
        let stream = self.streams.by_id.remove(&id)?;
        if let Some(outbox) = self.seats.outbox(&stream.to) {
            match &stream.v1 {
                Some(v1) => outbox.cut_stream(id, v1.incomplete()),
                None => outbox.drop_stream(id),
            }
        }
        Some(stream)
    }
}

pub(super) fn close_frame(id: Uuid, reason: StreamReason, message: &str) -> Bytes {
    wire::text(&StreamClose {
        stream: id.to_string(),
        reason,
        message: message.to_owned(),
    })
}

fn no_such_stream(stream: &str) -> ErrorFrame {
    about(
        stream,
        ErrorFrame::new(Code::NoSuchStream, "That stream is not open; open a new one."),
    )
}

/// An error about a stream. Text that is not an id at all is not repeated.
fn about(stream: &str, error: ErrorFrame) -> ErrorFrame {
    ErrorFrame {
        stream: is_id(stream).then(|| stream.to_owned()),
        ..error
    }
}
