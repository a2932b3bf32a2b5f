//! What a member's frames do, once it is in.

use std::{sync::Arc, time::Instant};

use tracing::info;

use crate::{
    hub::Place,
    limits::{Bucket, Patience},
    metrics::add,
    protocol::{Code, ErrorFrame, Request},
    queue::Queue,
    room::{Class, Outbox},
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
        }
    }

    /// Takes a text frame.
    pub fn text(&mut self, text: &str) {
        add(&self.shared.metrics.bytes_in, text.len());
        let request = Request::parse(text);
        if !matches!(request, Ok(Request::Bye))
            && let Some(Err(retry_ms)) = self.bucket.as_mut().map(|bucket| bucket.take(Instant::now()))
        {
            return self.limited(request, retry_ms);
        }
        match request.and_then(|request| self.process(request)) {
            Ok(()) => self.patience.good(),
            // The other side may have ended a stream while this frame was on its way: nobody's fault.
            Err(error) if error.code == Code::NoSuchStream => self.send(&error),
            Err(error) => self.bad(&error),
        }
    }

    /// Takes a binary frame: a chunk of a stream.
    pub fn binary(&mut self, chunk: &[u8]) {
        add(&self.shared.metrics.bytes_in, chunk.len());
        let Some((id, _)) = chunk.split_first_chunk::<16>().filter(|_| chunk.len() > 24) else {
            let message = "A binary frame is 16 bytes of stream id, 8 of offset, and 1 or more of the file.";
            return self.bad(&ErrorFrame::new(Code::BadFrame, message));
        };
        self.send(&no_such_stream(uuid::Uuid::from_bytes(*id).to_string()));
    }

    fn process(&mut self, request: Request) -> Result<(), ErrorFrame> {
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
            Request::StreamOpen(open) => return Err(no_such_stream(open.stream)),
            Request::StreamCredit(credit) => return Err(no_such_stream(credit.stream)),
            Request::StreamClose(close) => return Err(no_such_stream(close.stream)),
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

fn no_such_stream(stream: String) -> ErrorFrame {
    let error = ErrorFrame::new(Code::NoSuchStream, "That stream is not open; open a new one.");
    ErrorFrame {
        stream: Some(stream),
        ..error
    }
}
