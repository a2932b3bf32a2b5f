//! The task that owns the socket.

use std::{sync::Mutex, time::Duration};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use nexscope_relay::protocol::{Bye, Hello, VERSION, Welcome};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    End, HelloState, Login, Order,
    backoff::Backoff,
    dial::{DIAL, Socket, await_welcome, dial},
    ending::{lost, said},
    files::StreamQueues,
    io::{Disconnect, Reader, Writer},
    outgoing::Outgoing,
    rate_limit::Pace,
};
use crate::core::{Connection, Event};

/// A connection that lasted this long was stable: the next pause is short.
const SOUND: Duration = Duration::from_secs(10);

pub(super) struct Task {
    pub login: Login,
    pub standing: watch::Receiver<HelloState>,
    pub outgoing: Outgoing,
    pub orders: mpsc::Receiver<Order>,
    pub events: mpsc::Sender<Event>,
    pub files: StreamQueues,
}

impl Task {
    /// Reconnects forever, until told to leave or the session is gone.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        let session_gone = self.events.clone();
        loop {
            let end = tokio::select! {
                joined = self.join() => match joined {
                    Ok((socket, welcome)) => {
                        let since = Instant::now();
                        let Some(end) = self.stay(socket, welcome).await else { return };
                        if since.elapsed() > SOUND {
                            backoff.reset();
                        }
                        end
                    }
                    Err(end) => end,
                },
                () = session_gone.closed() => return,
            };
            if !self.pause(end, &mut backoff).await {
                return;
            }
        }
    }

    /// Reports how the connection ended and waits before the next dial; returns `false` to end.
    async fn pause(&mut self, end: End, backoff: &mut Backoff) -> bool {
        tracing::info!(code = ?end.code, why = %end.why, "not connected");
        let mut random = [0; 4];
        // Without randomness the pause has no jitter, which is no reason to stop.
        let _ = getrandom::fill(&mut random);
        let pause = backoff.next(u32::from_ne_bytes(random));
        let is_final = end.is_final();
        let connection = if is_final {
            end.refused()
        } else {
            Connection::Waiting {
                code: end.code,
                why: end.waiting(&self.login.name),
                until: crate::clock::now() + pause.as_millis() as u64,
            }
        };
        if self.events.send(Event::Connection(connection)).await.is_err() {
            return false;
        }
        let again = Instant::now() + pause;
        loop {
            tokio::select! {
                order = self.orders.recv() => return order == Some(Order::Dial),
                () = sleep_until(again), if !is_final => return true,
                // Frames from the room meanwhile are in its outbox, and are sent after the next welcome.
                frame = self.outgoing.recv() => if frame.is_none() { return false },
                () = self.files.drop_all() => return false,
                () = self.events.closed() => return false,
            }
        }
    }

    async fn join(&mut self) -> Result<(Socket, Welcome), End> {
        let target = self.login.target.clone();
        let joined = timeout(DIAL, async {
            let mut socket = dial(&target).await?;
            let hello = self.hello();
            socket
                .send(Message::text(hello))
                .await
                .map_err(|error| lost(&error))?;
            let welcome = await_welcome(&mut socket).await?;
            Ok((socket, welcome))
        });
        joined.await.unwrap_or_else(|_| {
            Err(End::because(format!(
                "{} did not answer within {} s",
                target.authority(),
                DIAL.as_secs()
            )))
        })
    }

    fn hello(&self) -> String {
        let standing = self.standing.borrow().clone();
        let hello = Hello {
            v: VERSION,
            room: self.login.room.clone(),
            name: self.login.name.clone(),
            token: self.login.token.clone(),
            owner: Some(self.login.owner.clone()),
            client: concat!("nexscope-tui/", env!("CARGO_PKG_VERSION")).into(),
            agents: standing.agents,
            mode: standing.mode,
            history: if standing.resume.is_none() {
                self.login.history
            } else {
                0
            },
            resume: standing.resume,
        };
        super::io::json(&hello)
    }

    /// Exchanges frames until the connection ends. `None`: left on purpose, or the session is gone.
    ///
    /// Reads and writes run concurrently: slow writes do not block reads.
    async fn stay(&mut self, socket: Socket, welcome: Welcome) -> Option<End> {
        let heartbeat = Duration::from_secs(welcome.heartbeat.clamp(1, 3600));
        let pace = Mutex::new(Pace::new(&welcome.limits, Instant::now()));
        tracing::info!(room = %welcome.room, server = %welcome.server, resumed = ?welcome.resumed, "joined");
        // Frames queued in the channels are in the outbox, and the room sends them again on the welcome; no
        // stream outlives its connection.
        while self.outgoing.try_recv().is_some() {}
        self.files.begin(&welcome.limits);
        self.events.send(Event::Welcome(Box::new(welcome))).await.ok()?;

        let (sink, stream) = socket.split();
        let streams = self.files.streams.clone();
        let mut reader = Reader {
            stream,
            events: self.events.clone(),
            streams: self.files.streams.clone(),
            pace: &pace,
            silent: heartbeat.mul_f64(2.5),
            last_error: None,
        };
        let mut writer = Writer {
            sink,
            outgoing: &mut self.outgoing,
            files: &mut self.files,
            pace: &pace,
            heartbeat,
        };
        let ended = tokio::select! {
            end = reader.run() => end,
            end = writer.run() => end.map(Disconnect::Broken).unwrap_or(Disconnect::Gone),
            () = leaving(&mut self.orders) => Disconnect::Gone,
            () = self.events.closed() => Disconnect::Gone,
        };
        streams.cut();
        match ended {
            Disconnect::Because(end) => Some(end),
            Disconnect::Broken(error) => Some(reader.last_error.map_or_else(|| lost(&error), said)),
            Disconnect::Gone => {
                leave(writer.sink, reader.stream).await;
                None
            }
        }
    }
}

/// Completes when the session wants to leave.
async fn leaving(orders: &mut mpsc::Receiver<Order>) {
    while orders.recv().await == Some(Order::Dial) {}
}

/// Sends bye, and waits until the relay has closed, so that the others see us leave at once.
async fn leave(mut sink: SplitSink<Socket, Message>, mut stream: SplitStream<Socket>) {
    let bye = super::io::json(&Bye {});
    if sink.send(Message::text(bye)).await.is_ok() {
        let closed = async { while let Some(Ok(_)) = stream.next().await {} };
        // If the relay does not close, leave anyway.
        let _ = timeout(Duration::from_millis(800), closed).await;
    }
}
