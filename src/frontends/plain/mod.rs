//! Plain mode: the session as lines, for pipes, screen readers, and terminals that cannot draw.

pub(crate) mod item;
use std::{
    borrow::Cow,
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Error, anyhow, bail};
use jiff::{Timestamp, tz::TimeZone};
use nexscope_relay::protocol::{Code, PresenceEvent, body::Origin};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    sync::mpsc,
};

use crate::{
    client::Client,
    command::{self, COMMANDS, Front, Line},
    control::render,
    core::{
        Command, Connection, Decision, DeliveryStatus, Doubt, Entry, Intent, ItemId, Offer, Person, Post,
        Reply, Room, Settings, Shown, Side, Target, What,
    },
};

/// The timeout, at the end of input, for the next connection or ack.
const PATIENCE: Duration = Duration::from_secs(10);

/// The subject of a question at a terminal.
#[derive(Debug)]
enum Asked {
    Decides(Decision),
    /// A message to a name that nobody here has or had.
    Sends(Command),
}

/// Lines closer together than this were pasted.
const BURST: Duration = Duration::from_millis(50);
/// The time that a question must be visible before it can be answered.
const WHOLE: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Continue when the input ends.
    pub stay: bool,
    /// A person types the input at a terminal, so it may decide.
    pub person: bool,
}

/// The number of lines read ahead. Full: reading pauses.
const READ_AHEAD: usize = 64;

/// Reads lines, each with its arrival time, not the time at which it is handled. As bytes, since one invalid
/// line must not lose the next.
fn read_lines(
    input: impl AsyncBufRead + Unpin + Send + 'static,
) -> mpsc::Receiver<(io::Result<Vec<u8>>, Instant)> {
    let (tell, lines) = mpsc::channel(READ_AHEAD);
    tokio::spawn(async move {
        let mut segments = input.split(b'\n');
        while let Some(line) = segments.next_segment().await.transpose() {
            let is_over = line.is_err();
            if tell.send((line, Instant::now())).await.is_err() || is_over {
                break;
            }
        }
    });
    lines
}

/// The result of a line of input.
enum Did {
    Go,
    Leave,
}

/// The remaining work at the end of input: as long as it changes, there is progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    joined: bool,
    /// Messages not yet accepted by the relay.
    open: usize,
    /// Bytes read of files still being read.
    read: u64,
}

/// A plain front end for a session.
pub struct Plain<O, E> {
    client: Client,
    options: Options,
    out: O,
    err: E,
    zone: TimeZone,
    /// The number of timeline entries printed.
    printed: usize,
    /// The presence last printed: repeated joins and leaves of a member share one entry, which changes.
    last_printed: Option<PresenceEvent>,
    /// The announced items.
    announced: Vec<ItemId>,
    connection: Connection,
    /// The relay has admitted us.
    joined: bool,
    /// A decision that waits for a yes, and when its question was printed.
    asked: Option<(Asked, Instant)>,
    /// When the last line arrived.
    last_line: Option<Instant>,
    /// Messages sent from this input.
    sent: Vec<u32>,
    /// The number of input lines so far.
    lines: u64,
    /// The remaining work at the last check, at the end of input.
    left: Option<Left>,
    failed: bool,
}

impl<O: Write, E: Write> Plain<O, E> {
    /// Creates a plain front end that prints the room to `out`, and errors to `err`.
    pub fn new(client: Client, options: Options, out: O, err: E) -> Self {
        let entries = client.room().chat.timeline().entries();
        let (printed, last_printed) = (entries.len(), presence(entries.last()));
        Self {
            client,
            options,
            out,
            err,
            zone: TimeZone::system(),
            printed,
            last_printed,
            announced: Vec::new(),
            connection: Connection::Connecting,
            joined: false,
            asked: None,
            last_line: None,
            sent: Vec::new(),
            lines: 0,
            left: None,
            failed: false,
        }
    }

