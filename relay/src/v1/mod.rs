//! Connections of version 1 clients: their checks, their heartbeat, and the loop that reads them.
//!
//! What their frames do is in [`requests`]; how the room translates is in `room/v1/`.

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
use tokio_tungstenite::tungstenite::Message;
use tracing::info;

use crate::{
    connection::{Connection, Socket},
    hub::Membership,
    limits::network_of,
    protocol::{
        Code, ErrorFrame, Greeting, Mode, is_name,
        v1::{self, Reply},
    },
    random,
    room::JoinRequest,
    wire,
};

/// Pings that may go unanswered.
const MAX_MISSED_PINGS: u32 = 2;

impl Connection {
    /// The checks of a version 1 request, in the order of the protocol. Ends the queue with the reason where it
    /// is refused.
    pub(crate) async fn join_v1(&self, query: Query, progress: &Arc<Notify>) -> Option<Membership> {
        let config = &self.shared.config;
        let refuse = |code, message: &str, close| {
            info!(peer = %self.peer, ?code, "closed");
            self.queue
                .close_with(Some(wire::text(&Reply::error(code, message))), close);
        };
        if !self.admits(&query.token, &config.v1.room).await {
            info!(peer = %self.peer, "closed: bad token");
            self.queue.close_with(None, 1008);
            return None;
        }
        if query.version != "1" || !config.v1.enabled {
            let message = "This relay does not speak that version with you; use a client of version 2.";
            refuse(v1::Code::VersionMismatch, message, 1008);
            return None;
        }
        if !is_name(&query.name) {
            let message = "Choose another name: 1 to 32 of A-Z a-z 0-9 _ -, and no reserved word.";
            refuse(v1::Code::InvalidName, message, 4012);
            return None;
        }
        let greeting = Greeting {
            room: config.v1.room.clone(),
            name: query.name,
            token: String::new(),
            owner: None,
            client: String::new(),
            agents: Vec::new(),
            mode: Mode::Manual,
            history: 0,
            resume: None,
        };
        let joined = match random::secret() {
            Ok(handler) => self.shared.hub.join(
                JoinRequest {
                    greeting,
                    version: 1,
                    connection: self.shared.next_connection(),
                    address: network_of(self.peer),
                    session: handler,
                    v1: Some(Arc::clone(progress)),
                    over_limit: self.permit.is_over_limit(),
                },
                &self.queue,
            ),
            Err(_) => Err(ErrorFrame::new(
                Code::Full,
                "The relay has no randomness to give; try again later.",
            )),
        };
        match joined {
            Ok(membership) => {
                let (member, room) = membership.describe();
                info!(peer = %self.peer, member, room, version = 1, "joined");
                Some(membership)
            }
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// Takes a version 1 member's frames until the connection is to end.
    pub(crate) async fn serve_v1_member<S>(
        &self,
        socket: &mut Socket<S>,
        membership: Membership,
        name: String,
        progress: Arc<Notify>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let heartbeat = self.shared.config.v1.heartbeat;
        let mut handler = RequestHandler::new(
            membership.clone(),
            Arc::clone(&self.queue),
            Arc::clone(&self.shared),
            name,
        );
        let mut ended = pin!(self.queue.ended());
        let mut shutdown = pin!(self.shared.shutdown.cancelled());
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut ping = Instant::now() + heartbeat;
        let mut missed = 0;
        loop {
            // Where the file's receivers have no room, its sender is not read until they have.
            let wait = handler.forward_pending();
            let wake = [Some(ping), wait, handler.throttled_until(), handler.deadline()];
            let reading = wait.is_none() && handler.throttled_until().is_none();
            if let Some(at) = wake.into_iter().flatten().min() {
                timer.as_mut().reset(at);
            }
            let begin = Instant::now();
            tokio::select! {
                biased;
                () = &mut ended => return,
                () = &mut shutdown => return self.shut_down(),
                () = &mut timer => {}
                () = progress.notified() => membership.v1_grant_credit(),
                frame = socket.next(), if reading => {
                    missed = 0;
                    match frame {
                        Some(Ok(Message::Text(text))) => handler.handle_text(&text),
                        Some(Ok(Message::Binary(data))) => handler.handle_chunk(data),
                        Some(Ok(Message::Ping(payload))) => self.queue.pong(&payload),
                        Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                        other => return self.ended_by_peer(other),
                    }
                }
            }
            let now = Instant::now();
            if !reading {
                // What it answers is not read meanwhile: it is not silent.
                missed = 0;
            }
            if wait.is_some() {
                handler.extend_deadline(now - begin);
            }
            if handler.deadline().is_some_and(|deadline| now >= deadline) {
                handler.abort_file("Its time is over.");
                info!(peer = %self.peer, "closed: a file took too long");
                return self.queue.close_with(None, 4014);
            }
            if now >= ping {
                if missed >= MAX_MISSED_PINGS {
                    let message = "Nothing was heard from you after two pings; connect again.";
                    return self.refuse(ErrorFrame::new(Code::Silent, message));
                }
                missed += 1;
                self.queue.ping();
                ping = now + heartbeat;
            }
        }
    }
}

/// Rounds up, since a timer of tokio's that fires early would make the loop spin.
pub(crate) fn instant_in(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds.max(1))
}
