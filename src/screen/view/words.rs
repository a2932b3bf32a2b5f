//! How things are said: names, states, times, the lines of replies and help.

use jiff::Timestamp;
use nexscope_relay::protocol::{
    Mode, PresenceEvent, Status,
    body::{Activity, ReceiptState, Usage},
    same_name,
};
use ratatui::text::{Line, Span};

use super::{Look, Scope};
use crate::{
    command::WORDS,
    room::{Connection, Fate, MentionFate, Millis, Post, Reply, Run, ask::Speaker},
    screen::{action::Action, keymap::Context},
    text,
};

/// Columns of the composer's prompt.
pub(super) const PROMPT_COLUMNS: u16 = 2;

impl Look<'_> {
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

    /// Who speaks: people and agents told apart, also without colour.
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

    /// What became of a message of ours.
    pub(super) fn fate(&self, fate: &Fate) -> Span<'static> {
        match fate {
            Fate::Preparing => self.span("reading the file …", Scope::Working),
            Fate::Sending => self.span("sending …", Scope::Dim),
            Fate::Held => self.span("held until there is a connection", Scope::Waiting),
            Fate::Sent => self.span("sent", Scope::Dim),
            Fate::Absent(names) => self.span(format!("waits for {}", names.join(", ")), Scope::Waiting),
            Fate::Delivered => self.span("delivered", Scope::Good),
            Fate::Failed(why) => self.span(format!("failed: {why}"), Scope::Error),
            Fate::Told(name, state, why) => {
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

    /// What became of a message that asked our agent.
    pub(super) fn mention_fate(&self, fate: &MentionFate) -> Span<'static> {
        match fate {
            MentionFate::Accepted(agent) => self.span(format!("accepted for {agent}"), Scope::Good),
            MentionFate::Rejected(why) if why.is_empty() => self.span("rejected", Scope::Dim),
            MentionFate::Rejected(why) => self.span(format!("rejected: {why}"), Scope::Dim),
            MentionFate::Answered => self.span("answered", Scope::Good),
            MentionFate::Failed(why) => {
                let retry = self.keymap.hint(Context::Timeline, Action::Retry);
                let retry = retry.map_or_else(String::new, |key| format!(" · {key} tries again"));
                self.span(format!("failed: {why}{retry}"), Scope::Error)
            }
            MentionFate::Expired => self.span("expired", Scope::Dim),
        }
    }

    /// What a run is doing, in one line.
    pub(super) fn doing(&self, run: &Run) -> String {
        let agent = &run.ask.agent;
        let since = run.started.map_or_else(String::new, |at| {
            format!(" · {} s", self.now.saturating_sub(at) / 1000)
        });
        if run.stopping {
            return format!("{agent} is being stopped …");
        }
        let what = match run.activity {
            Activity::Queued if !run.files.is_empty() => return format!("m{} waits for its files", run.post),
            Activity::Queued => return format!("m{} waits for {agent}", run.post),
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
            Connection::Waiting { why, until } => {
                let seconds = until.saturating_sub(self.now).div_ceil(1000);
                ("○", format!("reconnecting in {seconds} s: {why}"), Scope::Warning)
            }
            Connection::Refused { why, .. } => ("✕", why.clone(), Scope::Error),
            Connection::Left => ("○", "left".into(), Scope::Dim),
        }
    }

    pub(super) fn mode(&self) -> (&'static str, Scope) {
        match self.room.settings.mode {
            Mode::Manual => ("manual", Scope::Dim),
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

/// What a draft would do.
pub(super) fn would(draft: &crate::room::Draft) -> String {
    let what = match draft.post {
        Some(post) => format!(" would answer m{post}"),
        None => " would say".to_owned(),
    };
    let names: Vec<String> = draft
        .files
        .iter()
        .map(|path| text::clean_line(&path.to_string_lossy(), 200))
        .collect();
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

/// The lines that answer a command, and their heading; none where the room itself shows it.
pub(in crate::screen) fn reply_lines(
    look: &Look,
    reply: &Reply,
    invite: Option<String>,
) -> Option<(&'static str, Vec<Line<'static>>)> {
    match reply {
        Reply::Nothing | Reply::Said(_) | Reply::Text(_) | Reply::Files => None,
        Reply::Who => Some(("People", who(look))),
        Reply::Inbox => Some(("Inbox", inbox(look))),
        Reply::Status => Some(("Status", status(look, invite))),
        Reply::History(numbers) => Some(("History", history(look, numbers))),
    }
}

fn who(look: &Look) -> Vec<Line<'static>> {
    let line = |member: &crate::room::Seen| {
        let away = if member.status == Status::Away {
            ", away"
        } else {
            ""
        };
        let agents = if member.agents.is_empty() {
            "no agent".into()
        } else {
            member.agents.join(", ")
        };
        let mode = if member.mode == Mode::Auto {
            "auto"
        } else {
            "manual"
        };
        let mut spans = vec![
            look.speaker(&Speaker {
                member: member.name.clone(),
                agent: None,
            }),
            look.span(format!("  {agents} · {mode}{away}"), Scope::Text),
        ];
        for (agent, doing) in &member.doing {
            spans.push(look.span(format!(" · {agent} is {}", activity(*doing)), Scope::Working));
        }
        if member.doubtful {
            spans.push(look.span("  another key than before", Scope::Warning));
        }
        if !member.client.is_empty() {
            spans.push(look.span(format!("  {}", member.client), Scope::Dim));
        }
        Line::from(spans)
    };
    look.room.members.list().iter().map(line).collect()
}

fn inbox(look: &Look) -> Vec<Line<'static>> {
    let mut lines: Vec<Line> = look
        .room
        .inbox
        .waiting()
        .map(|item| {
            Line::from(vec![
                look.span(format!("{} ", item.id), Scope::Key),
                look.speaker(&item.from),
                look.span(
                    format!("  {}", text::cut(&item.text.replace('\n', " "), 200)),
                    Scope::Text,
                ),
            ])
        })
        .collect();
    if lines.is_empty() {
        lines.push(look.line("Nothing waits for you.", Scope::Dim));
    }
    lines
}

fn status(look: &Look, invite: Option<String>) -> Vec<Line<'static>> {
    let room = look.room;
    let (mark, word, scope) = look.connection();
    let label = |name: &str| look.span(format!("{name:<12}"), Scope::Dim);
    let plain = |text: String| look.span(text, Scope::Text);
    let agents = &room.settings.agents;
    let mut lines = vec![
        Line::from(vec![
            label("connection"),
            look.span(format!("{mark} {word}"), scope),
        ]),
        Line::from(vec![label("relay"), plain(look.relay.to_owned())]),
        Line::from(vec![
            label("room"),
            plain(format!("#{} as {}", room.settings.room, room.settings.me)),
        ]),
        Line::from(vec![label("mode"), plain(look.mode().0.to_owned())]),
        Line::from(vec![
            label("agents"),
            plain(if agents.is_empty() {
                "none".into()
            } else {
                agents.join(", ")
            }),
        ]),
        Line::from(vec![
            label("waiting"),
            plain(format!("{} for you", room.inbox.len())),
        ]),
        Line::from(vec![
            label("outbox"),
            plain(format!("{} not yet with the relay", room.outbox.unacked())),
        ]),
    ];
    for agent in agents {
        let standing = room.guard.standing(agent, look.now);
        let words = room.settings.budget(agent).in_words(&standing);
        lines.push(Line::from(vec![label(""), plain(format!("{agent}: {words}"))]));
    }
    lines.extend(
        room.runs
            .all()
            .map(|run| Line::from(vec![label("running"), plain(look.doing(run))])),
    );
    if let Some(invite) = invite {
        lines.push(Line::from(vec![label("invite"), plain(invite)]));
    }
    lines
}

fn history(look: &Look, numbers: &[u32]) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for post in numbers
        .iter()
        .filter_map(|number| look.room.timeline.post_numbered(*number))
    {
        let thread = look
            .room
            .threads
            .get(&post.thread)
            .map_or(0, |thread| thread.number);
        let mut words = post.text.split('\n');
        lines.push(Line::from(vec![
            look.span(format!("m{} t{thread} ", post.number), Scope::Dim),
            look.speaker(&post.speaker()),
            look.span(look.addressed(post), Scope::Dim),
            look.span(format!("  {}", words.next().unwrap_or_default()), Scope::Text),
        ]));
        lines.extend(words.map(|line| look.line(format!("    {line}"), Scope::Text)));
    }
    if lines.is_empty() {
        lines.push(look.line("Nothing was said yet.", Scope::Dim));
    }
    lines
}

