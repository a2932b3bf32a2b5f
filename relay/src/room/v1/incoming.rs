//! Files that version 1 members send: one at a time in a room, at the pace of the slowest receiver.
//!
//! For version 2 receivers it is a chat message with `files`, and a stream that is pushed without being asked
//! for. A receiver that takes nothing for a while leaves; the others go on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{Reply, V1Rendering, message::DeliveryReport};
use crate::{
    protocol::{
        CHUNK_HEAD, ChunkHead, StreamReason,
        body::File,
        v1::{Attachment, Code, Msg},
    },
    room::{
        Outbox, Room, StreamItem, StreamProgress,
        seat::SeatId,
        streams::{OpenFrame, Stream, close_frame, outbox},
    },
    wire,
};

/// The file that is on its way.
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
    stream: bool,
    /// What it had taken when it was last seen to take something.
    mark: u64,
    since: Instant,
}

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// Another is on its way.
    Busy,
    /// It is over the limit.
    TooLarge,
    /// The id is not that of the file in progress.
    BadEnd,
}

/// How much of a file may be passed on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAllowance {
    /// So many bytes.
    Bytes(usize),
    /// Nothing: wait until something moves, and look again by this time.
    Wait(Instant),
    /// There is no file of this connection's in progress.
    NoTransfer,
}

impl<O: Outbox> Room<O> {
    /// A version 1 member begins a file. `ids` gives random stream ids, `instant` is now.
    pub fn v1_file_start(
        &mut self,
        seat_id: &SeatId,
        msg: &Msg,
        attachment: &Attachment,
        mut ids: impl FnMut() -> Uuid,
        (now, instant): (u64, Instant),
    ) -> Result<usize, FileError> {
        let Some(sender) = self.seat_of(seat_id) else {
            return Ok(0);
        };
        self.advance_clock(now);
        if self.v1.transfer.is_some() {
            return Err(FileError::Busy);
        }
        let limit = self.rules.v1_max_file;
        if limit > 0 && attachment.size > limit {
            return Err(FileError::TooLarge);
        }
        self.forget_finished();
        let start = wire::text(&msg.stamped(self.now));
        let from_name = self.seats[sender].member.name.clone();
        let file = File {
            id: self.v1.ids.fresh(&self.epoch),
            name: attachment.name.clone(),
            size: attachment.size,
            sha256: attachment.sha256.clone(),
        };
        let of = file.id.clone();
        let (count, DeliveryReport { delivered, offline }) =
            self.v1_post(sender, msg, vec![file], V1Rendering::Hidden, now);
        let mut transfer = Transfer {
            from: seat_id.clone(),
            from_name,
            msg_id: msg.msg_id.clone(),
            thread_id: msg.thread_id.clone(),
            sent: 0,
            receivers: Vec::new(),
            offline,
        };
        let progress_notify = self.seats[sender]
            .v1
            .as_ref()
            .map(|v1| Arc::clone(&v1.progress_notify));
        for name in delivered {
            let Some(seat) = self.seat_at(&name).map(|index| &self.seats[index]) else {
                continue;
            };
            let Some(link) = &seat.link else { continue };
            let to = SeatId {
                key: seat.key.clone(),
                connection: link.connection,
            };
            let progress = StreamProgress::new(ids(), 0, progress_notify.clone());
            let stream = seat.v1.is_none();
            if stream {
                if self.has_too_many_streams(&to) {
                    transfer.offline.push(name);
                    continue;
                }
                let open = wire::text(&OpenFrame {
                    stream: &progress.stream.to_string(),
                    from: &transfer.from_name,
                    size: attachment.size,
                    of: &of,
                    offset: 0,
                    pushed: true,
                });
                link.outbox.push(open, crate::room::FrameClass::Frame);
                let stream = Stream {
                    from: seat_id.clone(),
                    to: to.clone(),
                    size: attachment.size,
                    sent: 0,
                    credit: 0,
                    done: false,
                    progress: Arc::clone(&progress),
                    v1: None,
                };
                self.streams.insert(progress.stream, stream);
            } else {
                link.outbox
                    .push_stream(&progress, StreamItem::Frame(start.clone()));
            }
            transfer.receivers.push(Receiver {
                seat_id: to,
                name,
                progress,
                stream,
                mark: 0,
                since: instant,
            });
        }
        self.v1.transfer = Some(transfer);
        Ok(count)
    }