    /// Runs until the input has ended and the relay has accepted all of it, or `stop` completes. Returns the
    /// session, for the caller to leave, and whether all went well.
    pub async fn run(
        mut self,
        input: impl AsyncBufRead + Unpin + Send + 'static,
        stop: impl Future<Output = ()>,
    ) -> (Client, bool) {
        let mut stop = std::pin::pin!(stop);
        let mut lines = read_lines(input);
        let mut ended: Option<Instant> = None;
        loop {
            if self.is_turned_away() {
                let me = &self.client.room().settings.me;
                let _ = writeln!(
                    self.err,
                    "nexscope-tui: someone has that name ({me}). Choose another name with -n NAME."
                );
                return (self.client, false);
            }
            if self.print().is_err() {
                // The output is closed.
                return (self.client, !self.failed);
            }
            if self.client.end_asked() {
                return (self.client, !self.failed);
            }
            if let Connection::Refused { why, .. } = &self.client.room().connection {
                let _ = writeln!(self.err, "nexscope-tui: {why}");
                return (self.client, false);
            }
            if let Some(since) = ended.filter(|_| !self.options.stay) {
                let since = self.last_progress(since);
                ended = Some(since);
                if let Some(well) = self.is_done(since) {
                    return (self.client, well);
                }
            }
            let patience = ended.map(|since| since + PATIENCE);
            let patience = patience.filter(|until| !self.options.stay && *until > Instant::now());
            tokio::select! {
                biased;
                () = &mut stop => return (self.client, !self.failed),
                // Input from a pipe waits until the members are known.
                line = lines.recv(), if ended.is_none()
                    && (self.options.person || self.client.room().connection != Connection::Connecting) => match line {
                    Some((Ok(line), came)) => if let Did::Leave = self.bytes(&line, came) {
                        ended = Some(Instant::now());
                        self.options.stay = false;
                    },
                    None => ended = Some(Instant::now()),
                    Some((Err(error), _)) => {
                        let _ = writeln!(self.err, "nexscope-tui: cannot read the input: {error}");
                        self.failed = true;
                        ended = Some(Instant::now());
                    }
                },
                () = self.client.step() => {}
                () = async { match patience {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                } } => {}
            }
        }
    }

    /// The time, at the end of input, of the last progress: a message sent, or a part of a file read.
    fn last_progress(&mut self, since: Instant) -> Instant {
        let room = self.client.room();
        let posts = self
            .sent
            .iter()
            .filter_map(|number| room.chat.timeline().post_numbered(*number));
        let open = posts
            .filter_map(|post| room.fate_of(post))
            .filter(DeliveryStatus::is_on_its_way)
            .count();
        let read = room.files.all().filter_map(|offer| match &offer.side {
            Side::Mine(mine) => mine.reading,
            _ => None,
        });
        let left = Left {
            joined: self.joined,
            open,
            read: read.sum(),
        };
        match self.left.replace(left) {
            Some(before) if before != left => Instant::now(),
            _ => since,
        }
    }

    /// At the end of input: `None` while it is worth waiting, then whether everything was sent.
    fn is_done(&mut self, since: Instant) -> Option<bool> {
        let room = self.client.room();
        let fates = self
            .sent
            .iter()
            .filter_map(|number| room.chat.timeline().post_numbered(*number));
        let fates: Vec<DeliveryStatus> = fates.filter_map(|post| room.fate_of(post)).collect();
        let open = fates.iter().filter(|fate| fate.is_on_its_way()).count();
        let offered = || room.files.all().filter(|offer| self.sent.contains(&offer.post));
        let moving = offered().any(Offer::is_moving);
        let waits: Vec<&Offer> = offered().filter(|offer| offer.waits_for_takers()).collect();
        if moving || !waits.is_empty() && since.elapsed() < PATIENCE {
            return None;
        }
        if open == 0 && self.joined {
            for offer in waits {
                let _ = writeln!(
                    self.err,
                    "nexscope-tui: nobody has accepted {} yet, and it is available only while you are here; --stay waits",
                    offer.name
                );
            }
            for fate in &fates {
                if let DeliveryStatus::Absent(names) = fate {
                    let _ = writeln!(
                        self.err,
                        "nexscope-tui: {} offline; they get it when they return",
                        are(names)
                    );
                }
            }
            let lost = fates.iter().any(|fate| matches!(fate, DeliveryStatus::Failed(_)));
            return Some(!self.failed && !lost);
        }
        if since.elapsed() < PATIENCE {
            return None;
        }
        let why = match &room.connection {
            Connection::Waiting { why, .. } => why.clone(),
            _ => "the relay does not answer".to_owned(),
        };
        let _ = match open {
            0 => writeln!(self.err, "nexscope-tui: not connected, {why}"),
            _ => writeln!(
                self.err,
                "nexscope-tui: {open} not sent, {why}; kept in the outbox, and sent at the next start"
            ),
        };
        Some(false)
    }

