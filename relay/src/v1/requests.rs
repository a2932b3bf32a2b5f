//! Handles the frames of a version 1 member.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::info;
use uuid::Uuid;

use crate::{
    connection::queue::Queue,
    hub::{Membership, unix_ms},
    limits::{TokenBucket, to_millis},
    metrics::add,
    protocol::v1::{Attachment, Code, Msg, Reply, Request},
    room::{
        FrameClass, Outbox,
        v1::{FileError, ReadAllowance},
    },
    server::Shared,
    wire,
};

/// Frames with a wrong `from` or `to` that close the connection, whatever comes between them.
const MAX_STRIKES: u32 = 10;
/// Maximum names in `to`. Looking them up takes quadratic time.
const MAX_TO: usize = 256;
/// Delay to announce while another file is in transit, in milliseconds.
const RETRY_MS: u64 = 2000;

pub struct RequestHandler {
    membership: Membership,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    name: String,
    strikes: u32,
    bucket: Option<TokenBucket>,
    /// The member exceeds the rate and is not read until then.
    throttled_until: Option<Instant>,
    /// The time by which the member's file must end.
    deadline: Option<Instant>,
    /// The rest of a binary frame. Bounded, because nothing is read while there is any.
    pending: Bytes,
}

impl RequestHandler {
    /// A handler for a member that has just joined.
    pub fn new(
        membership: Membership,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
        name: String,
    ) -> RequestHandler {
        let bucket = shared.config.bucket();
        RequestHandler {
            membership,
            queue,
            shared,
            name,
            strikes: 0,
            bucket,
            throttled_until: None,
            deadline: None,
            pending: Bytes::new(),
        }
    }

    /// The time until which the member is not read, because it exceeds the rate.
    pub fn throttled_until(&self) -> Option<Instant> {
        self.throttled_until.filter(|until| *until > Instant::now())
    }

    /// The time by which the member's file must end.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Extends the deadline by the time for which receivers made the member wait.
    pub fn extend_deadline(&mut self, time: Duration) {
        self.deadline = self.deadline.map(|deadline| deadline + time);
    }

    pub fn abort_file(&mut self, message: &str) {
        self.deadline = None;
        self.pending = Bytes::new();
        self.membership
            .with_room(|room, seat| room.v1().abort_file(seat, message));
    }

    pub fn handle_text(&mut self, text: &str) {
        add(&self.shared.metrics.bytes_in, text.len());
        self.check_rate();
        if text.len() > self.shared.config.message_bytes {
            return self.send_error(
                Code::TooLarge,
                "That message exceeds the limit. Send less, or send a file.",
            );
        }
        match Request::parse(text) {
            Ok(Request::Ping) => self.send(&Reply::Pong { ts: unix_ms() }),
            Ok(Request::Msg(msg)) => {
                if self.is_addressed(&msg) {
                    let count = self
                        .membership
                        .with_room(|room, seat| room.v1().message(seat, &msg, unix_ms()));
                    add(&self.shared.metrics.messages, 1);
                    add(&self.shared.metrics.deliveries, count);
                }
            }
            Ok(Request::FileStart(msg, attachment)) => {
                if self.is_addressed(&msg) {
                    self.start_file(&msg, &attachment);
                }
            }
            Ok(Request::FileEnd { msg_id, from }) => {
                if self.is_from(from.as_deref()) {
                    match self
                        .membership
                        .with_room(|room, seat| room.v1().file_end(seat, &msg_id))
                    {
                        Ok(()) => self.deadline = None,
                        Err(error) => self.refuse_file(error, &msg_id),
                    }
                }
            }
            Err(Code::UnknownType) => self.send_error(Code::UnknownType, "Unknown frame type."),
            Err(code) => self.send_error(
                code,
                "Invalid frame. Send one JSON object with a `type` and valid fields.",
            ),
        }
    }

    /// Delays the next read if the member exceeds the rate. Version 1 has no frame that asks a client to slow down.
    fn check_rate(&mut self) {
        let Some(bucket) = &mut self.bucket else { return };
        let delay = bucket.delay(std::time::Instant::now());
        bucket.spend();
        if !delay.is_zero() {
            add(&self.shared.metrics.limited, 1);
            // Rounded up, because a tokio timer that fires early would make the loop spin.
            self.throttled_until = Some(Instant::now() + Duration::from_millis(to_millis(delay)));
        }
    }

