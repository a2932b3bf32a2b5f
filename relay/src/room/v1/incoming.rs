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

use super::{Reply, V1Face, message::Reach};
use crate::{
    protocol::{
        CHUNK_HEAD, ChunkHead, StreamReason,
        body::File,
        v1::{Attachment, Code, Msg},
    },
    room::{
        Flow, Outbox, Piece, Room,
        seat::Ticket,
        stream::{OpenFrame, Stream, close_frame, outbox},
    },
    wire,
};

/// The file that is on its way.
pub(super) struct Transfer {
    from: Ticket,
    from_name: String,
    msg_id: String,
    thread_id: String,
    sent: u64,
    receivers: Vec<Receiver>,
    offline: Vec<String>,
}

struct Receiver {
    ticket: Ticket,
    name: String,
    flow: Arc<Flow>,
    /// Whether it is a version 2 member with a stream.
    stream: bool,
    /// What it had taken when it was last seen to take something.
    mark: u64,
    since: Instant,
}

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// Another is on its way.
    Busy,
    /// It is over the limit.
    TooLarge,
    /// The id is not that of the file in progress.
    BadEnd,
}

/// How much of a file may be passed on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// So many bytes.
    Some(usize),
    /// Nothing: wait until something moves, and look again by this time.
    Wait(Instant),
    /// There is no file of this connection's in progress.
    None,
}