    /// Whether the name is taken, and nobody is here to choose another one. A member that was already in the
    /// room waits until the name is free again.
    fn is_turned_away(&self) -> bool {
        let taken = matches!(
            self.client.room().connection,
            Connection::Waiting {
                code: Some(Code::NameTaken),
                ..
            }
        );
        taken && !self.joined && !self.options.person
    }

    /// Handles a raw line. Invalid UTF-8 is replaced, with a notice.
    fn bytes(&mut self, line: &[u8], came: Instant) -> Did {
        self.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        if let Cow::Owned(_) = text {
            let _ = writeln!(
                self.err,
                "nexscope-tui: line {} is not UTF-8. Its invalid bytes are sent as \u{fffd}.",
                self.lines
            );
        }
        self.line(&text, came)
    }

    /// Handles a line that arrived at `now`, which was before any output still to be printed.
    fn line(&mut self, line: &str, now: Instant) -> Did {
        let last = self.last_line.replace(now);
        let in_burst = last.is_some_and(|last| now.duration_since(last) < BURST);
        if line.trim().is_empty() {
            return Did::Go;
        }
        if let Some((asked, since)) = self.asked.take()
            && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
        {
            self.answered(asked, since, in_burst, now);
            return Did::Go;
        }
        let result = match command::parse(line) {
            Ok(Line::Command(command)) if self.options.person => match self.asks_about_name(&command) {
                true => return Did::Go,
                false => self
                    .client
                    .perform_as_person(command, &Person::at_keyboard())
                    .map_err(Error::from),
            },
            Ok(Line::Command(command)) => self.client.perform(command).map_err(Error::from),
            Ok(Line::Intent(intent)) => self.decide(intent, in_burst),
            Ok(Line::Request(request)) => self
                .client
                .answer_person(request)
                .map(|reply| {
                    for line in render::lines(&reply) {
                        let _ = writeln!(self.out, "{line}");
                    }
                    Reply::Nothing
                })
                .map_err(Error::from),
            Ok(Line::Front(Front::Quit)) => return Did::Leave,
            Ok(Line::Front(Front::Start)) => {
                self.client.dial_now();
                Ok(Reply::Nothing)
            }
            Ok(Line::Front(Front::StartAs(name))) => Err(anyhow!(
                "Lines cannot join under another name: leave with /quit, then run nexscope-tui -n {name}."
            )),
            Ok(Line::Front(Front::Join(_))) => Err(anyhow!(
                "Lines cannot join another room: leave with /quit, then run nexscope-tui with the invite in \
                 NEXSCOPE_INVITE."
            )),
            Ok(Line::Front(Front::Help)) => {
                self.print_help();
                Ok(Reply::Nothing)
            }
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(reply) => self.reply(&reply),
            Err(error) => {
                self.failed = !self.options.person;
                let _ = writeln!(self.err, "nexscope-tui: {error}");
            }
        }
        Did::Go
    }

    fn print_help(&mut self) {
        for command in COMMANDS.iter() {
            let _ = writeln!(
                self.out,
                "/{} {} - {}",
                command.name, command.arguments, command.summary
            );
        }
    }

    /// Prints the subject of a decision in full, and asks. Input from a pipe cannot decide: a program may
    /// have written it.
    fn decide(&mut self, intent: Intent, in_burst: bool) -> anyhow::Result<Reply> {
        if !self.options.person {
            bail!("Only a person at a terminal decides; open the screen there.");
        }
        self.client.look_again(&intent)?;
        let shown = match &intent {
            Intent::Accept { target, .. } | Intent::Reject { target, .. } => self.print_whole(*target)?,
            _ if !in_burst && self.client.room().doubt(&intent).is_none() => {
                let shown = Shown::written(&intent);
                let decision = self.client.check(Decision::new(intent, shown))?;
                return Ok(self.client.decide(decision, Person::at_keyboard())?);
            }
            _ => Shown::written(&intent),
        };
        let doubt = self.client.room().doubt(&intent);
        for words in doubt.into_iter().chain([item::question(&intent)]) {
            writeln!(self.out, "{words}")?;
        }
        self.asked = Some((Asked::Decides(Decision::new(intent, shown)), Instant::now()));
        Ok(Reply::Nothing)
    }

