//! What a member's frames do, once it is in.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::info;
use uuid::Uuid;

use crate::{
    hub::Place,
    limits::{Bucket, Patience},
    metrics::add,
    protocol::{ChunkHead, Code, ErrorFrame, Post, Request},
    queue::Queue,
    room::{Class, Outbox, StreamFault},
    server::Shared,
    wire,
};

/// See the [module](self).
pub struct Session {
    place: Place,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    bucket: Option<Bucket>,
    patience: Patience,
    /// The stream of the last chunk that was for none: its others were on their way already.
    stray: Option<Uuid>,
}

impl Session {
    /// For a member that has just joined.
    pub fn new(place: Place, queue: Arc<Queue>, shared: Arc<Shared>) -> Session {
        let bucket = Bucket::new(shared.config.rate, shared.config.burst, Instant::now());
        Session {
            place,
            queue,
            shared,
            bucket,
            patience: Patience::default(),
            stray: None,
        }
    }

    /// Takes text frames that came in one go. Messages to all among them are passed on together.
    pub fn texts(&mut self, texts: &[Utf8Bytes]) {
        let mut posts = Vec::new();
        for text in texts {
            add(&self.shared.metrics.bytes_in, text.len());
            let request = Request::parse(text);
            let limited = self.limit(&request);
            match request {
                Ok(Request::Message(post)) if limited.is_none() && post.is_broadcast() => posts.push(post),
                request => {
                    self.broadcast(&mut posts);
                    match limited {
                        Some(retry_ms) => self.limited(request, retry_ms),
                        None => {
                            let result = request.map_err(StreamFault::from);
                            let result = result.and_then(|request| self.process(request));
                            self.judge(result);
                        }
                    }
                }
            }
        }
        self.broadcast(&mut posts);
    }

    /// Counts a frame against the rate. Where that refuses it: after how many milliseconds it may come again.
    fn limit(&mut self, request: &Result<Request, ErrorFrame>) -> Option<u64> {
        let free = match request {
            Ok(Request::Bye) => true,
            Ok(Request::StreamCredit(credit)) => !self.place.is_small_credit(credit),
            _ => false,
        };
        let bucket = self.bucket.as_mut().filter(|_| !free)?;
        bucket.take(Instant::now()).err()
    }

    fn broadcast(&mut self, posts: &mut Vec<Post>) {
        if !posts.is_empty() {
            let count = self.place.broadcast(posts);
            add(&self.shared.metrics.messages, posts.len());
            add(&self.shared.metrics.deliveries, count);
            posts.clear();
            self.patience.good();
        }
    }

    /// Takes a binary frame: a chunk of a stream.
    pub fn binary(&mut self, chunk: Bytes) {
        add(&self.shared.metrics.bytes_in, chunk.len());
        let stream = ChunkHead::parse(&chunk).map(|(head, _)| head.stream);
        let result = self.place.stream_chunk(chunk);
        if let Err(StreamFault::Tell(error)) = &result
            && error.code == Code::NoSuchStream
        {
            // One answer for a stream that has ended, not one for each chunk that was on its way.
            if std::mem::replace(&mut self.stray, stream) == stream {
                return;
            }
        }
        self.judge(result);
    }

    fn judge(&mut self, result: Result<(), StreamFault>) {
        match result {
            Ok(()) => self.patience.good(),
            // The other side may have ended a stream while this frame was on its way: nobody's fault.
            Err(StreamFault::Tell(error)) if error.code == Code::NoSuchStream => self.send(&error),
            Err(StreamFault::Tell(error)) => self.bad(&error),
            Err(StreamFault::Violation) => {
                if self.patience.bad() {
                    self.abuse();
                }
            }
        }
    }

    fn process(&mut self, request: Request) -> Result<(), StreamFault> {
        match request {
            Request::Message(post) => {
                let about = |error| ErrorFrame {
                    id: Some(post.id.to_string()),
                    ..error
                };
                let count = self.place.message(&post).map_err(about)?;
                add(&self.shared.metrics.messages, 1);
                add(&self.shared.metrics.deliveries, count);
            }
            Request::Signal(post) => add(&self.shared.metrics.deliveries, self.place.signal(&post)?),
            Request::Update(update) => self.place.update(update),
            Request::Bye => {
                self.place.bye();
                self.queue.finish();
            }
            Request::StreamOpen(open) => {
                self.place.stream_open(&open)?;
                add(&self.shared.metrics.streams, 1);
            }
            Request::StreamCredit(credit) => self.place.stream_credit(&credit)?,
            Request::StreamClose(close) => self.place.stream_close(&close)?,
        }
        Ok(())
    }

    /// A frame that the rate limit refuses; it was not processed.
    fn limited(&mut self, request: Result<Request, ErrorFrame>, retry_ms: u64) {
        add(&self.shared.metrics.limited, 1);
        if self.patience.limited() {
            return self.abuse();
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
        self.send(&ErrorFrame {
            id,
            stream,
            retry_ms: Some(retry_ms),
            ..error
        });
    }

    fn bad(&mut self, error: &ErrorFrame) {
        if self.patience.bad() {
            self.abuse()
        } else {
            self.send(error)
        }
    }

    fn abuse(&self) {
        let (member, room) = self.place.describe();
        info!(member, room, "closed for abuse");
        let message = "Too many bad or refused frames in a row; mend your client before you connect again.";
        self.queue.close(ErrorFrame::new(Code::Abuse, message));
    }

    fn send(&self, error: &ErrorFrame) {
        // Where the queue takes no more, the connection is closing already.
        self.queue.push(wire::text(error), Class::Frame);
    }
}