/// Settings that were saved and are looser than those that hold, and how they are taken.
pub(in crate::screen) fn looser_lines(look: &Look, words: &[String]) -> Vec<Line<'static>> {
    let key = look.keymap.hint(Context::Help, Action::TakeSettings);
    let how = key.map_or_else(String::new, |key| format!("{key} again takes them. "));
    let mut lines = vec![look.line(
        format!("{how}Until then, and after a mistake, the safer ones hold."),
        Scope::Text,
    )];
    lines.extend(
        words
            .iter()
            .map(|words| look.line(format!("  {words}"), Scope::Risk)),
    );
    lines
}

/// What was decided today, newest first.
pub(in crate::screen) fn decided_lines(look: &Look) -> Vec<Line<'static>> {
    let today = look.day(look.now);
    let decided: Vec<_> = look
        .room
        .inbox
        .log()
        .filter(|one| look.day(one.at) == today)
        .collect();
    let mut lines: Vec<Line> = decided
        .into_iter()
        .rev()
        .map(|one| {
            let post = look.room.post_of(one);
            let number = post.map_or_else(String::new, |post| format!("m{} ", post.number));
            let mut spans = vec![
                look.span(format!("{} ", look.clock(one.at)), Scope::Time),
                look.span(number, Scope::Key),
            ];
            spans.extend(post.map(|post| look.speaker(&post.speaker())));
            spans.push(look.span(format!(" {}", one.what), Scope::Text));
            let words = post.map_or_else(String::new, |post| post.text.replace('\n', " "));
            spans.push(look.span(format!("  {}", text::cut(&words, 60)), Scope::Dim));
            Line::from(spans)
        })
        .collect();
    if lines.is_empty() {
        lines.push(look.line("Nothing was decided today.", Scope::Dim));
    }
    lines
}