    /// Prints items in full. Fails if there are none, or they cannot be printed.
    fn print_whole(&mut self, target: Target) -> anyhow::Result<Shown> {
        let room = self.client.room();
        let ids = room.items(target)?;
        for item in ids.iter().filter_map(|id| room.review.inbox().get(*id)) {
            for line in item::lines(room, item) {
                writeln!(self.out, "{line}")?;
            }
        }
        Ok(room.shown(&ids))
    }

    /// Asks about a message to a name that nobody here has or had; returns whether it did.
    fn asks_about_name(&mut self, command: &Command) -> bool {
        let Command::Say { to, force: false, .. } = command else {
            return false;
        };
        let Some(unknown) = self.client.room().unknown_name(to) else {
            return false;
        };
        let _ = writeln!(
            self.out,
            "{}\nSend it to {} anyway? Type y, or write it again.",
            unknown.in_words(),
            unknown.name
        );
        let mut command = command.clone();
        if let Command::Say { force, .. } = &mut command {
            *force = true;
        }
        self.asked = Some((Asked::Sends(command), Instant::now()));
        true
    }

    /// Handles an answer to the question. Input sent before the question was shown is not a yes.
    fn answered(&mut self, asked: Asked, since: Instant, in_burst: bool, now: Instant) {
        if in_burst || now.duration_since(since) < WHOLE {
            let _ = writeln!(
                self.err,
                "nexscope-tui: that was too fast to be an answer. Read it, then type y."
            );
            self.asked = Some((asked, Instant::now()));
            return;
        }
        let result = match asked {
            Asked::Decides(decision) => {
                let checked = self.client.check(decision);
                checked.and_then(|decision| self.client.decide(decision, Person::at_keyboard()))
            }
            Asked::Sends(command) => self.client.perform_as_person(command, &Person::at_keyboard()),
        };
        match result {
            Ok(reply) => self.reply(&reply),
            Err(error) => {
                let _ = writeln!(self.err, "nexscope-tui: {error}");
            }
        }
    }

    fn reply(&mut self, reply: &Reply) {
        let room = self.client.room();
        let mut lines = Vec::new();
        match reply {
            Reply::Nothing => {}
            Reply::Said(number) => self.sent.push(*number),
            Reply::Text(text) => lines.push(text.clone()),
            Reply::Who => lines.extend(room.chat.members().list().iter().map(|member| {
                let agents = if member.agents.is_empty() {
                    "no agent".into()
                } else {
                    member.agents.join(", ")
                };
                format!("{}: {agents}", member.name)
            })),
            Reply::Inbox if room.review.inbox().is_empty() => lines.push("Nothing is pending.".into()),
            Reply::Inbox => lines.extend(room.review.inbox().waiting().map(waiting)),
            Reply::Status => lines.extend(status(&self.client)),
            Reply::Files if room.files.all().next().is_none() => lines.push("No files yet.".into()),
            Reply::Files => lines.extend(room.files.all().map(|offer| {
                let size = crate::text::bytes(offer.size);
                format!("f{} {} {size}: {}", offer.number, offer.name, offer.in_words())
            })),
            Reply::History(numbers) => lines.extend(
                numbers
                    .iter()
                    .filter_map(|n| room.chat.timeline().post_numbered(*n))
                    .map(|post| format!("m{} {}", post.number, said(post))),
            ),
        }
        for line in lines {
            let _ = writeln!(self.out, "{line}");
        }
        let _ = self.out.flush();
    }