    fn start_file(&mut self, msg: &Msg, attachment: &Attachment) {
        let now = (unix_ms(), std::time::Instant::now());
        let started = self
            .membership
            .with_room(|room, seat| room.v1().file_start(seat, msg, attachment, Uuid::new_v4, now));
        match started {
            Ok(count) => {
                add(&self.shared.metrics.messages, 1);
                add(&self.shared.metrics.deliveries, count);
                self.deadline = Some(Instant::now() + self.shared.config.v1.file_time);
            }
            Err(error) => self.refuse_file(error, &msg.msg_id),
        }
    }

    /// Handles a binary frame: bytes of the member's file. Without one, they belong to a file that was refused.
    pub fn handle_chunk(&mut self, data: Bytes) {
        add(&self.shared.metrics.bytes_in, data.len());
        if self.deadline.is_some() {
            self.pending = data;
        }
    }

    /// Passes on the rest of a binary frame, as far as the receivers have space. If they have none, returns the time
    /// of the next attempt.
    pub fn forward_pending(&mut self) -> Option<Instant> {
        let stall = self.shared.config.v1.stall;
        while !self.pending.is_empty() {
            let (membership, now) = (&self.membership, std::time::Instant::now());
            let allowance = membership.with_room(|room, seat| room.v1().file_allowance(seat, stall, now));
            match allowance {
                ReadAllowance::Bytes(bytes) => {
                    let part = self.pending.split_to(bytes.min(self.pending.len()));
                    let passed = membership.with_room(|room, seat| room.v1().file_chunk(seat, &part));
                    if let Err(error) = passed {
                        (self.deadline, self.pending) = (None, Bytes::new());
                        self.refuse_file(error, "");
                    }
                }
                ReadAllowance::Wait(until) => return Some(until.into()),
                ReadAllowance::NoTransfer => self.pending = Bytes::new(),
            }
        }
        None
    }

    fn is_addressed(&mut self, msg: &Msg) -> bool {
        if !self.is_from(msg.from.as_deref()) {
            return false;
        }
        let addressed = msg.to.as_ref().is_some_and(|to| to.len() <= MAX_TO);
        if !addressed {
            self.strike(
                Code::MissingTo,
                "`to` must be a list of at most 256 names, empty for everyone.",
            );
        }
        addressed
    }

    fn is_from(&mut self, from: Option<&str>) -> bool {
        match from {
            None => self.strike(Code::MissingFrom, "`from` must be your name."),
            Some(from) if from != self.name => {
                self.strike(Code::FromMismatch, "`from` must be your own name.")
            }
            Some(_) => return true,
        }
        false
    }

    fn strike(&mut self, code: Code, message: &str) {
        self.strikes += 1;
        if self.strikes < MAX_STRIKES {
            return self.send_error(code, message);
        }
        info!(member = self.name, "closed for abuse");
        self.queue.close_with(
            Some(wire::text(&Reply::error(code, message))),
            4013,
            "too many bad frames",
        );
    }

    fn refuse_file(&self, error: FileError, msg_id: &str) {
        let (code, message) = match error {
            FileError::Busy => (Code::TransferBusy, "Another file is in transit. Try again soon."),
            FileError::BadEnd => (Code::BadFileEnd, "That is not the file in transit."),
            FileError::TooLarge => {
                return self.send_error(Code::TooLarge, "The file exceeds the relay's limit.");
            }
        };
        self.send(&Reply::Error {
            code,
            message,
            msg_id: Some(msg_id),
            retry_after_ms: (error == FileError::Busy).then_some(RETRY_MS),
        });
    }

    fn send_error(&self, code: Code, message: &str) {
        self.send(&Reply::error(code, message));
    }

    fn send(&self, reply: &Reply) {
        // Where the queue takes no more, the connection is closing already.
        self.queue.push(wire::text(reply), FrameClass::Message);
    }
}