    /// How much of its file a version 1 member may pass on. A receiver that has taken nothing for `stall`
    /// leaves the transfer.
    pub fn v1_file_allowance(&mut self, seat_id: &SeatId, stall: Duration, now: Instant) -> ReadAllowance {
        let Some(mut transfer) = self.v1.transfer.take_if(|transfer| transfer.from == *seat_id) else {
            return ReadAllowance::NoTransfer;
        };
        let half = (self.rules.queue_bytes / 2).max(1) as u64;
        let most = (self.rules.limits.chunk_bytes).max(1) as u64;
        let mut feed = most;
        let mut look_again = now + stall;
        let mut gone = Vec::new();
        for (index, receiver) in transfer.receivers.iter_mut().enumerate() {
            let Some((room, mark)) = self.room_for(receiver, transfer.sent, half) else {
                gone.push(index);
                continue;
            };
            if room > 0 || mark != receiver.mark {
                (receiver.mark, receiver.since) = (mark, now);
            } else if now.saturating_duration_since(receiver.since) >= stall {
                gone.push(index);
                continue;
            }
            look_again = look_again.min(receiver.since + stall);
            feed = feed.min(room);
        }
        for index in gone.into_iter().rev() {
            let receiver = transfer.receivers.remove(index);
            self.leave_transfer(
                &receiver,
                &transfer.msg_id,
                "You took nothing of this file for too long.",
            );
            transfer.offline.push(receiver.name);
        }
        self.v1.transfer = Some(transfer);
        match usize::try_from(feed) {
            Ok(0) => ReadAllowance::Wait(look_again),
            Ok(bytes) => ReadAllowance::Bytes(bytes),
            Err(_) => ReadAllowance::Bytes(usize::MAX),
        }
    }

    /// How many bytes a receiver has room for, and a number that changes when it takes something. `None`
    /// where it takes nothing any more.
    fn room_for(&self, receiver: &Receiver, sent: u64, half: u64) -> Option<(u64, u64)> {
        let outbox = outbox(&self.seats, &self.names, &receiver.seat_id)?;
        if receiver.stream {
            let stream = self.streams.get(&receiver.progress.stream)?;
            // What goes beyond its size fails when it is passed on.
            let over = stream.sent + 1 > stream.size;
            let room = if over {
                u64::MAX
            } else {
                stream.credit.saturating_sub(stream.sent)
            };
            Some((room, stream.credit))
        } else {
            let queued = sent.saturating_sub(receiver.progress.written_to());
            // Another file may go before this one: that its connection takes anything counts.
            (!receiver.progress.is_finished())
                .then(|| (half.saturating_sub(queued), outbox.stream_bytes_taken()))
        }
    }

