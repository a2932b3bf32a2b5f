//! Files that version 1 members send: one at a time per room, at the pace of the slowest receiver.
//!
//! Version 2 receivers get a chat message with `files`, and a stream that is pushed without a request. A receiver that
//! takes nothing for a while leaves the transfer; the others continue.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{
    V1Rendering, V1Room,
    message::{DeliveryReport, V1Post},
    outgoing::incomplete,
};
use crate::{
    protocol::{
        CHUNK_HEAD, ChunkHead, StreamOpen, StreamReason,
        body::File,
        v1::{Attachment, Msg, Reply},
    },
    room::{
        FrameClass, Outbox, Room, StreamItem, StreamProgress,
        seat::{NameKey, SeatId},
        streams::{Stream, close_frame},
    },
    wire,
};

pub(super) struct Transfer {
    from: SeatId,
    from_name: String,
    msg_id: String,
    thread_id: String,
    sent: u64,
    receivers: Vec<Receiver>,
    offline: Vec<String>,
}

struct Receiver {
    seat_id: SeatId,
    name: String,
    progress: Arc<StreamProgress>,
    /// Whether it is a version 2 member with a stream.
    has_stream: bool,
    /// A number that changed when it last took something, at `since`.
    mark: u64,
    since: Instant,
}

/// The reason why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    Busy,
    TooLarge,
    /// The id is not that of the file in transit.
    BadEnd,
}

/// How much of a file may be passed on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAllowance {
    Bytes(usize),
    /// Nothing. Ask again after a notification, at the latest at this time.
    Wait(Instant),
    /// The connection has no file in transit.
    NoTransfer,
}

