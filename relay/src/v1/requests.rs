//! What a version 1 member's frames do, once it is in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::info;

use super::instant_in;
use crate::{
    connection::queue::Queue,
    hub::Membership,
    limits::TokenBucket,
    metrics::add,
    protocol::v1::{Code, Msg, Reply, Request},
    room::{FileError, FrameClass, Outbox, ReadAllowance},
    server::Shared,
    wire,
};

/// Frames with a wrong `from` or `to`; good ones between them make up for nothing.
const MAX_STRIKES: u32 = 10;
/// The most names that a frame may be for: looking them up costs their square.
const MAX_TO: usize = 256;
/// When to try again while another file is on its way, in milliseconds.
const RETRY_MS: u64 = 2000;

/// See the [module](self).
pub struct RequestHandler {
    membership: Membership,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    name: String,
    strikes: u32,
    bucket: Option<TokenBucket>,
    /// It has sent more than the rate: it is not read until then.
    throttled_until: Option<Instant>,
    /// By when the file that it sends has to end.
    deadline: Option<Instant>,
    /// What of a binary frame has not been passed on yet. Bounded: nothing is read while there is any.
    pending: Bytes,
}

impl RequestHandler {
    /// For a member that has just joined.
    pub fn new(
        membership: Membership,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
        name: String,
    ) -> RequestHandler {
        let bucket = TokenBucket::new(shared.config.rate, shared.config.burst, std::time::Instant::now());
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

    /// Until when the member is not to be read, since it has sent too fast.
    pub fn throttled_until(&self) -> Option<Instant> {
        self.throttled_until.filter(|until| *until > Instant::now())
    }

    /// By when its file has to end.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The member was not read for so long, for its receivers' sake.
    pub fn extend_deadline(&mut self, time: Duration) {
        self.deadline = self.deadline.map(|deadline| deadline + time);
    }

    /// Ends its file before its end.
    pub fn abort_file(&mut self, message: &str) {
        self.deadline = None;
        self.pending = Bytes::new();
        self.membership.v1_file_abort(message);
    }

    /// Takes a text frame.
    pub fn handle_text(&mut self, text: &str) {
        add(&self.shared.metrics.bytes_in, text.len());
        // There is no frame that says "slower" in version 1: who is too fast is read more slowly.
        let wait = self
            .bucket
            .as_mut()
            .map(|bucket| bucket.charge(std::time::Instant::now()));
        if let Some(retry_ms @ 1..) = wait {
            add(&self.shared.metrics.limited, 1);
            self.throttled_until = Some(instant_in(retry_ms));
        }
        if text.len() > self.shared.config.message_bytes {
            return self.send_error(
                Code::TooLarge,
                "That message is over the limit; send less, or a file.",
            );
        }
        match Request::parse(text) {
            Ok(Request::Ping) => self.send(&Reply::Pong {
                ts: crate::hub::unix_ms(),
            }),
            Ok(Request::Msg(msg)) => {
                if self.is_addressed(&msg) {
                    let count = self.membership.v1_message(&msg);
                    add(&self.shared.metrics.messages, 1);
                    add(&self.shared.metrics.deliveries, count);
                }
            }
            Ok(Request::FileStart(msg, attachment)) => {
                if self.is_addressed(&msg) {
                    match self.membership.v1_file_start(&msg, &attachment) {
                        Ok(count) => {
                            add(&self.shared.metrics.messages, 1);
                            add(&self.shared.metrics.deliveries, count);
                            self.deadline = Some(Instant::now() + self.shared.config.v1.file_time);
                        }
                        Err(fault) => self.refuse_file(fault, &msg.msg_id),
                    }
                }
            }
            Ok(Request::FileEnd { msg_id, from }) => {
                if self.is_from(from.as_deref()) {
                    match self.membership.v1_file_end(&msg_id) {
                        Ok(()) => self.deadline = None,
                        Err(fault) => self.refuse_file(fault, &msg_id),
                    }
                }
            }
            Err(Code::UnknownType) => {
                self.send_error(Code::UnknownType, "This relay does not know that type of frame.")
            }
            Err(code) => self.send_error(
                code,
                "Send one JSON object with a `type`, and fields of their types.",
            ),
        }
    }

    /// Takes a binary frame: bytes of the file that it sends. Without one, they are of a file that was refused.
    pub fn handle_chunk(&mut self, data: Bytes) {
        add(&self.shared.metrics.bytes_in, data.len());
        if self.deadline.is_some() {
            self.pending = data;
        }
    }

    /// Passes on what there is of a file, as far as its receivers have room. Where they have none, says when to
    /// look again at the latest.
    pub fn forward_pending(&mut self) -> Option<Instant> {
        while !self.pending.is_empty() {
            match self.membership.v1_file_allowance(self.shared.config.v1.stall) {
                ReadAllowance::Bytes(bytes) => {
                    let part = self.pending.split_to(bytes.min(self.pending.len()));
                    if let Err(fault) = self.membership.v1_file_chunk(&part) {
                        (self.deadline, self.pending) = (None, Bytes::new());
                        self.refuse_file(fault, "");
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
                "Give the frame a `to`: a list of at most 256 names, empty for all.",
            );
        }
        addressed
    }

    fn is_from(&mut self, from: Option<&str>) -> bool {
        match from {
            None => self.strike(Code::MissingFrom, "Give the frame a `from`: your name."),
            Some(from) if from != self.name => self.strike(Code::FromMismatch, "`from` is your own name."),
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
        self.queue
            .close_with(Some(wire::text(&Reply::error(code, message))), 4013);
    }

    fn refuse_file(&self, fault: FileError, msg_id: &str) {
        let (code, message) = match fault {
            FileError::Busy => (Code::TransferBusy, "Another file is on its way; try again soon."),
            FileError::BadEnd => (Code::BadFileEnd, "That is not the file in progress."),
            FileError::TooLarge => {
                return self.send_error(Code::TooLarge, "The file is over the relay's limit.");
            }
        };
        self.send(&Reply::Error {
            code,
            message,
            msg_id: Some(msg_id),
            retry_after_ms: (fault == FileError::Busy).then_some(RETRY_MS),
        });
    }

    fn send_error(&self, code: Code, message: &str) {
        self.send(&Reply::error(code, message));
    }

    fn send(&self, reply: &Reply) {
        // Where the queue takes no more, the connection is closing already.
        self.queue.push(wire::text(reply), FrameClass::Frame);
    }
}
