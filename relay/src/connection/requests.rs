//! What a member's frames do, once it is in.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::info;
use uuid::Uuid;

use crate::{
    connection::queue::Queue,
    hub::Membership,
    limits::{FaultCounter, TokenBucket},
    metrics::add,
    protocol::{ChunkHead, Code, ErrorFrame, Post, Request},
    room::{FrameClass, Outbox, StreamError},
    server::Shared,
    wire,
};

/// See the [module](self).
pub struct RequestHandler {
    membership: Membership,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    bucket: Option<TokenBucket>,
    faults: FaultCounter,
    /// The stream of the last chunk that was for none: its others were on their way already.
    last_closed: Option<Uuid>,
}

impl RequestHandler {
    /// For a member that has just joined.
    pub fn new(membership: Membership, queue: Arc<Queue>, shared: Arc<Shared>) -> RequestHandler {
        let bucket = TokenBucket::new(shared.config.rate, shared.config.burst, Instant::now());
        RequestHandler {
            membership,
            queue,
            shared,
            bucket,
            faults: FaultCounter::default(),
            last_closed: None,
        }
    }

    /// Takes text frames that came in one go. Messages to all among them are passed on together.
    pub fn handle_texts(&mut self, texts: &[Utf8Bytes]) {
        let mut posts = Vec::new();
        for text in texts {
            add(&self.shared.metrics.bytes_in, text.len());
            let request = Request::parse(text);
            let limited = self.check_rate(&request);
            match request {
                Ok(Request::Message(post)) if limited.is_none() && post.is_broadcast() => posts.push(post),
                request => {
                    self.flush_broadcasts(&mut posts);
                    match limited {
                        Some(retry_ms) => self.refuse_limited(request, retry_ms),
                        None => {
                            let result = request.map_err(StreamError::from);
                            let result = result.and_then(|request| self.handle_request(request));
                            self.record_outcome(result);
                        }
                    }
                }
            }
        }
        self.flush_broadcasts(&mut posts);
    }

    /// Counts a frame against the rate. Where that refuses it: after how many milliseconds it may come again.
    fn check_rate(&mut self, request: &Result<Request, ErrorFrame>) -> Option<u64> {
        let free = match request {
            Ok(Request::Bye) => true,
            Ok(Request::StreamCredit(credit)) => !self.membership.is_small_credit(credit),
            _ => false,
        };
        let bucket = self.bucket.as_mut().filter(|_| !free)?;
        bucket.try_acquire(Instant::now()).err()
    }

    fn flush_broadcasts(&mut self, posts: &mut Vec<Post>) {
        if !posts.is_empty() {
            let count = self.membership.broadcast(posts);
            add(&self.shared.metrics.messages, posts.len());
            add(&self.shared.metrics.deliveries, count);
            posts.clear();
            self.faults.record_good();
        }
    }

    /// Takes a binary frame: a chunk of a stream.
    pub fn handle_chunk(&mut self, chunk: Bytes) {
        add(&self.shared.metrics.bytes_in, chunk.len());
        let stream = ChunkHead::parse(&chunk).map(|(head, _)| head.stream);
        let result = self.membership.stream_chunk(chunk);
        if let Err(StreamError::Tell(error)) = &result
            && error.code == Code::NoSuchStream
        {
            // One answer for a stream that has ended, not one for each chunk that was on its way.
            if std::mem::replace(&mut self.last_closed, stream) == stream {
                return;
            }
        }
        self.record_outcome(result);
    }

    fn record_outcome(&mut self, result: Result<(), StreamError>) {
        match result {
            Ok(()) => self.faults.record_good(),
            // The other side may have ended a stream while this frame was on its way: nobody's fault.
            Err(StreamError::Tell(error)) if error.code == Code::NoSuchStream => self.send_error(&error),
            Err(StreamError::Tell(error)) => self.refuse_bad(&error),
            Err(StreamError::Violation) => {
                if self.faults.record_bad() {
                    self.close_for_abuse();
                }
            }
        }
    }

    fn handle_request(&mut self, request: Request) -> Result<(), StreamError> {
        match request {
            Request::Message(post) => {
                let about = |error| ErrorFrame {
                    id: Some(post.id.to_string()),
                    ..error
                };
                let count = self.membership.message(&post).map_err(about)?;
                add(&self.shared.metrics.messages, 1);
                add(&self.shared.metrics.deliveries, count);
            }
            Request::Signal(post) => add(&self.shared.metrics.deliveries, self.membership.signal(&post)?),
            Request::Update(update) => self.membership.update(update),
            Request::Bye => {
                self.membership.leave();
                self.queue.close_after_drain();
            }
            Request::StreamOpen(open) => {
                self.membership.stream_open(&open)?;
                add(&self.shared.metrics.streams, 1);
            }
            Request::StreamCredit(credit) => self.membership.stream_credit(&credit)?,
            Request::StreamClose(close) => self.membership.stream_close(&close)?,
        }
        Ok(())
    }

    /// A frame that the rate limit refuses; it was not processed.
    fn refuse_limited(&mut self, request: Result<Request, ErrorFrame>, retry_ms: u64) {
        add(&self.shared.metrics.limited, 1);
        if self.faults.record_limited() {
            return self.close_for_abuse();
        }
        let (id, stream) = match request {
            Ok(Request::Message(post)) => (Some(post.id.into_owned()), None),
            Ok(Request::StreamOpen(open)) => (None, Some(open.stream)),
            Ok(Request::StreamCredit(credit)) => (None, Some(credit.stream)),
            Ok(Request::StreamClose(close)) => (None, Some(close.stream)),
            Ok(_) => (None, None),
            Err(error) => (error.id, error.stream),
        };
        let message = "You send faster than this relay allows; send it again after `retry_ms`.";
        let error = ErrorFrame::new(Code::RateLimited, message);
        self.send_error(&ErrorFrame {
            id,
            stream,
            retry_ms: Some(retry_ms),
            ..error
        });
    }

    fn refuse_bad(&mut self, error: &ErrorFrame) {
        if self.faults.record_bad() {
            self.close_for_abuse()
        } else {
            self.send_error(error)
        }
    }

    fn close_for_abuse(&self) {
        let (member, room) = self.membership.describe();
        info!(member, room, "closed for abuse");
        let message = "Too many bad or refused frames in a row; mend your client before you connect again.";
        self.queue.close(ErrorFrame::new(Code::Abuse, message));
    }

    fn send_error(&self, error: &ErrorFrame) {
        // Where the queue takes no more, the connection is closing already.
        self.queue.push(wire::text(error), FrameClass::Frame);
    }
}
