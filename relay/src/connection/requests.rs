//! Handles the frames of a member.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::info;
use uuid::Uuid;

use super::queue::Queue;
use crate::{
    hub::{Membership, unix_ms},
    limits::{FaultCounter, TokenBucket, to_millis},
    metrics::add,
    protocol::{ChunkHead, Code, ErrorFrame, Post, Request},
    room::{FrameClass, Outbox, StreamError},
    server::Shared,
    wire,
};

pub struct RequestHandler {
    membership: Membership,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    bucket: Option<TokenBucket>,
    faults: FaultCounter,
    /// The stream of the last chunk that belonged to no open stream. More of its chunks may be in flight.
    last_closed: Option<Uuid>,
}

impl RequestHandler {
    /// A handler for a member that has just joined.
    pub fn new(membership: Membership, queue: Arc<Queue>, shared: Arc<Shared>) -> RequestHandler {
        let bucket = shared.config.bucket();
        RequestHandler {
            membership,
            queue,
            shared,
            bucket,
            faults: FaultCounter::default(),
            last_closed: None,
        }
    }

    /// Handles the text frames of a batch. Broadcasts among them are passed on together.
    pub fn handle_texts(&mut self, texts: &[Utf8Bytes]) {
        let mut posts = Vec::new();
        for text in texts {
            add(&self.shared.metrics.bytes_in, text.len());
            let request = Request::parse(text);
            let retry_ms = self.check_rate(&request);
            match request {
                Ok(Request::Message(post)) if retry_ms.is_none() && post.is_broadcast() => posts.push(post),
                request => {
                    self.flush_broadcasts(&mut posts);
                    match retry_ms {
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

    /// Counts a frame against the rate limit. If it is refused, returns the delay in milliseconds.
    fn check_rate(&mut self, request: &Result<Request, ErrorFrame>) -> Option<u64> {
        let is_free = match request {
            Ok(Request::Bye) => true,
            Ok(Request::StreamCredit(credit)) => !self
                .membership
                .with_room(|room, seat| room.streams().is_small_credit(seat, credit)),
            _ => false,
        };
        let bucket = self.bucket.as_mut().filter(|_| !is_free)?;
        bucket.try_acquire(Instant::now()).err().map(to_millis)
    }

    fn flush_broadcasts(&mut self, posts: &mut Vec<Post>) {
        if !posts.is_empty() {
            let membership = &self.membership;
            let count = membership.with_room(|room, seat| room.broadcast(seat, posts, unix_ms()));
            add(&self.shared.metrics.messages, posts.len());
            add(&self.shared.metrics.deliveries, count);
            posts.clear();
            self.faults.record_good();
        }
    }

    /// Handles a binary frame: a chunk of a stream.
    pub fn handle_chunk(&mut self, chunk: Bytes) {
        add(&self.shared.metrics.bytes_in, chunk.len());
        let stream = ChunkHead::parse(&chunk).map(|(head, _)| head.stream);
        let membership = &self.membership;
        let result = membership.with_room(|room, seat| room.streams().chunk(seat, chunk));
        if let Err(StreamError::Reply(error)) = &result
            && error.code == Code::NoSuchStream
        {
            // One answer for a stream that has ended, not one for each chunk in flight.
            if std::mem::replace(&mut self.last_closed, stream) == stream {
                return;
            }
        }
        self.record_outcome(result);
    }

    fn record_outcome(&mut self, result: Result<(), StreamError>) {
        match result {
            Ok(()) => self.faults.record_good(),
            // The other side may have ended the stream while this frame was in flight: not a fault.
            Err(StreamError::Reply(error)) if error.code == Code::NoSuchStream => self.send_error(&error),
            Err(StreamError::Reply(error)) => {
                if self.faults.record_bad() {
                    self.close_for_abuse();
                } else {
                    self.send_error(&error);
                }
            }
            Err(StreamError::Violation) => {
                if self.faults.record_bad() {
                    self.close_for_abuse();
                }
            }
        }
    }

    fn handle_request(&mut self, request: Request) -> Result<(), StreamError> {
        let membership = &self.membership;
        match request {
            Request::Message(post) => {
                let about = |error| ErrorFrame {
                    id: Some(post.id.to_string()),
                    ..error
                };
                let count = membership.with_room(|room, seat| room.message(seat, &post, unix_ms()));
                let count = count.map_err(about)?;
                add(&self.shared.metrics.messages, 1);
                add(&self.shared.metrics.deliveries, count);
            }
            Request::Signal(post) => {
                let count = membership.with_room(|room, seat| room.signal(seat, &post))?;
                add(&self.shared.metrics.deliveries, count);
            }
            Request::Update(update) => membership.with_room(|room, seat| room.update(seat, update)),
            Request::Bye => {
                membership.leave();
                self.queue.close_after_drain();
            }
            Request::StreamOpen(open) => {
                membership.with_room(|room, seat| room.stream_open(seat, &open))?;
                add(&self.shared.metrics.streams, 1);
            }
            Request::StreamCredit(credit) => {
                membership.with_room(|room, seat| room.streams().credit(seat, &credit))?;
            }
            Request::StreamClose(close) => {
                membership.with_room(|room, seat| room.streams().close(seat, &close))?;
            }
        }
        Ok(())
    }

    /// Answers a frame that the rate limit refuses. It was not processed.
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
        let message = "You send faster than this relay allows. Send it again after `retry_ms`.";
        self.send_error(&ErrorFrame {
            id,
            stream,
            retry_ms: Some(retry_ms),
            ..ErrorFrame::new(Code::RateLimited, message)
        });
    }

    fn close_for_abuse(&self) {
        let (member, room) = self.membership.describe();
        info!(member, room, "closed for abuse");
        let message = "Too many bad or refused frames in a row. Fix your client before you reconnect.";
        self.queue.close(ErrorFrame::new(Code::Abuse, message));
    }

    fn send_error(&self, error: &ErrorFrame) {
        // If the queue refuses it, the connection is closing already.
        self.queue.push(wire::text(error), FrameClass::Message);
    }
}
