//! How things are said: names, states, times, the lines of replies and help.

use jiff::Timestamp;
use nexscope_relay::protocol::{
    Mode, PresenceEvent,
    body::{Activity, ReceiptState, Usage},
    same_name,
};
use ratatui::text::Span;

use super::{RenderContext, Scope};
use crate::{
    core::{Attachment, Connection, DeliveryStatus, MentionOutcome, Millis, Post, Run, runs::ask::Speaker},
    tui::input::{action::Action, keymap::Context},
};

/// Columns of the composer's prompt.
pub(super) const PROMPT_COLUMNS: u16 = 2;

impl RenderContext<'_> {
    /// `09:14`, where the person is.
    pub(super) fn clock(&self, at: Millis) -> String {
        self.format(at, "%H:%M")
    }

    /// `Monday, 3 March 2025`.
    pub(super) fn day(&self, at: Millis) -> String {
        self.format(at, "%A, %-d %B %Y")
    }

    fn format(&self, at: Millis, how: &str) -> String {
        let time = i64::try_from(at)
            .ok()
            .and_then(|at| Timestamp::from_millisecond(at).ok());
        time.map_or_else(String::new, |time| {
            time.to_zoned(self.zone.clone()).strftime(how).to_string()
        })
    }

    /// A name as its person is called here.
    pub(super) fn name(&self, name: &str) -> String {
        if same_name(name, &self.room.settings.me) {
            "you".to_owned()
        } else {
            name.to_owned()
        }
    }

    /// The speaker: people and agents told apart, also without colour.
    pub(super) fn speaker(&self, who: &Speaker) -> Span<'static> {
        match &who.agent {
            Some(_) => self.span(who.in_words(), Scope::NameAgent),
            None if same_name(&who.member, &self.room.settings.me) => {
                self.span(who.member.clone(), Scope::NameMe)
            }
            None => self.span(who.member.clone(), Scope::NamePerson),
        }
    }

    /// ` → you`, where somebody is addressed.
    pub(super) fn addressed(&self, post: &Post) -> String {
        if post.to.is_empty() {
            return String::new();
        }
        let names: Vec<String> = post.to.iter().map(|name| self.name(name)).collect();
        format!(" → {}{}", names.join(", "), if post.only { "" } else { " · all" })
    }

    /// The fate of a message of ours.
    pub(super) fn fate(&self, fate: &DeliveryStatus) -> Span<'static> {
        match fate {
            DeliveryStatus::Preparing => self.span("reading the file …", Scope::Working),
            DeliveryStatus::Sending => self.span("sending …", Scope::Dim),
            DeliveryStatus::Held => self.span("waiting for a connection", Scope::Waiting),
            DeliveryStatus::Sent => self.span("sent", Scope::Dim),
            DeliveryStatus::Absent(names) => {
                self.span(format!("waits for {}", names.join(", ")), Scope::Waiting)
            }
            DeliveryStatus::Delivered => self.span("delivered", Scope::Good),
            DeliveryStatus::Failed(why) => self.span(format!("failed: {why}"), Scope::Error),
            DeliveryStatus::Told(name, state, why) => {
                let (word, scope) = receipt(*state);
                let at = match state {
                    ReceiptState::Failed | ReceiptState::Expired => "at",
                    _ => "by",
                };
                let why = if why.is_empty() {
                    String::new()
                } else {
                    format!(": {why}")
                };
                self.span(format!("{word} {at} {name}{why}"), scope)
            }
        }
    }

    /// The outcome of a message that asked our agent.
    pub(super) fn mention_fate(&self, fate: &MentionOutcome) -> Span<'static> {
        match fate {
            MentionOutcome::Accepted(agent) => self.span(format!("accepted for {agent}"), Scope::Good),
            MentionOutcome::Rejected(why) if why.is_empty() => self.span("rejected", Scope::Dim),
            MentionOutcome::Rejected(why) => self.span(format!("rejected: {why}"), Scope::Dim),
            MentionOutcome::Answered => self.span("answered", Scope::Good),
            MentionOutcome::Failed(why) => {
                let retry = self.keymap.hint(Context::Timeline, Action::Retry);
                let retry = retry.map_or_else(String::new, |key| format!(" · {key} to retry"));
                self.span(format!("failed: {}{retry}", why.in_words()), Scope::Error)
            }
            MentionOutcome::Expired => self.span("expired", Scope::Dim),
        }
    }

    /// The activity of a run, in one line.
    pub(super) fn doing(&self, run: &Run) -> String {
        let agent = &run.ask.agent;
        let since = run.started.map_or_else(String::new, |at| {
            format!(" · {} s", self.now.saturating_sub(at) / 1000)
        });
        if run.stopping {
            return format!("{agent} is being stopped …");
        }
        let what = match run.activity {
            Activity::Queued if !run.files.is_empty() => {
                return format!("m{} is waiting for its files", run.post);
            }
            Activity::Queued => return format!("m{} is waiting for {agent}", run.post),
            Activity::Thinking => "is thinking …".to_owned(),
            Activity::Writing => "is writing …".to_owned(),
            Activity::Waiting => "waits for you".to_owned(),
            Activity::Tool => match &run.tool {
                Some((name, detail)) if detail.is_empty() => format!("uses {name} …"),
                Some((name, detail)) => format!("uses {name}: {detail}"),
                None => "uses a tool …".to_owned(),
            },
        };
        format!("{agent} {what}{since}")
    }

    /// How the connection stands: a mark, a word, and the style.
    pub(super) fn connection(&self) -> (&'static str, String, Scope) {
        match &self.room.connection {
            Connection::Online => ("●", "connected".into(), Scope::Good),
            Connection::Connecting => ("◐", "connecting".into(), Scope::Waiting),
            Connection::Waiting { why, until, .. } => {
                let seconds = until.saturating_sub(self.now).div_ceil(1000);
                ("○", format!("reconnecting in {seconds} s: {why}"), Scope::Warning)
            }
            Connection::Refused { why, .. } => ("✕", why.clone(), Scope::Error),
        }
    }

    pub(super) fn mode(&self) -> (&'static str, Scope) {
        match self.room.settings.mode {
            Mode::Manual => ("manual", Scope::Dim),
            Mode::Auto if self.room.settings.auto_tools => ("auto with tools", Scope::Error),
            Mode::Auto => ("auto", Scope::Warning),
        }
    }
}

