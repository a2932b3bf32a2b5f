//! The connection to the relay: dial, hello, heartbeat, back-off, resume.
//!
//! A task of its own owns the socket. What it hears becomes [`Event`]s for the room; what the room wants
//! sent comes through a bounded channel, and is paced below the relay's limits.

mod backoff;
mod connection;
mod dial;
mod ending;
mod files;
mod io;
mod rate_limit;
mod target;

use nexscope_relay::protocol::{Code, Mode, Resume};
use tokio::sync::{mpsc, watch};

use crate::core::{Connection, Event, Outbound};

pub use dial::{Check, check};
pub use files::{ConnectionEpoch, FileFrame, Files, REPLACED, StreamEvent};
pub use target::{Invite, Target, TargetError};

/// Frames on their way out. Full: the session keeps them, they are in its outbox anyway.
const OUTGOING: usize = 256;
/// Events on their way in. Full: the socket is read no further, and the relay waits or cuts us.
const INCOMING: usize = 256;

#[derive(Clone)]
pub struct Login {
    pub target: Target,
    pub room: String,
    pub name: String,
    pub token: String,
    /// Proof that the name is still the same person's.
    pub owner: String,
    /// How many messages of before a newcomer wants to see.
    pub history: u32,
}

/// What changes between one hello and the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloState {
    /// Where the room goes on from.
    pub resume: Option<Resume>,
    /// How this member's agents answer.
    pub mode: Mode,
    /// Names of the agents behind this member.
    pub agents: Vec<String>,
}

/// The way to the connection's task.
#[derive(Debug)]
pub struct Link {
    pub events: mpsc::Receiver<Event>,
    /// What is to be sent.
    pub frames: mpsc::Sender<Outbound>,
    pub files: Files,
    standing: watch::Sender<HelloState>,
    orders: mpsc::Sender<Order>,
    task: tokio::task::JoinHandle<()>,
}

/// What the session tells the connection's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Dial now, whatever was waited for.
    Dial,
    Leave,
}

impl Link {
    pub fn start(login: Login, standing: HelloState) -> Self {
        let (events_in, events) = mpsc::channel(INCOMING);
        let (frames, outgoing) = mpsc::channel(OUTGOING);
        // Two orders exist, and a second one of a kind adds nothing: when full, it is dropped.
        let (orders, orders_out) = mpsc::channel(2);
        let (standing, standing_out) = watch::channel(standing);
        let (files, lanes) = files::lanes();
        let task = connection::Task {
            files: lanes,
            login,
            standing: standing_out,
            outgoing,
            orders: orders_out,
            events: events_in,
        };
        let task = tokio::spawn(task.run());
        Self {
            events,
            frames,
            files,
            standing,
            orders,
            task,
        }
    }

    /// What the next hello says.
    pub fn set_standing(&self, standing: HelloState) {
        self.standing.send_if_modified(|old| {
            let changed = *old != standing;
            *old = standing;
            changed
        });
    }

    /// Dials now: after a refusal, or where waiting is too long.
    pub fn dial_now(&self) {
        // Full: it is being dialled.
        let _ = self.orders.try_send(Order::Dial);
    }

    /// Leaves the room and waits until the relay knows, or for a second.
    pub async fn leave(mut self) {
        // The task may be gone already.
        let _ = self.orders.send(Order::Leave).await;
        // The task may be waiting to hand over an event.
        self.events.close();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), &mut self.task).await;
        self.task.abort();
    }
}

/// The name that is offered instead of one that is taken: the next one that nobody here was refused.
fn next_name(name: &str) -> String {
    let numbered = name
        .rsplit_once('-')
        .and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    let (stem, number) = numbered
        .filter(|(stem, number)| !stem.is_empty() && (1..u32::MAX).contains(number))
        .map_or((name, 2), |(stem, number)| (stem, number + 1));
    let number = number.to_string();
    // Names are ASCII and at most 32 characters.
    let stem: String = stem.chars().take(31 - number.len()).collect();
    format!("{stem}-{number}")
}

#[derive(Debug)]
struct End {
    /// The relay's code, where it gave one.
    code: Option<Code>,
    why: String,
}

impl End {
    fn because(why: impl Into<String>) -> Self {
        Self {
            code: None,
            why: why.into(),
        }
    }

    /// Whether dialling again by itself would meet the same answer.
    fn is_final(&self) -> bool {
        matches!(
            self.code,
            Some(Code::BadToken | Code::BadName | Code::BadHello | Code::BadVersion | Code::Replaced)
        )
    }

    /// Why it is dialled again, for a person: a taken name may be free later, and another one is free now.
    fn waiting(self, name: &str) -> String {
        match self.code {
            Some(Code::NameTaken) => {
                let next = next_name(name);
                format!("someone has that name ({name}); /start -n {next} joins as {next}")
            }
            _ => self.why,
        }
    }

    /// What the person is shown, with what to do.
    fn refused(self) -> Connection {
        let code = self.code.unwrap_or(Code::Other);
        let todo = match code {
            Code::BadToken => {
                return Connection::Refused {
                    code,
                    why: "Wrong token. Ask for a new invite, then /join it.".into(),
                };
            }
            Code::BadName => "Names are 1 to 32 of a-z, 0-9, _ and -: choose another with -n NAME.",
            Code::BadVersion | Code::BadHello => "This program and the relay are incompatible: update one.",
            Code::Replaced => "You joined from another place. Type /start to continue here.",
            _ => "Try again with /start.",
        };
        let why = self.why.trim_end_matches('.');
        Connection::Refused {
            code,
            why: format!("{why}. {todo}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_name() {
        let longest = "x".repeat(32);
        for (name, next) in [
            ("bob", "bob-2"),
            ("bob-2", "bob-3"),
            ("bob-9", "bob-10"),
            ("web-team", "web-team-2"),
            ("-7", "-7-2"),
            ("bob-4294967295", "bob-4294967295-2"),
            (longest.as_str(), &format!("{}-2", "x".repeat(30))),
        ] {
            assert_eq!(next_name(name), *next);
            assert!(nexscope_relay::protocol::is_name(&next_name(name)), "{name}");
        }
    }

    /// Issue 14, 16: one refusal stopped the client for good.
    #[test]
    fn a_taken_name_is_tried_again() {
        let end = || End {
            code: Some(Code::NameTaken),
            why: "Someone has that name.".into(),
        };
        assert!(!end().is_final());
        assert_eq!(
            end().waiting("alice"),
            "someone has that name (alice); /start -n alice-2 joins as alice-2"
        );
    }
}
