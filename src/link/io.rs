//! Reads and writes a connection concurrently.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use nexscope_relay::protocol::{ChunkHead, ErrorFrame, Frame, stream_id};
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::{
    End,
    dial::Socket,
    ending::ended,
    files::{FileFrame, StreamEvent, StreamQueues, Streams},
    outgoing::Outgoing,
    rate_limit::Pace,
};
use crate::core::{Event, Outbound};

pub(super) enum Disconnect {
    /// The end as reported by the relay, or its silence.
    Because(End),
    /// Writing is no longer possible.
    Broken(tungstenite::Error),
    /// On purpose, or nobody receives any more.
    Gone,
}

pub(super) struct Reader<'a> {
    pub stream: SplitStream<Socket>,
    pub events: mpsc::Sender<Event>,
    pub streams: Streams,
    pub pace: &'a Mutex<Pace>,
    /// The connection counts as lost after this long without any frame.
    pub silent: Duration,
    /// The last error frame before the relay closes.
    pub last_error: Option<ErrorFrame>,
}

impl Reader<'_> {
    pub async fn run(&mut self) -> Disconnect {
        loop {
            let incoming = match timeout(self.silent, self.stream.next()).await {
                Ok(incoming) => incoming,
                Err(_) => return Disconnect::Because(End::because("the relay stopped responding")),
            };
            let text = match incoming {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Binary(chunk))) => {
                    self.chunk(chunk);
                    continue;
                }
                Some(Ok(Message::Close(close))) => {
                    return Disconnect::Because(ended(close, self.last_error.take()));
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Disconnect::Broken(error),
                None => return Disconnect::Because(ended(None, self.last_error.take())),
            };
            match Frame::parse(&text) {
                Ok(frame) => {
                    if !self.frame(frame).await {
                        return Disconnect::Gone;
                    }
                }
                Err(error) => tracing::warn!(%error, "skipped a frame that cannot be read"),
            }
        }
    }

    /// Forwards a frame; returns `false` if nobody receives any more.
    async fn frame(&mut self, frame: Frame) -> bool {
        match &frame {
            Frame::Error(error) => {
                tracing::warn!(code = ?error.code, "the relay refused a frame");
                if let Some(retry) = error.retry_ms {
                    locked(self.pace).pause(Duration::from_millis(retry), Instant::now());
                }
                if error.code.close().is_some() {
                    self.last_error = Some(error.clone());
                    return true;
                }
            }
            Frame::StreamCredit(credit) => {
                if let Some(stream) = stream_id(&credit.stream) {
                    // A closed stream takes no credit.
                    self.streams.deliver(stream, StreamEvent::Credit(credit.bytes));
                }
                return true;
            }
            // A stream that was just opened may not be known yet: then the session, which gets its opening
            // first, forwards this too.
            Frame::StreamClose(close) if self.streams.closed(close) => return true,
            _ => {}
        }
        self.events.send(frame.into()).await.is_ok()
    }

    fn chunk(&self, frame: Bytes) {
        let Some((head, bytes)) = ChunkHead::parse(&frame) else {
            return;
        };
        let piece = StreamEvent::Chunk {
            stream: head.stream,
            offset: head.offset,
            bytes: frame.slice_ref(bytes),
        };
        // A few more chunks may arrive on a closed stream.
        self.streams.deliver(head.stream, piece);
    }
}

pub(super) struct Writer<'a> {
    pub sink: SplitSink<Socket, Message>,
    pub outgoing: &'a mut Outgoing,
    pub files: &'a mut StreamQueues,
    pub pace: &'a Mutex<Pace>,
    pub heartbeat: Duration,
}

impl Writer<'_> {
    /// Writes until the connection fails, or nobody sends any more (`None`).
    pub async fn run(&mut self) -> Option<tungstenite::Error> {
        let mut ping = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        // A frame that counts towards the relay's limits and waits for its turn.
        let mut file_waits: Option<FileFrame> = None;
        loop {
            let now = Instant::now();
            let ready = locked(self.pace).ready_at(now);
            let may = ready <= now;
            if may && let Some(frame) = file_waits.take() {
                locked(self.pace).take();
                if let Err(error) = self.sink.send(encode_file(frame)).await {
                    return Some(error);
                }
                continue;
            }
            let written = tokio::select! {
                biased;
                // Even if nothing is queued yet: later frames would not wake this up.
                () = sleep_until(ready), if !may => Ok(()),
                frame = self.outgoing.recv(), if may => self.text(frame?).await,
                _ = ping.tick() => self.sink.send(Message::Ping(Bytes::new())).await,
                frame = self.files.next(), if file_waits.is_none() => self.file(frame?, &mut file_waits).await,
            };
            if let Err(error) = written {
                return Some(error);
            }
        }
    }

    /// Writes a text frame and other queued frames, as far as the pace allows, and flushes once. Fails if the
    /// connection does.
    async fn text(&mut self, first: Outbound) -> Result<(), tungstenite::Error> {
        let mut next = Some(first);
        while let Some(frame) = next {
            locked(self.pace).take();
            self.sink.feed(Message::Text(encode(&frame))).await?;
            let now = Instant::now();
            next = if locked(self.pace).ready_at(now) <= now {
                self.outgoing.try_recv()
            } else {
                None
            };
        }
        self.sink.flush().await
    }

    /// Writes a file frame. Chunks and credits are free; others keep to the pace. Fails if the connection
    /// does.
    async fn file(
        &mut self,
        frame: FileFrame,
        waits: &mut Option<FileFrame>,
    ) -> Result<(), tungstenite::Error> {
        match frame {
            FileFrame::Open(_) | FileFrame::Close(_) => {
                *waits = Some(frame);
                Ok(())
            }
            FileFrame::Chunk(_) | FileFrame::Credit(_) => self.sink.send(encode_file(frame)).await,
        }
    }
}

pub(super) fn locked(pace: &Mutex<Pace>) -> std::sync::MutexGuard<'_, Pace> {
    // Nothing panics while it holds the lock.
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serializes a frame as JSON.
pub(super) fn json(frame: &impl serde::Serialize) -> String {
    serde_json::to_string(frame).expect("a frame is made of strings, numbers and JSON that was checked")
}

pub(super) fn encode(frame: &Outbound) -> Utf8Bytes {
    match frame {
        Outbound::Message(message) => json(message),
        Outbound::Signal(signal) => json(signal),
        Outbound::Update(update) => json(update),
    }
    .into()
}

pub(super) fn encode_file(frame: FileFrame) -> Message {
    Message::text(match &frame {
        FileFrame::Open(open) => json(open),
        FileFrame::Credit(credit) => json(credit),
        FileFrame::Close(close) => json(close),
        FileFrame::Chunk(chunk) => return Message::Binary(chunk.clone()),
    })
}