/// `14 s · 2 tools · $0.03`, as far as it is known.
pub(super) fn usage(usage: &Usage) -> String {
    let mut parts = Vec::new();
    if let Some(ms) = usage.ms {
        parts.push(match ms {
            0..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
            10_000..120_000 => format!("{} s", ms / 1000),
            _ => format!("{} min", ms / 60_000),
        });
    }
    match usage.tools {
        Some(1) => parts.push("1 tool".into()),
        Some(tools) if tools > 0 => parts.push(format!("{tools} tools")),
        _ => {}
    }
    if let Some(usd) = usage.usd.filter(|usd| usd.is_finite() && *usd >= 0.0) {
        parts.push(if usd < 0.01 {
            format!("${usd:.4}")
        } else {
            format!("${usd:.2}")
        });
    } else if let Some(tokens) = usage.tokens {
        parts.push(format!("{tokens} tokens"));
    }
    parts.join(" · ")
}

/// The effect of accepting a draft.
pub(super) fn would(draft: &crate::core::Draft) -> String {
    let what = match draft.post {
        Some(post) => format!(" would answer m{post}"),
        None => " would say".to_owned(),
    };
    let names: Vec<String> = draft.files.iter().map(Attachment::in_words).collect();
    match names.is_empty() {
        true => what,
        false => format!("{what}, with {}", names.join(" and ")),
    }
}

pub(super) fn presence(event: PresenceEvent) -> &'static str {
    match event {
        PresenceEvent::Join => "joined",
        PresenceEvent::Leave => "left",
        PresenceEvent::Away => "is away",
        PresenceEvent::Back => "is back",
        PresenceEvent::Update => "has changed",
    }
}

/// How far a message has come with an addressee, in a word.
pub(super) fn receipt(state: ReceiptState) -> (&'static str, Scope) {
    match state {
        ReceiptState::Received => ("received", Scope::Good),
        ReceiptState::Queued => ("queued", Scope::Waiting),
        ReceiptState::Accepted => ("accepted", Scope::Good),
        ReceiptState::Rejected => ("rejected", Scope::Error),
        ReceiptState::Answered => ("answered", Scope::Good),
        ReceiptState::Failed => ("failed", Scope::Error),
        ReceiptState::Expired => ("expired", Scope::Error),
    }
}

pub(super) fn activity(activity: Activity) -> &'static str {
    match activity {
        Activity::Queued => "queued",
        Activity::Thinking => "thinking",
        Activity::Tool => "using a tool",
        Activity::Writing => "writing",
        Activity::Waiting => "waiting",
    }
}
