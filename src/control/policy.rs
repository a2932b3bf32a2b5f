//! Who may ask for what: one table, which every command passes before its handler.
//!
//! PURE. A command is judged once, by what it is, who wants it, and what kind of session it is about. A handler takes
//! a [`Permit`], and only [`admit`] makes one:
//!
//! ```compile_fail
//! use nexscope_tui::policy::{Asks, How, Permit};
//! let permit = Permit { asks: Asks::Attach, how: How::Done };
//! ```
//! ```compile_fail
//! use nexscope_tui::policy::{Asks, Permit};
//! let permit = Permit::new(Asks::Attach);
//! ```
//!
//! Who somebody is, is an honest guess and no proof: see [`crate::control::Caller`].

/// What is asked for: each command of the shell and of the control socket, where what it does differs, apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the command that it is named after")]
pub enum Asks {
    // Of a session that runs.
    Hello,
    Who,
    Inbox,
    Status,
    Files,
    History,
    Update,
    Poll,
    Watch,
    Wait,
    BeforeStop,
    Say,
    Append,
    Mode,
    AutoMode,
    Accept,
    Reject,
    Retry,
    Ask,
    Cancel,
    Stop,
    Attach,
    // Of this computer.
    /// Join with a screen, or with lines: who does, reads the room and speaks as its person.
    Join,
    /// Join without a screen.
    JoinHeadless,
    /// Join in auto mode.
    JoinInAuto,
    /// Join so that programs decide.
    JoinWithRemoteDecisions,
    Invite,
    AuditVerify,
    AuditShow,
    Relay,
    Mcp,
    Setup,
    Doctor,
    Config,
    Demo,
    Completions,
    Hook,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A person at a terminal.
    Person,
    /// A program that no agent has started.
    Program,
    /// An agent, or what one has started.
    Agent,
}

impl Who {
    /// Somebody who says that an agent speaks is one; nobody becomes a person by saying so.
    pub fn new(is_agent: bool, at_terminal: bool) -> Self {
        match (is_agent, at_terminal) {
            (true, _) => Who::Agent,
            (false, true) => Who::Person,
            (false, false) => Who::Program,
        }
    }
}

/// What kind of session a command is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionKind {
    /// It has no screen and no lines of its own.
    pub headless: bool,
    /// Its person lets programs decide that no agent has started.
    pub remote_decisions: bool,
}

/// How a command is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// As it is.
    Done,
    /// As it is, by somebody who decides for the person.
    Decided,
    /// What it says waits for the person as a draft.
    Drafted,
    /// The person is told that it is wanted, and decides.
    AskedFor,
}

/// A command that has passed the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    asks: Asks,
    how: Handling,
}

impl Permit {
    /// What is asked for.
    pub fn asks(self) -> Asks {
        self.asks
    }

    /// How it is carried out.
    pub fn how(self) -> Handling {
        self.how
    }

    /// Whether who asks decides for the person.
    pub fn decides(self) -> bool {
        self.how == Handling::Decided
    }
}

/// Judges a command.
///
/// # Errors
///
/// Where it is not for who asks: a sentence that says what to do instead.
pub fn admit(asks: Asks, who: Who, session: SessionKind) -> Result<Permit, &'static str> {
    let decides = session.headless && session.remote_decisions && who != Who::Agent;
    let permit = |how| Ok(Permit { asks, how });
    match asks {
        Asks::Hello
        | Asks::Who
        | Asks::Status
        | Asks::Files
        | Asks::History
        | Asks::Update
        | Asks::Poll
        | Asks::Watch
        | Asks::Wait
        | Asks::BeforeStop
        | Asks::Mode
        | Asks::AuditVerify
        | Asks::Relay
        | Asks::Mcp
        | Asks::Setup
        | Asks::Doctor
        | Asks::Config
        | Asks::Demo
        | Asks::Completions
        | Asks::Hook
        | Asks::JoinHeadless => permit(Handling::Done),
        Asks::Say | Asks::Append => permit(match who {
            Who::Person => Handling::Done,
            Who::Program | Who::Agent => Handling::Drafted,
        }),
        // What waits is told with its text only to who decides on it.
        Asks::Inbox | Asks::Cancel => permit(if decides {
            Handling::Decided
        } else {
            Handling::Done
        }),
        Asks::AutoMode | Asks::Accept | Asks::Reject | Asks::Retry => permit(if decides {
            Handling::Decided
        } else {
            Handling::AskedFor
        }),
        Asks::Ask if decides => permit(Handling::Decided),
        Asks::Ask => Err("Only a person at the screen asks their agent: /ask there."),
        Asks::Stop => permit(match who {
            Who::Person => Handling::Done,
            _ if session.headless => Handling::Done,
            _ => Handling::AskedFor,
        }),
        Asks::Attach if !session.headless => {
            Err("This session has a screen or lines of its own; use it there.")
        }
        Asks::Attach if who != Who::Person => {
            Err("Only a person attaches, from a terminal that no agent has started.")
        }
        Asks::Attach => permit(Handling::Done),
        Asks::Join if who == Who::Agent => {
            Err("An agent joins without a screen: nexscope-tui start --headless, or the tool nexscope_start.")
        }
        Asks::JoinInAuto if who == Who::Agent => {
            Err("An agent does not turn auto mode on. Ask your person to: /mode auto at the screen.")
        }
        Asks::JoinWithRemoteDecisions if who == Who::Agent => {
            Err("An agent does not let programs decide. Ask your person to start the session so.")
        }
        Asks::Invite if who == Who::Agent => {
            Err("The invite holds the relay's token, which is not for an agent. Ask your person for it.")
        }
        Asks::AuditShow if who == Who::Agent => {
            Err("The audit log holds what nobody has accepted, which is not for an agent. Ask your person.")
        }
        Asks::Join | Asks::JoinInAuto | Asks::JoinWithRemoteDecisions | Asks::Invite | Asks::AuditShow => {
            permit(Handling::Done)
        }
    }
}

