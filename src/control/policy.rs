//! The access policy: one table that every command passes before its handler.
//!
//! PURE. A command has a [`Rule`]; it is checked once, against its rule, the caller, and the kind of session.
//! A handler takes a [`Permit`], and only [`admit`] creates one.
//!
//! The identity of a caller is a good-faith guess, not proof: see [`super::Caller`].

/// The access rule of a command, and its handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Anybody. It decides nothing, and shows no pending text.
    Open,
    /// A person's message is sent; a program's or an agent's waits as a draft.
    Draft,
    /// The person at the screen decides, or a program that they allowed to.
    Decide,
    /// Asking one's own agent: like [`Rule::Decide`], but it cannot be requested from the person.
    Ask,
    Stop,
    /// Showing a headless session on a terminal.
    Attach,
    /// Joining with a screen or with lines: the caller then reads the room and speaks as its person.
    Join,
    JoinInAuto,
    /// Joining with remote decisions allowed.
    AllowRemoteDecisions,
    Invite,
    /// Printing the audit log, which contains text that nobody has accepted.
    AuditShow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A person at a terminal.
    Person,
    /// A program not started by an agent.
    Program,
    /// An agent, or a program started by one.
    Agent,
}

impl Who {
    /// Anyone who claims to be an agent is treated as one; nobody becomes a person by claiming it.
    pub(crate) fn new(is_agent: bool, at_terminal: bool) -> Self {
        match (is_agent, at_terminal) {
            (true, _) => Who::Agent,
            (false, true) => Who::Person,
            (false, false) => Who::Program,
        }
    }
}

/// The kind of session that a command is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SessionKind {
    /// It has neither a screen nor lines.
    pub headless: bool,
    /// Its person lets programs that were not started by an agent decide.
    pub remote_decisions: bool,
}

/// The handling of an admitted command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    Done,
    /// Carried out as given, by a caller who decides for the person.
    Decided,
    /// Its text waits for the person as a draft.
    Drafted,
    /// The person is notified of the request, and decides.
    AskedFor,
}

/// Proof that a command has passed the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permit {
    handling: Handling,
    decides: bool,
}

impl Permit {
    /// Returns the handling of the command.
    pub(crate) fn handling(self) -> Handling {
        self.handling
    }

    /// Whether the caller decides for the person.
    pub(crate) fn decides(self) -> bool {
        self.decides
    }
}

