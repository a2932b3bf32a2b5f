//! The connection to the relay: dial, hello, heartbeat, back-off, resume.
//!
//! The socket is owned by its own task. Incoming frames become [`Event`]s for the room; outgoing frames of
//! the room arrive through a bounded channel, and are paced below the relay's limits.

mod backoff;
mod connection;
mod dial;
mod ending;
mod files;
mod io;
mod outgoing;
mod proxy;
mod rate_limit;
mod target;
mod tls;
mod tunnel;

use nexscope_relay::protocol::{Code, Mode, Resume};
use tokio::sync::{mpsc, watch};

use crate::core::{Connection, Event, Outbound};

pub use dial::{Check, check, check_with_clock};
pub use files::{ConnectionEpoch, FileFrame, Files, REPLACED, StreamEvent};
pub use proxy::Proxy;
pub use target::{Invite, Target, TargetError};

/// The queue length of incoming events. Full: the socket is not read, and the relay waits or disconnects us.
const INCOMING: usize = 256;

#[derive(Clone)]
pub struct Login {
    pub target: Target,
    pub room: String,
    pub name: String,
    pub token: String,
    /// Proof that the same person owns the name.
    pub owner: String,
    /// The number of history messages requested on first join.
    pub history: u32,
}

/// The fields that change between one hello and the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloState {
    /// The point from which the room resumes.
    pub resume: Option<Resume>,
    /// The mode of this member's agents.
    pub mode: Mode,
    /// Names of the agents behind this member.
    pub agents: Vec<String>,
}

/// A handle to the connection's task.
#[derive(Debug)]
pub struct Link {
    pub events: mpsc::Receiver<Event>,
    /// Frames to be sent, except receipts.
    pub frames: mpsc::Sender<Outbound>,
    pub receipts: mpsc::Sender<Outbound>,
    pub files: Files,
    standing: watch::Sender<HelloState>,
    orders: mpsc::Sender<Order>,
    task: tokio::task::JoinHandle<()>,
}

/// A command from the session to the connection's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Dial now, ending any pause.
    Dial,
    Leave,
}

impl Link {
    pub fn start(login: Login, standing: HelloState) -> Self {
        let (events_in, events) = mpsc::channel(INCOMING);
        let (frames, receipts, outgoing) = outgoing::lanes();
        // There are two orders, and repeating one adds nothing: if the queue is full, it is dropped.
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
            receipts,
            files,
            standing,
            orders,
            task,
        }
    }

    /// Sets the content of the next hello.
    pub fn set_standing(&self, standing: HelloState) {
        self.standing.send_if_modified(|old| {
            let changed = *old != standing;
            *old = standing;
            changed
        });
    }

    /// Dials now: after a refusal, or to end a long pause.
    pub fn dial_now(&self) {
        // Full: a dial is already queued.
        let _ = self.orders.try_send(Order::Dial);
    }

    /// Leaves the room and waits until the relay has noticed, for at most a second.
    pub async fn leave(mut self) {
        // The task may be gone already.
        let _ = self.orders.send(Order::Leave).await;
        // The task may be blocked on sending an event.
        self.events.close();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), &mut self.task).await;
        self.task.abort();
    }
}

/// The name offered instead of a taken one: the next number that was not refused here.
fn next_name(name: &str) -> String {
    let numbered = name
        .rsplit_once('-')
        .and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    let (stem, number) = numbered
        .filter(|(stem, number)| !stem.is_empty() && (1..u32::MAX).contains(number))
        .map_or((name, 2), |(stem, number)| (stem, number + 1));
    let number = number.to_string();
    // Names are ASCII and at most 32 characters long.
    let stem: String = stem.chars().take(31 - number.len()).collect();
    format!("{stem}-{number}")
}

#[derive(Debug)]
struct End {
    /// The relay's code, if it sent one.
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

    /// Whether dialling again automatically would get the same answer.
    fn is_final(&self) -> bool {
        matches!(
            self.code,
            Some(Code::BadToken | Code::BadName | Code::BadHello | Code::BadVersion | Code::Replaced)
        )
    }

    /// The reason for a retry, for a person: a taken name may be free later, and another name is free now.
    fn waiting(self, name: &str) -> String {
        match self.code {
            Some(Code::NameTaken) => {
                let next = next_name(name);
                format!("someone has that name ({name}); /start -n {next} joins as {next}")
            }
            _ => self.why,
        }
    }

    /// The message for the person, with what to do.
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

    /// Issue 14, 16: a single refusal stopped the client permanently.
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