impl<O: Outbox> V1Room<'_, O> {
    /// Starts the file of a version 1 member. `ids` makes random stream ids; `now` is in milliseconds since the
    /// Unix epoch, `instant` the same moment. Returns the number of connections that its message was queued for.
    /// Fails if another file is in transit, or this one is too large.
    pub fn file_start(
        &mut self,
        seat_id: &SeatId,
        msg: &Msg,
        attachment: &Attachment,
        mut ids: impl FnMut() -> Uuid,
        (now, instant): (u64, Instant),
    ) -> Result<usize, FileError> {
        let room = &mut *self.0;
        let Some(sender) = room.seats.index_of(seat_id) else {
            return Ok(0);
        };
        room.advance_clock(now);
        if room.v1.transfer.is_some() {
            return Err(FileError::Busy);
        }
        let limit = room.rules.v1.max_file;
        if limit > 0 && attachment.size > limit {
            return Err(FileError::TooLarge);
        }
        room.streams.remove_finished();
        let start = wire::text(&msg.stamped(room.now));
        let from_name = room.seats[sender].member.name.clone();
        let file = File {
            id: room.v1.ids.fresh(&room.epoch),
            name: attachment.name.clone(),
            size: attachment.size,
            sha256: attachment.sha256.clone(),
        };
        let mut post = V1Post::of(msg, self.ids(sender, msg));
        post.files.push(file.clone());
        let (count, DeliveryReport { delivered, offline }) =
            self.post(sender, &post, msg, V1Rendering::Hidden, now);
        let room = &mut *self.0;
        let mut transfer = Transfer {
            from: seat_id.clone(),
            from_name,
            msg_id: msg.msg_id.clone(),
            thread_id: msg.thread_id.clone(),
            sent: 0,
            receivers: Vec::new(),
            offline,
        };
        let v1 = room.seats[sender].v1.as_ref();
        let listener = v1.map(|v1| Arc::clone(&v1.progress));
        for name in delivered {
            let progress = StreamProgress::new(ids(), 0, listener.clone());
            match transfer.announce(room, &name, &file, &start, progress, instant) {
                Some(receiver) => transfer.receivers.push(receiver),
                None => transfer.offline.push(name),
            }
        }
        room.v1.transfer = Some(transfer);
        Ok(count)
    }

    /// How much of its file a version 1 member may pass on. A receiver that has taken nothing for `stall` leaves the
    /// transfer.
    pub fn file_allowance(&mut self, seat_id: &SeatId, stall: Duration, now: Instant) -> ReadAllowance {
        let room = &mut *self.0;
        let transfer = room.v1.transfer.take_if(|transfer| transfer.from == *seat_id);
        let Some(mut transfer) = transfer else {
            return ReadAllowance::NoTransfer;
        };
        let max_queued = (room.rules.queue_bytes / 2).max(1) as u64;
        let mut allowance = room.rules.limits.chunk_bytes.max(1) as u64;
        let mut ask_again = now + stall;
        let mut gone = Vec::new();
        for (index, receiver) in transfer.receivers.iter_mut().enumerate() {
            let Some((space, mark)) = receiver.space(room, transfer.sent, max_queued) else {
                gone.push(index);
                continue;
            };
            if space > 0 || mark != receiver.mark || receiver.is_paused(room) {
                (receiver.mark, receiver.since) = (mark, now);
            } else if now.saturating_duration_since(receiver.since) >= stall {
                gone.push(index);
                continue;
            }
            ask_again = ask_again.min(receiver.since + stall);
            allowance = allowance.min(space);
        }
        for index in gone.into_iter().rev() {
            let receiver = transfer.receivers.remove(index);
            let message = "You took nothing of this file for too long.";
            receiver.cut_off(room, &transfer.msg_id, &transfer.from_name, message);
            transfer.offline.push(receiver.name);
        }
        room.v1.transfer = Some(transfer);
        match usize::try_from(allowance) {
            Ok(0) => ReadAllowance::Wait(ask_again),
            Ok(bytes) => ReadAllowance::Bytes(bytes),
            Err(_) => ReadAllowance::Bytes(usize::MAX),
        }
    }

    /// Passes on a part of a file. [`V1Room::file_allowance`] bounds its length. Fails if the file exceeds the
    /// limit, which also ends it.
    pub fn file_chunk(&mut self, seat_id: &SeatId, data: &Bytes) -> Result<(), FileError> {
        let room = &mut *self.0;
        let limit = room.rules.v1.max_file;
        let transfer = room.v1.transfer.as_mut();
        let Some(transfer) = transfer.filter(|transfer| transfer.from == *seat_id) else {
            return Ok(());
        };
        let offset = transfer.sent;
        let end = offset + data.len() as u64;
        transfer.sent = end;
        if limit > 0 && end > limit {
            self.abort_file(seat_id, "The file exceeds the relay's limit.");
            return Err(FileError::TooLarge);
        }
        let mut failed = Vec::new();
        for receiver in &transfer.receivers {
            let Some(outbox) = room.seats.outbox(&receiver.seat_id) else {
                continue;
            };
            let id = receiver.progress.stream;
            let (payload, head) = if receiver.has_stream {
                let Some(stream) = room.streams.by_id.get_mut(&id) else {
                    continue;
                };
                if end > stream.size {
                    failed.push(id);
                    continue;
                }
                stream.sent = end;
                let mut payload = BytesMut::with_capacity(CHUNK_HEAD + data.len());
                payload.put_slice(&ChunkHead { stream: id, offset }.to_bytes());
                payload.put_slice(data);
                (payload.freeze(), CHUNK_HEAD)
            } else {
                (data.clone(), 0)
            };
            outbox.push_stream(&receiver.progress, StreamItem::Chunk { payload, head, end });
        }
        for id in failed {
            let message = "The file is longer than its sender announced.";
            room.streams().fail(id, message);
        }
        Ok(())
    }

    /// Ends the file of a version 1 member: the receivers get its end, and the sender its ack. Fails if `msg_id` is
    /// not that of the member's file in transit.
    pub fn file_end(&mut self, seat_id: &SeatId, msg_id: &str) -> Result<(), FileError> {
        let room = &mut *self.0;
        let ends = |transfer: &mut Transfer| transfer.from == *seat_id && transfer.msg_id == msg_id;
        let mut transfer = room.v1.transfer.take_if(ends).ok_or(FileError::BadEnd)?;
        let mut delivered = Vec::new();
        let last = wire::text(&Reply::FileEnd {
            msg_id,
            from: &transfer.from_name,
        });
        for receiver in transfer.receivers {
            let id = receiver.progress.stream;
            let outbox = room.seats.outbox(&receiver.seat_id);
            let item = match (&outbox, room.streams.by_id.get_mut(&id)) {
                (Some(_), Some(stream)) if stream.sent == stream.size => {
                    stream.done = true;
                    Some(StreamItem::Last(close_frame(id, StreamReason::Done, "")))
                }
                (Some(_), None) if !receiver.has_stream => Some(StreamItem::Last(last.clone())),
                _ => None,
            };
            if let (Some(outbox), Some(item)) = (outbox, item) {
                outbox.push_stream(&receiver.progress, item);
                delivered.push(receiver.name);
            } else {
                transfer.offline.push(receiver.name);
                room.streams()
                    .fail(id, "The file is shorter than its sender announced.");
            }
        }
        let report = DeliveryReport {
            delivered,
            offline: transfer.offline,
        };
        self.ack(seat_id, msg_id, &transfer.thread_id, &report);
        Ok(())
    }

    /// Ends the file of a version 1 member early, because the sender is gone or its time is over.
    pub fn abort_file(&mut self, seat_id: &SeatId, message: &str) {
        let transfer = self.0.v1.transfer.take_if(|transfer| transfer.from == *seat_id);
        let Some(transfer) = transfer else { return };
        for receiver in &transfer.receivers {
            receiver.cut_off(self.0, &transfer.msg_id, &transfer.from_name, message);
        }
    }
}