    /// Prints new entries. Fails if the output is closed.
    fn print(&mut self) -> io::Result<()> {
        for warning in self.client.take_warnings() {
            let _ = writeln!(self.err, "nexscope-tui: {warning}");
        }
        self.client.take_attention();
        let room = self.client.room();
        if room.connection != self.connection {
            self.connection = room.connection.clone();
            match &self.connection {
                Connection::Online => {
                    self.joined = true;
                    let Settings { room, me, .. } = &room.settings;
                    writeln!(self.out, "-- in #{room} as {me}")?;
                }
                // A note says so, and how to join under another name.
                Connection::Waiting {
                    code: Some(Code::NameTaken),
                    ..
                } if self.options.person => {}
                Connection::Waiting { why, .. } => {
                    writeln!(self.err, "nexscope-tui: not connected, {why}; trying again")?
                }
                _ => {}
            }
        }
        // The refusal is also a note; it is printed as an error, once.
        let refused = match &room.connection {
            Connection::Refused { why, .. } => Some(why.as_str()),
            _ => None,
        };
        let entries = room.chat.timeline().entries();
        let mut from = self.printed.min(entries.len());
        if from > 0 && presence(entries.get(from - 1)) != self.last_printed {
            from -= 1;
        }
        for entry in &entries[from..] {
            let at = clock(entry.at, &self.zone);
            match &entry.what {
                // People see their own typing already.
                What::Post(post) if post.sender.mine && post.author.origin == Origin::Human => {}
                What::Post(post) => writeln!(self.out, "{at} {}", said(post))?,
                What::Presence {
                    name,
                    event: PresenceEvent::Leave,
                } => writeln!(self.out, "{at} -- {name} left")?,
                What::Presence { name, .. } => writeln!(self.out, "{at} -- {name} joined")?,
                What::Note(note) if refused == Some(note.as_str()) => {}
                What::Note(note) => writeln!(self.out, "{at} -- {note}")?,
            }
        }
        self.printed = entries.len();
        self.last_printed = presence(entries.last());
        for item in room
            .review
            .inbox()
            .waiting()
            .filter(|item| !self.announced.contains(&item.id))
        {
            writeln!(self.out, "-- {} from {} is pending", item.id, item.from.member)?;
        }
        self.announced = room.review.inbox().waiting().map(|item| item.id).collect();
        self.out.flush()
    }
}

/// The presence event of an entry, if it is one.
fn presence(entry: Option<&Entry>) -> Option<PresenceEvent> {
    match entry?.what {
        What::Presence { event, .. } => Some(event),
        _ => None,
    }
}

fn waiting(item: &crate::core::Item) -> String {
    format!(
        "{} {}: {}",
        item.id,
        item.from.member,
        item.text.replace('\n', "\n    ")
    )
}

fn status(client: &Client) -> Vec<String> {
    let room = client.room();
    let connection = match &room.connection {
        Connection::Online => "connected".to_owned(),
        Connection::Connecting => "connecting".to_owned(),
        Connection::Waiting { why, .. } | Connection::Refused { why, .. } => why.clone(),
    };
    let budgets = room.settings.agents.iter().map(|agent| {
        let standing = client.program().budget_standing(agent);
        format!("{agent}: {}", room.settings.budget(agent).in_words(&standing))
    });
    let mut lines = vec![
        format!("connection: {connection}"),
        format!("room: #{} as {}", room.settings.room, room.settings.me),
        format!("inbox: {} pending", room.review.inbox().len()),
        format!("outbox: {} not sent yet", room.chat.outbox().unacked()),
    ];
    lines.extend(budgets);
    lines
}

/// Formats a message as `bob·codex → alice: text`, with further lines indented.
fn said(post: &Post) -> String {
    let mark = match post.sender.doubt {
        Some(Doubt::Stranger) => "[not you: somebody else used your name] ",
        Some(Doubt::OtherKey) => "[from a different key than before] ",
        None => "",
    };
    let who = post.speaker();
    let agent = who.agent.map_or_else(String::new, |agent| format!("·{agent}"));
    let to = if post.to.is_empty() {
        String::new()
    } else {
        format!(" → {}", post.to.join(", "))
    };
    format!(
        "{mark}{}{agent}{to}: {}",
        who.member,
        post.text.replace('\n', "\n    ")
    )
}

fn clock(at: u64, zone: &TimeZone) -> String {
    let time = i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    time.map_or_else(String::new, |time| {
        time.to_zoned(zone.clone()).strftime("%H:%M").to_string()
    })
}

fn are(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        several => format!("{} are", several.join(", ")),
    }
}

/// The invite line for a person who starts plain mode with nothing configured.
pub fn invite_line(room: &Room, invite: &crate::link::Invite) -> String {
    format!(
        "-- hosting #{}; others on this computer join with: {invite}",
        room.settings.room
    )
}