/// The words, and the keys as they are bound now.
pub(in crate::screen) fn help_lines(look: &Look) -> Vec<Line<'static>> {
    let mut lines = vec![
        look.line(
            "Write and press Enter: everyone sees it. Begin with @name to ask that member's agent.",
            Scope::Text,
        ),
        look.line(
            "What asks your agent waits in the inbox until you accept or reject it.",
            Scope::Text,
        ),
        Line::default(),
    ];
    for word in WORDS {
        lines.push(Line::from(vec![
            look.span(format!("/{} ", word.name), Scope::Key),
            look.span(format!("{} ", word.arguments), Scope::Dim),
            look.span(format!("· {}", word.does), Scope::Text),
        ]));
    }
    for context in [
        Context::Anywhere,
        Context::Inbox,
        Context::Item,
        Context::Timeline,
        Context::Normal,
        Context::Composer,
        Context::Search,
        Context::Palette,
    ] {
        if look.keymap.list(context).is_empty() {
            continue;
        }
        lines.push(Line::default());
        lines.push(look.line(context.heading(), Scope::Title));
        for (keys, action) in look.keymap.list(context) {
            lines.push(Line::from(vec![
                look.span(format!("{keys:<18} "), Scope::Key),
                look.span(action.does(), Scope::Text),
            ]));
        }
    }
    lines
}