impl Transfer {
    /// Announces the file to a receiver. Returns `None` if it cannot receive one now.
    fn announce<O: Outbox>(
        &self,
        room: &mut Room<O>,
        name: &str,
        file: &File,
        start: &Bytes,
        progress: Arc<StreamProgress>,
        since: Instant,
    ) -> Option<Receiver> {
        let seat = &room.seats[room.seats.named(&NameKey::new(name))?];
        // A replay gets the message later, from the memory, and so without the file.
        let link = seat.link.as_ref().filter(|link| link.replay.is_none())?;
        let receiver = Receiver {
            seat_id: SeatId {
                key: seat.key.clone(),
                connection: link.connection,
            },
            name: name.to_owned(),
            progress,
            has_stream: seat.v1.is_none(),
            mark: 0,
            since,
        };
        let progress = &receiver.progress;
        if !receiver.has_stream {
            link.outbox
                .push_stream(progress, StreamItem::Frame(start.clone()));
            return Some(receiver);
        }
        if room.streams.is_receiver_full(&receiver.seat_id) {
            return None;
        }
        let open = wire::text(&StreamOpen {
            stream: progress.stream.to_string(),
            to: None,
            from: Some(self.from_name.clone()),
            size: file.size,
            of: file.id.clone(),
            offset: 0,
            pushed: true,
        });
        link.outbox.push(open, FrameClass::Message);
        let stream = Stream::new(&self.from, &receiver.seat_id, file.size, 0, progress);
        room.streams.by_id.insert(progress.stream, stream);
        Some(receiver)
    }
}

impl Receiver {
    /// How many bytes the receiver can take, and a number that changes when it takes something. `None` if it no longer
    /// takes anything.
    fn space<O: Outbox>(&self, room: &Room<O>, sent: u64, max_queued: u64) -> Option<(u64, u64)> {
        let outbox = room.seats.outbox(&self.seat_id)?;
        if self.has_stream {
            let stream = room.streams.by_id.get(&self.progress.stream)?;
            // Bytes beyond the size fail when they are passed on.
            let space = if stream.sent >= stream.size {
                u64::MAX
            } else {
                stream.credit.saturating_sub(stream.sent)
            };
            Some((space, stream.credit))
        } else {
            let queued = sent.saturating_sub(self.progress.written_to());
            // Another file may go first, so progress of any stream counts.
            (!self.progress.is_finished())
                .then(|| (max_queued.saturating_sub(queued), outbox.stream_bytes_taken()))
        }
    }

    /// Whether it takes nothing because the relay sends it nothing.
    fn is_paused<O: Outbox>(&self, room: &Room<O>) -> bool {
        let outbox = room.seats.outbox(&self.seat_id);
        outbox.is_some_and(O::is_between_files)
    }

    /// Ends the transfer for this receiver only.
    fn cut_off<O: Outbox>(&self, room: &mut Room<O>, msg_id: &str, from: &str, message: &str) {
        let id = self.progress.stream;
        if self.has_stream {
            return room.streams().fail(id, message);
        }
        if let Some(outbox) = room.seats.outbox(&self.seat_id) {
            outbox.cut_stream(id, incomplete(msg_id, from, message));
        }
    }
}
