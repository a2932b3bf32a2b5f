//! Connections of version 1 clients: their checks, their heartbeat, and the loop that reads them.
//!
//! [`requests`] handles their frames; `room/v1/` translates between the versions. In a build without the feature `v1`,
//! `disabled.rs` stands in for this module.

mod flags;
mod query;
mod requests;

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
pub use query::Query;
use requests::RequestHandler;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::info;

pub(crate) use flags::V1Flags;

use crate::{
    config::Config,
    connection::{Connection, Socket, stream_queue::Scheduling},
    hub::Membership,
    protocol::{
        Code, ErrorFrame, Greeting, Mode, is_name,
        v1::{self, Reply},
    },
    room::v1::V1Seat,
    wire,
};

/// Pings that may go unanswered.
const MAX_MISSED_PINGS: u32 = 2;

/// Settings for clients of protocol version 1. 0 means no limit for every `max_…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version1 {
    /// Whether they may join.
    pub enabled: bool,
    /// The room that they join.
    pub room: String,
    /// Maximum length of a frame, in bytes.
    pub max_payload: usize,
    /// Maximum length of a file, in bytes.
    pub max_file: u64,
    /// Maximum members of version 1.
    pub max_users: usize,
    /// Interval between pings. After two without an answer the connection is closed.
    pub heartbeat: Duration,
    /// Time that a file may take, without the pauses that its receivers need.
    pub file_time: Duration,
    /// Time for which a receiver may take nothing of a file before it leaves the transfer.
    pub stall: Duration,
}

impl Default for Version1 {
    fn default() -> Version1 {
        Version1 {
            enabled: true,
            room: "lobby".into(),
            // The limits of the plugin's clients.
            max_payload: 10 * 1024 * 1024,
            max_file: 100 * 1024 * 1024,
            max_users: 50,
            heartbeat: Duration::from_secs(30),
            file_time: Duration::from_secs(60),
            stall: Duration::from_secs(10),
        }
    }
}

/// The longest frame that version 1 clients may send, and how their streams are sent.
pub(crate) fn transport(config: &Config) -> (usize, Scheduling) {
    (config.v1.max_payload, Scheduling::Sequential)
}

/// A version 1 client that has joined.
pub(crate) struct Client {
    name: String,
    /// Notified of what the connection may wait for: credit, or space in a queue.
    progress: Arc<Notify>,
}

impl Connection {
    /// Checks a version 1 request in the order of the protocol and joins. If it is refused, ends the queue with the
    /// reason.
    pub(crate) async fn join_v1(&self, query: Query) -> Option<(Membership, Client)> {
        let config = &self.shared.config;
        let refuse = |code, message: &str, close| {
            info!(peer = %self.peer, ?code, "closed");
            self.queue
                .close_with(Some(wire::text(&Reply::error(code, message))), close, "");
        };
        if !self.is_admitted(&query.token, &config.v1.room).await {
            info!(peer = %self.peer, "closed: bad token");
            self.queue.close_with(None, 1008, "wrong token");
            return None;
        }
        if query.version != "1" || !config.v1.enabled {
            let message = "This relay does not accept that version. Use a client of version 2.";
            refuse(v1::Code::VersionMismatch, message, 1008);
            return None;
        }
        if !is_name(&query.name) {
            let message = "Invalid name. Choose 1 to 32 of A-Z a-z 0-9 _ -, and no reserved word.";
            refuse(v1::Code::InvalidName, message, 4012);
            return None;
        }
        let greeting = Greeting {
            room: config.v1.room.clone(),
            name: query.name.clone(),
            token: String::new(),
            owner: None,
            client: String::new(),
            agents: Vec::new(),
            mode: Mode::Manual,
            history: 0,
            resume: None,
        };
        let progress = Arc::new(Notify::new());
        let seat = Box::new(V1Seat::new(Arc::clone(&progress)));
        match self.join(greeting, Some(seat)) {
            Ok(membership) => {
                let (member, room) = membership.describe();
                info!(peer = %self.peer, member, room, version = 1, "joined");
                let name = query.name;
                Some((membership, Client { name, progress }))
            }
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// Handles a version 1 member's frames until the connection ends.
    pub(crate) async fn serve_v1_member<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        membership: Membership,
        client: Client,
    ) {
        let heartbeat = self.shared.config.v1.heartbeat;
        let (queue, shared) = (Arc::clone(&self.queue), Arc::clone(&self.shared));
        let mut handler = RequestHandler::new(membership.clone(), queue, shared, client.name);
        let mut ended = pin!(self.queue.ended());
        let mut shutdown = pin!(self.shared.shutdown.cancelled());
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut ping = Instant::now() + heartbeat;
        let mut missed_pings = 0;
        loop {
            // While the receivers of a file have no space, its sender is not read.
            let wait = handler.forward_pending();
            let throttled = handler.throttled_until();
            let is_reading = wait.is_none() && throttled.is_none();
            let timers = [Some(ping), wait, throttled, handler.deadline()];
            if let Some(at) = timers.into_iter().flatten().min() {
                timer.as_mut().reset(at);
            }
            let start = Instant::now();
            tokio::select! {
                biased;
                () = &mut ended => return,
                () = &mut shutdown => return self.shut_down(),
                () = &mut timer => {}
                () = client.progress.notified() => membership.with_room(|room, seat| room.v1().grant_credit(seat)),
                frame = socket.next(), if is_reading => {
                    missed_pings = 0;
                    if !self.handle_v1_frame(frame, &mut handler) {
                        return;
                    }
                }
            }
            let now = Instant::now();
            if !is_reading {
                // Its pongs are not read meanwhile.
                missed_pings = 0;
            }
            if wait.is_some() {
                handler.extend_deadline(now - start);
            }
            if handler.deadline().is_some_and(|deadline| now >= deadline) {
                handler.abort_file("Its time is over.");
                info!(peer = %self.peer, "closed: a file took too long");
                return self.queue.close_with(None, 4014, "the file took too long");
            }
            if now >= ping {
                if missed_pings >= MAX_MISSED_PINGS {
                    return self.silent();
                }
                missed_pings += 1;
                self.queue.ping();
                ping = now + heartbeat;
            }
        }
    }

    fn silent(&self) {
        let message = "You did not answer two pings. Reconnect.";
        self.refuse(ErrorFrame::new(Code::Silent, message));
    }

    /// Handles a frame. Returns whether the connection stays open.
    fn handle_v1_frame(&self, frame: Option<Result<Message, Error>>, handler: &mut RequestHandler) -> bool {
        match frame {
            Some(Ok(Message::Text(text))) => handler.handle_text(&text),
            Some(Ok(Message::Binary(data))) => handler.handle_chunk(data),
            Some(Ok(Message::Ping(payload))) => self.queue.pong(&payload),
            Some(Ok(Message::Pong(payload))) => self.queue.pong_received(&payload),
            Some(Ok(Message::Frame(_))) => {}
            other => {
                self.ended_by_peer(other);
                return false;
            }
        }
        true
    }
}