impl<O: Outbox> Room<O> {
    /// A version 1 member begins a file. `ids` gives random stream ids, `instant` is now.
    pub fn v1_file_start(
        &mut self,
        ticket: &Ticket,
        msg: &Msg,
        attachment: &Attachment,
        mut ids: impl FnMut() -> Uuid,
        (now, instant): (u64, Instant),
    ) -> Result<usize, FileFault> {
        let Some(sender) = self.seat_of(ticket) else {
            return Ok(0);
        };
        self.tell_time(now);
        if self.v1.transfer.is_some() {
            return Err(FileFault::Busy);
        }
        let limit = self.rules.v1_max_file;
        if limit > 0 && attachment.size > limit {
            return Err(FileFault::TooLarge);
        }
        self.forget_written();
        let start = wire::text(&msg.stamped(self.now));
        let from_name = self.seats[sender].member.name.clone();
        let file = File {
            id: self.v1.ids.fresh(&self.epoch),
            name: attachment.name.clone(),
            size: attachment.size,
            sha256: attachment.sha256.clone(),
        };
        let of = file.id.clone();
        let (count, Reach { delivered, offline }) =
            self.v1_post(sender, msg, vec![file], V1Face::Hidden, now);
        let mut transfer = Transfer {
            from: ticket.clone(),
            from_name,
            msg_id: msg.msg_id.clone(),
            thread_id: msg.thread_id.clone(),
            sent: 0,
            receivers: Vec::new(),
            offline,
        };
        let moved = self.seats[sender].v1.as_ref().map(|v1| Arc::clone(&v1.moved));
        for name in delivered {
            let Some(seat) = self.seat_at(&name).map(|index| &self.seats[index]) else {
                continue;
            };
            let Some(link) = &seat.link else { continue };
            let to = Ticket {
                key: seat.key.clone(),
                connection: link.connection,
            };
            let flow = Flow::new(ids(), 0, moved.clone());
            let stream = seat.v1.is_none();
            if stream {
                if self.receives_enough(&to) {
                    transfer.offline.push(name);
                    continue;
                }
                let open = wire::text(&OpenFrame {
                    stream: &flow.lane.to_string(),
                    from: &transfer.from_name,
                    size: attachment.size,
                    of: &of,
                    offset: 0,
                    pushed: true,
                });
                link.outbox.push(open, crate::room::Class::Frame);
                let stream = Stream {
                    from: ticket.clone(),
                    to: to.clone(),
                    size: attachment.size,
                    sent: 0,
                    credit: 0,
                    done: false,
                    flow: Arc::clone(&flow),
                    outgoing: None,
                };
                self.streams.insert(flow.lane, stream);
            } else {
                link.outbox.push_lane(&flow, Piece::Frame(start.clone()));
            }
            transfer.receivers.push(Receiver {
                ticket: to,
                name,
                flow,
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
    pub fn v1_file_feed(&mut self, ticket: &Ticket, stall: Duration, now: Instant) -> Feed {
        let Some(mut transfer) = self.v1.transfer.take_if(|transfer| transfer.from == *ticket) else {
            return Feed::None;
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
            Ok(0) => Feed::Wait(look_again),
            Ok(bytes) => Feed::Some(bytes),
            Err(_) => Feed::Some(usize::MAX),
        }
    }

    /// How many bytes a receiver has room for, and a number that changes when it takes something. `None`
    /// where it takes nothing any more.
    fn room_for(&self, receiver: &Receiver, sent: u64, half: u64) -> Option<(u64, u64)> {
        let outbox = outbox(&self.seats, &self.names, &receiver.ticket)?;
        if receiver.stream {
            let stream = self.streams.get(&receiver.flow.lane)?;
            // What goes beyond its size fails when it is passed on.
            let over = stream.sent + 1 > stream.size;
            let room = if over {
                u64::MAX
            } else {
                stream.credit.saturating_sub(stream.sent)
            };
            Some((room, stream.credit))
        } else {
            let queued = sent.saturating_sub(receiver.flow.begun());
            // Another file may go before this one: that its connection takes anything counts.
            (!receiver.flow.finished()).then(|| (half.saturating_sub(queued), outbox.taken()))
        }
    }

    /// Passes on a part of a file, as long as [`Room::v1_file_feed`] has said at most. Fails, and ends the
    /// file, where it is over the limit.
    pub fn v1_file_chunk(&mut self, ticket: &Ticket, data: &Bytes) -> Result<(), FileFault> {
        let limit = self.rules.v1_max_file;
        let Some(transfer) = self
            .v1
            .transfer
            .as_mut()
            .filter(|transfer| transfer.from == *ticket)
        else {
            return Ok(());
        };
        let offset = transfer.sent;
        transfer.sent += data.len() as u64;
        if limit > 0 && transfer.sent > limit {
            self.v1_file_abort(ticket, "The file is over the relay's limit.");
            return Err(FileFault::TooLarge);
        }
        let end = transfer.sent;
        let mut failed = Vec::new();
        for receiver in &transfer.receivers {
            let Some(outbox) = outbox(&self.seats, &self.names, &receiver.ticket) else {
                continue;
            };
            let piece = if receiver.stream {
                let Some(stream) = self.streams.get_mut(&receiver.flow.lane) else {
                    continue;
                };
                if end > stream.size {
                    failed.push(receiver.flow.lane);
                    continue;
                }
                stream.sent = end;
                let head = ChunkHead {
                    stream: receiver.flow.lane,
                    offset,
                };
                let mut payload = BytesMut::with_capacity(CHUNK_HEAD + data.len());
                payload.put_slice(&head.to_bytes());
                payload.put_slice(data);
                Piece::Chunk {
                    payload: payload.freeze(),
                    head: CHUNK_HEAD,
                    end,
                }
            } else {
                Piece::Chunk {
                    payload: data.clone(),
                    head: 0,
                    end,
                }
            };
            outbox.push_lane(&receiver.flow, piece);
        }
        for stream in failed {
            self.fail_stream(stream, "The file is longer than its sender said.");
        }
        Ok(())
    }

    /// A version 1 member ends its file: the receivers get its end, the sender its ack.
    pub fn v1_file_end(&mut self, ticket: &Ticket, msg_id: &str) -> Result<(), FileFault> {
        let ends = |transfer: &mut Transfer| transfer.from == *ticket && transfer.msg_id == msg_id;
        let mut transfer = self.v1.transfer.take_if(ends).ok_or(FileFault::BadEnd)?;
        let mut delivered = Vec::new();
        let last = wire::text(&Reply::FileEnd {
            msg_id,
            from: &transfer.from_name,
        });
        for receiver in &transfer.receivers {
            let lane = receiver.flow.lane;
            let outbox = outbox(&self.seats, &self.names, &receiver.ticket);
            let whole = match (outbox, self.streams.get_mut(&lane)) {
                (Some(outbox), Some(stream)) if stream.sent == stream.size => {
                    stream.done = true;
                    outbox.push_lane(
                        &receiver.flow,
                        Piece::Last(close_frame(lane, StreamReason::Done, "")),
                    );
                    true
                }
                (Some(outbox), None) if !receiver.stream => {
                    outbox.push_lane(&receiver.flow, Piece::Last(last.clone()));
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
        let reach = Reach {
            delivered,
            offline: transfer.offline,
        };
        self.v1_ack(ticket, msg_id, &transfer.thread_id, &reach);
        Ok(())
    }

    /// Ends the file of a version 1 member before its end: the sender is gone, or the time over. Gives its id.
    pub fn v1_file_abort(&mut self, ticket: &Ticket, message: &str) -> Option<String> {
        let transfer = self.v1.transfer.take_if(|transfer| transfer.from == *ticket)?;
        for receiver in &transfer.receivers {
            self.leave_transfer(receiver, &transfer.msg_id, message);
        }
        Some(transfer.msg_id)
    }

    fn leave_transfer(&mut self, receiver: &Receiver, msg_id: &str, message: &str) {
        if receiver.stream {
            return self.fail_stream(receiver.flow.lane, message);
        }
        let error = Reply::Error {
            code: Code::TransferIncomplete,
            message,
            msg_id: Some(msg_id),
            retry_after_ms: None,
        };
        if let Some(outbox) = outbox(&self.seats, &self.names, &receiver.ticket) {
            outbox.cut_lane(receiver.flow.lane, wire::text(&error));
        }
    }
}