/// Checks a command against the table.
///
/// # Errors
///
/// If the caller may not use it: a sentence that says what to do instead.
pub(crate) fn admit(rule: Rule, who: Who, session: SessionKind) -> Result<Permit, &'static str> {
    let decides = session.headless && session.remote_decisions && who != Who::Agent;
    let handling = match rule {
        Rule::Open => Handling::Done,
        Rule::Draft if who == Who::Person => Handling::Done,
        Rule::Draft => Handling::Drafted,
        Rule::Decide | Rule::Ask if decides => Handling::Decided,
        Rule::Decide => Handling::AskedFor,
        Rule::Ask => return Err("Only a person at the screen asks their agent: /ask there."),
        Rule::Stop if who == Who::Person || session.headless => Handling::Done,
        Rule::Stop => Handling::AskedFor,
        Rule::Attach if !session.headless => {
            return Err("This session has a screen or lines of its own; use it there.");
        }
        Rule::Attach if who != Who::Person => {
            return Err("Only a person attaches, from a terminal that no agent has started.");
        }
        Rule::Join if who == Who::Agent => {
            return Err(
                "An agent joins without a screen: nexscope-tui start --headless, or the tool nexscope_start.",
            );
        }
        Rule::JoinInAuto if who == Who::Agent => {
            return Err("An agent does not turn auto mode on. Ask your person to: /mode auto at the screen.");
        }
        Rule::AllowRemoteDecisions if who == Who::Agent => {
            return Err("An agent does not let programs decide. Ask your person to start the session so.");
        }
        Rule::Invite if who == Who::Agent => {
            return Err(
                "The invite holds the relay's token, which is not for an agent. Ask your person for it.",
            );
        }
        Rule::AuditShow if who == Who::Agent => {
            return Err(
                "The audit log holds text that nobody has accepted, which is not for an agent. Ask your person.",
            );
        }
        Rule::Attach
        | Rule::Join
        | Rule::JoinInAuto
        | Rule::AllowRemoteDecisions
        | Rule::Invite
        | Rule::AuditShow => Handling::Done,
    };
    Ok(Permit { handling, decides })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{ModeName, Request, SetMode};

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

    /// Each rule for an agent, a program and a person, at a screen, headless, and with remote decisions: d(one),
    /// D(ecided), w(aits as a draft), a(sked for), - (refused).
    const RULES: [(Rule, &str); 11] = [
        (Rule::Open, "ddd ddd ddd"),
        (Rule::Draft, "wwd wwd wwd"),
        (Rule::Decide, "aaa aaa aDD"),
        (Rule::Ask, "--- --- -DD"),
        (Rule::Stop, "aad ddd ddd"),
        (Rule::Attach, "--- --d --d"),
        (Rule::Join, "-dd -dd -dd"),
        (Rule::JoinInAuto, "-dd -dd -dd"),
        (Rule::AllowRemoteDecisions, "-dd -dd -dd"),
        (Rule::Invite, "-dd -dd -dd"),
        (Rule::AuditShow, "-dd -dd -dd"),
    ];

    /// The rule of each request.
    const REQUESTS: [(&str, Rule); 21] = [
        ("say", Rule::Draft),
        ("who", Rule::Open),
        ("inbox", Rule::Open),
        ("accept", Rule::Decide),
        ("reject", Rule::Decide),
        ("append", Rule::Draft),
        ("retry", Rule::Decide),
        ("files", Rule::Open),
        ("cancel", Rule::Open),
        ("mode", Rule::Open),
        ("ask", Rule::Ask),
        ("history", Rule::Open),
        ("status", Rule::Open),
        ("update", Rule::Open),
        ("poll", Rule::Open),
        ("watch", Rule::Open),
        ("before_stop", Rule::Open),
        ("wait", Rule::Open),
        ("stop", Rule::Stop),
        ("hello", Rule::Open),
        ("attach", Rule::Attach),
    ];

    #[test]
    fn every_rule_is_as_the_table_says() {
        for (rule, expected) in RULES {
            let is = [SCREEN, HEADLESS, REMOTE].map(|session| {
                [Who::Agent, Who::Program, Who::Person].map(|who| match admit(rule, who, session) {
                    Ok(permit) => match permit.handling() {
                        Handling::Done => 'd',
                        Handling::Decided => 'D',
                        Handling::Drafted => 'w',
                        Handling::AskedFor => 'a',
                    },
                    Err(_) => '-',
                })
            });
            let is = is.map(|row| row.iter().collect::<String>()).join(" ");
            assert_eq!(is, expected, "{rule:?}");
        }
    }

    #[test]
    fn every_request_has_the_rule_of_the_table() {
        let declared: Vec<_> = Request::ALL.iter().map(|one| (one.name, one.rule)).collect();
        assert_eq!(declared, REQUESTS);
        let to = |mode| Request::Mode(SetMode { mode: Some(mode) }).rule();
        assert_eq!(
            (to(ModeName::Auto), to(ModeName::Manual)),
            (Rule::Decide, Rule::Open)
        );
    }

    #[test]
    fn an_agent_never_decides_and_nobody_becomes_a_person_by_saying_so() {
        for (rule, _) in RULES {
            for session in [SCREEN, HEADLESS, REMOTE] {
                assert!(
                    !admit(rule, Who::Agent, session).is_ok_and(Permit::decides),
                    "{rule:?}"
                );
            }
        }
        assert_eq!(Who::new(true, true), Who::Agent);
        assert_eq!(Who::new(false, false), Who::Program);
    }
}