    /// Passes on a part of a file, as long as [`Room::v1_file_allowance`] has said at most. Fails, and ends the
    /// file, where it is over the limit.
    pub fn v1_file_chunk(&mut self, seat_id: &SeatId, data: &Bytes) -> Result<(), FileError> {
        let limit = self.rules.v1_max_file;
        let Some(transfer) = self
            .v1
            .transfer
            .as_mut()
            .filter(|transfer| transfer.from == *seat_id)
        else {
            return Ok(());
        };
        let offset = transfer.sent;
        transfer.sent += data.len() as u64;
        if limit > 0 && transfer.sent > limit {
            self.v1_file_abort(seat_id, "The file is over the relay's limit.");
            return Err(FileError::TooLarge);
        }
        let end = transfer.sent;
        let mut failed = Vec::new();
        for receiver in &transfer.receivers {
            let Some(outbox) = outbox(&self.seats, &self.names, &receiver.seat_id) else {
                continue;
            };
            let piece = if receiver.stream {
                let Some(stream) = self.streams.get_mut(&receiver.progress.stream) else {
                    continue;
                };
                if end > stream.size {
                    failed.push(receiver.progress.stream);
                    continue;
                }
                stream.sent = end;
                let head = ChunkHead {
                    stream: receiver.progress.stream,
                    offset,
                };
                let mut payload = BytesMut::with_capacity(CHUNK_HEAD + data.len());
                payload.put_slice(&head.to_bytes());
                payload.put_slice(data);
                StreamItem::Chunk {
                    payload: payload.freeze(),
                    head: CHUNK_HEAD,
                    end,
                }
            } else {
                StreamItem::Chunk {
                    payload: data.clone(),
                    head: 0,
                    end,
                }
            };
            outbox.push_stream(&receiver.progress, piece);
        }
        for stream in failed {
            self.fail_stream(stream, "The file is longer than its sender said.");
        }
        Ok(())
    }

    /// A version 1 member ends its file: the receivers get its end, the sender its ack.
    pub fn v1_file_end(&mut self, seat_id: &SeatId, msg_id: &str) -> Result<(), FileError> {
        let ends = |transfer: &mut Transfer| transfer.from == *seat_id && transfer.msg_id == msg_id;
        let mut transfer = self.v1.transfer.take_if(ends).ok_or(FileError::BadEnd)?;
        let mut delivered = Vec::new();
        let last = wire::text(&Reply::FileEnd {
            msg_id,
            from: &transfer.from_name,
        });
        for receiver in &transfer.receivers {
            let lane = receiver.progress.stream;
            let outbox = outbox(&self.seats, &self.names, &receiver.seat_id);
            let whole = match (outbox, self.streams.get_mut(&lane)) {
                (Some(outbox), Some(stream)) if stream.sent == stream.size => {
                    stream.done = true;
                    outbox.push_stream(
                        &receiver.progress,
                        StreamItem::Last(close_frame(lane, StreamReason::Done, "")),
                    );
                    true
                }
                (Some(outbox), None) if !receiver.stream => {
                    outbox.push_stream(&receiver.progress, StreamItem::Last(last.clone()));
                    true
                }
                _ => false,
            };
            let list = if whole {
                &mut delivered
            } else {
                &mut transfer.offline
            };
            list.push(receiver.name.clone());
            if !whole {
                self.fail_stream(lane, "The file is shorter than its sender said.");
            }
        }
        let reach = DeliveryReport {
            delivered,
            offline: transfer.offline,
        };
        self.v1_ack(seat_id, msg_id, &transfer.thread_id, &reach);
        Ok(())
    }

    /// Ends the file of a version 1 member before its end: the sender is gone, or the time over. Gives its id.
    pub fn v1_file_abort(&mut self, seat_id: &SeatId, message: &str) -> Option<String> {
        let transfer = self.v1.transfer.take_if(|transfer| transfer.from == *seat_id)?;
        for receiver in &transfer.receivers {
            self.leave_transfer(receiver, &transfer.msg_id, message);
        }
        Some(transfer.msg_id)
    }

    fn leave_transfer(&mut self, receiver: &Receiver, msg_id: &str, message: &str) {
        if receiver.stream {
            return self.fail_stream(receiver.progress.stream, message);
        }
        let error = Reply::Error {
            code: Code::TransferIncomplete,
            message,
            msg_id: Some(msg_id),
            retry_after_ms: None,
        };
        if let Some(outbox) = outbox(&self.seats, &self.names, &receiver.seat_id) {
            outbox.cut_stream(receiver.progress.stream, wire::text(&error));
        }
    }
}