impl Asks {
    /// Every command, for tables.
    pub const ALL: [Asks; 37] = [
        Asks::Hello,
        Asks::Who,
        Asks::Inbox,
        Asks::Status,
        Asks::Files,
        Asks::History,
        Asks::Update,
        Asks::Poll,
        Asks::Watch,
        Asks::Wait,
        Asks::BeforeStop,
        Asks::Say,
        Asks::Append,
        Asks::Mode,
        Asks::AutoMode,
        Asks::Accept,
        Asks::Reject,
        Asks::Retry,
        Asks::Ask,
        Asks::Cancel,
        Asks::Stop,
        Asks::Attach,
        Asks::Join,
        Asks::JoinHeadless,
        Asks::JoinInAuto,
        Asks::JoinWithRemoteDecisions,
        Asks::Invite,
        Asks::AuditVerify,
        Asks::AuditShow,
        Asks::Relay,
        Asks::Mcp,
        Asks::Setup,
        Asks::Doctor,
        Asks::Config,
        Asks::Demo,
        Asks::Completions,
        Asks::Hook,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: SessionKind = SessionKind {
        headless: false,
        remote_decisions: false,
    };
    const HEADLESS: SessionKind = SessionKind {
        headless: true,
        remote_decisions: false,
    };
    const REMOTE: SessionKind = SessionKind {
        headless: true,
        remote_decisions: true,
    };

    /// Each command as it is for an agent, a program and a person, at a screen, headless, and with remote decisions:
    /// d(one), D(ecided), w(aits as a draft), a(sked for), - (refused).
    const TABLE: [(Asks, &str); 37] = [
        (Asks::Hello, "ddd ddd ddd"),
        (Asks::Who, "ddd ddd ddd"),
        (Asks::Inbox, "ddd ddd dDD"),
        (Asks::Status, "ddd ddd ddd"),
        (Asks::Files, "ddd ddd ddd"),
        (Asks::History, "ddd ddd ddd"),
        (Asks::Update, "ddd ddd ddd"),
        (Asks::Poll, "ddd ddd ddd"),
        (Asks::Watch, "ddd ddd ddd"),
        (Asks::Wait, "ddd ddd ddd"),
        (Asks::BeforeStop, "ddd ddd ddd"),
        (Asks::Say, "wwd wwd wwd"),
        (Asks::Append, "wwd wwd wwd"),
        (Asks::Mode, "ddd ddd ddd"),
        (Asks::AutoMode, "aaa aaa aDD"),
        (Asks::Accept, "aaa aaa aDD"),
        (Asks::Reject, "aaa aaa aDD"),
        (Asks::Retry, "aaa aaa aDD"),
        (Asks::Ask, "--- --- -DD"),
        (Asks::Cancel, "ddd ddd dDD"),
        (Asks::Stop, "aad ddd ddd"),
        (Asks::Attach, "--- --d --d"),
        (Asks::Join, "-dd -dd -dd"),
        (Asks::JoinHeadless, "ddd ddd ddd"),
        (Asks::JoinInAuto, "-dd -dd -dd"),
        (Asks::JoinWithRemoteDecisions, "-dd -dd -dd"),
        (Asks::Invite, "-dd -dd -dd"),
        (Asks::AuditVerify, "ddd ddd ddd"),
        (Asks::AuditShow, "-dd -dd -dd"),
        (Asks::Relay, "ddd ddd ddd"),
        (Asks::Mcp, "ddd ddd ddd"),
        (Asks::Setup, "ddd ddd ddd"),
        (Asks::Doctor, "ddd ddd ddd"),
        (Asks::Config, "ddd ddd ddd"),
        (Asks::Demo, "ddd ddd ddd"),
        (Asks::Completions, "ddd ddd ddd"),
        (Asks::Hook, "ddd ddd ddd"),
    ];

    #[test]
    fn every_command_is_as_the_table_says() {
        assert_eq!(TABLE.map(|(asks, _)| asks), Asks::ALL);
        for (asks, expected) in TABLE {
            let is = [SCREEN, HEADLESS, REMOTE].map(|session| {
                [Who::Agent, Who::Program, Who::Person].map(|who| match admit(asks, who, session) {
                    Ok(permit) => match permit.how() {
                        Handling::Done => 'd',
                        Handling::Decided => 'D',
                        Handling::Drafted => 'w',
                        Handling::AskedFor => 'a',
                    },
                    Err(_) => '-',
                })
            });
            let is = is.map(|row| row.iter().collect::<String>()).join(" ");
            assert_eq!(is, expected, "{asks:?}");
        }
    }

    #[test]
    fn an_agent_never_decides_and_nobody_becomes_a_person_by_saying_so() {
        for asks in Asks::ALL {
            for session in [SCREEN, HEADLESS, REMOTE] {
                assert!(
                    !admit(asks, Who::Agent, session).is_ok_and(Permit::decides),
                    "{asks:?}"
                );
            }
        }
        assert_eq!(Who::new(true, true), Who::Agent);
        assert_eq!(Who::new(false, false), Who::Program);
    }
}
