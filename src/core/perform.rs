//! Commands, which anybody may give: people by `/word`, scripts and agents by other ways. None of them decides.

use std::path::PathBuf;

use nexscope_relay::protocol::{Mode, body::Body, body::Chat, same_name};

use super::{Effect, ItemId, Outbound, Outgoing, OutgoingText, Refused, Room};
use crate::core::{
    Ctx,
    chat::outgoing,
    files::{
        Source,
        sharing::{self, upload},
    },
    persist::audit::{self, By},
    review::decide,
    runs::unprompted::{self, Addressed},
};

/// A command to the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Writes a message to the room, to members, or into a thread.
    Say {
        /// Addressees; empty for everybody.
        to: Vec<String>,
        text: String,
        /// The number of its thread.
        thread: Option<u32>,
        /// Whether everybody sees it although it has addressees.
        public: bool,
        /// Whether it is meant for the person only; no agent is asked.
        note: bool,
        /// Paths of files to offer with it.
        files: Vec<PathBuf>,
        /// Whether to send it even to a name that nobody here has or had.
        force: bool,
    },
    Who,
    Inbox,
    Status,
    /// Lists the newest messages, at most as many as given, optionally of one thread.
    History {
        limit: usize,
        /// The number of the thread.
        thread: Option<u32>,
    },
    /// Shows the mode, or switches to manual. Switching to auto is a decision.
    Mode(Option<Mode>),
    /// Cancels a run or a transfer; without an id, the only one.
    Cancel(Option<ItemId>),
    /// Resends our failed message, or requests a file again.
    Retry(ItemId),
    /// Lists all files with their state.
    Files,
}

/// Update instructions for a person.
pub const UPDATE: &str = "To update, build the newest sources: git pull && cargo build --release.";

/// The reply to a command or a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done; the result is visible in the room.
    Nothing,
    /// Sent, with the message's number.
    Said(u32),
    Who,
    Inbox,
    Status,
    Files,
    /// Messages, by number, oldest first.
    History(Vec<u32>),
    Text(String),
}

/// Carries out a command.
pub(super) fn perform(room: &mut Room, command: Command, ctx: &mut Ctx) -> Result<Reply, Refused> {
    match command {
        Command::Say {
            to,
            text,
            thread,
            public,
            note,
            files,
            force,
        } => match room.unknown_name(&to).filter(|_| !force) {
            Some(unknown) => {
                let command = if note { "tell" } else { "say" };
                Err(Refused::Unknown { unknown, command })
            }
            None => say_as_person(room, to, text, thread, public, note, files, ctx),
        },
        Command::Who => Ok(Reply::Who),
        Command::Inbox => Ok(Reply::Inbox),
        Command::Status => Ok(Reply::Status),
        Command::Files => Ok(Reply::Files),
        Command::History { limit, thread } => history(room, limit, thread),
        Command::Mode(None) => Ok(Reply::Text(match room.settings.mode {
            Mode::Manual => "Manual mode: every mention waits for you.".into(),
            Mode::Auto => "Auto mode: mentions of you are answered at once, within limits.".into(),
        })),
        Command::Mode(Some(Mode::Manual)) => {
            set_mode(room, Mode::Manual, By::Anybody, ctx);
            Ok(Reply::Text("Manual mode: every mention waits for you.".into()))
        }
        Command::Mode(Some(Mode::Auto)) => Err(Refused::AutoNeedsPerson),
        Command::Cancel(Some(ItemId::File(number))) => {
            sharing::cancel_file(room, number, ctx).map(|()| Reply::Nothing)
        }
        Command::Cancel(None) => cancel_the_only_one(room, ctx),
        Command::Cancel(Some(ItemId::Mention(number))) => cancel(room, number, ctx),
        Command::Retry(ItemId::File(number)) => {
            sharing::retry_file(room, number, ctx).map(|()| Reply::Nothing)
        }
        Command::Retry(ItemId::Mention(number)) => retry(room, number, ctx),
        Command::Cancel(Some(id)) | Command::Retry(id) => Err(Refused::WaitsForDecision(id)),
    }
}

#[expect(clippy::too_many_arguments, reason = "the fields of one command, taken apart")]
fn say_as_person(
    room: &mut Room,
    to: Vec<String>,
    text: String,
    thread: Option<u32>,
    public: bool,
    note: bool,
    files: Vec<PathBuf>,
    ctx: &mut Ctx,
) -> Result<Reply, Refused> {
    if text.trim().is_empty() && files.is_empty() {
        return Err(Refused::NoText);
    }
    let Addressed {
        to,
        only,
        thread,
        asks,
    } = unprompted::addressed(room, to, thread, public, note)?;
    let chat = Chat {
        text,
        asks,
        ..Chat::default()
    };
    fits(room, &chat, to.len())?;
    let words = OutgoingText {
        to,
        only,
        thread,
        chat,
        files: files.into_iter().map(Source::unread).collect(),
        ..OutgoingText::default()
    };
    Ok(Reply::Said(outgoing::say(room, words, ctx)))
}

/// Checks that a message to `to` members fits into a frame. Fails if not.
pub(super) fn fits(room: &Room, chat: &Chat, to: usize) -> Result<(), Refused> {
    let size = serde_json::to_string(chat).map_or(0, |json| json.len()) + 128 * to + 1024;
    if size <= room.chat.message_bytes {
        return Ok(());
    }
    let limit = room.chat.message_bytes;
    Err(Refused::TooLong { size, limit })
}

/// Replaces names by the members' own spelling.
pub(super) fn spelled(room: &Room, names: Vec<String>) -> Result<Vec<String>, Refused> {
    let mut spelled: Vec<String> = Vec::new();
    for name in names {
        if room.is_me(&name) {
            return Err(Refused::ToOneself);
        }
        let name = room
            .chat
            .members
            .get(&name)
            .map_or(name, |member| member.name.clone());
        if !spelled.iter().any(|known| same_name(known, &name)) {
            spelled.push(name);
        }
    }
    Ok(spelled)
}

fn history(room: &Room, limit: usize, thread: Option<u32>) -> Result<Reply, Refused> {
    let thread = match thread {
        Some(number) => Some(
            room.chat
                .threads
                .numbered(number)
                .ok_or(Refused::NoThread(number))?
                .id
                .clone(),
        ),
        None => None,
    };
    let posts = room.chat.timeline.posts().rev().map(|(_, post)| post);
    let mut numbers: Vec<u32> = posts
        .filter(|post| thread.as_ref().is_none_or(|thread| post.thread == *thread))
        .take(limit)
        .map(|post| post.number)
        .collect();
    numbers.reverse();
    Ok(Reply::History(numbers))
}

pub(super) fn set_mode(room: &mut Room, mode: Mode, by: By, ctx: &mut Ctx) {
    if room.settings.mode != mode {
        ctx.audit(audit::Entry::Mode { mode, by });
        room.settings.mode = mode;
        let update = nexscope_relay::protocol::Update {
            mode: Some(mode),
            ..Default::default()
        };
        ctx.send(Outbound::Update(update));
    }
}

fn cancel_the_only_one(room: &mut Room, ctx: &mut Ctx) -> Result<Reply, Refused> {
    let runs = ctx.runs.of(room.id()).map(|run| ItemId::Mention(run.post));
    let files = room.files.all().filter(|offer| offer.is_moving());
    // A file that a version 1 member pushes is being received, but still needs a decision.
    let files = files.filter(|offer| !room.is_undecided(offer.number));
    let jobs: Vec<ItemId> = runs
        .chain(files.map(|offer| ItemId::File(offer.number)))
        .collect();
    match jobs.as_slice() {
        [] => Err(Refused::NothingToCancel),
        [ItemId::File(number)] => sharing::cancel_file(room, *number, ctx).map(|()| Reply::Nothing),
        [ItemId::Mention(number)] => cancel(room, *number, ctx),
        _ => Err(Refused::Several(jobs)),
    }
}

fn cancel(room: &mut Room, number: u32, ctx: &mut Ctx) -> Result<Reply, Refused> {
    let run = ctx.runs.of(room.id()).find(|run| run.post == number);
    let Some((id, started)) = run.map(|run| (run.id.clone(), run.started.is_some())) else {
        return Err(Refused::NotRunning(number));
    };
    if started {
        if let Some(run) = ctx.runs.get_mut(&id) {
            run.stopping = true;
        }
        ctx.push(Effect::Stop { run: id });
    } else if let Some(run) = ctx.runs.remove(&id) {
        // It never started: there is nothing to stop, and the asker is notified.
        let from = run.ask.from.member.clone();
        decide::settle(
            room,
            run.key,
            &from,
            super::MentionOutcome::Failed(super::Failure::Stopped),
            ctx,
        );
    }
    Ok(Reply::Nothing)
}

fn retry(room: &mut Room, number: u32, ctx: &mut Ctx) -> Result<Reply, Refused> {
    let failed = decide::failed_outgoing(room, number);
    let failed = failed.ok_or(Refused::NotFailedMessage(number))?;
    let id = failed.id.clone();
    let again = Outgoing {
        sources: failed.sources,
        ..Outgoing::new(
            failed.id,
            failed.to,
            failed.only,
            failed.thread,
            failed.body,
            ctx.now,
        )
    };
    debug_assert!(matches!(again.body, Body::Chat(_)));
    outgoing::send(room, again, ctx);
    // Files that could not be read are read again.
    upload::read_files(room, &id, ctx);
    Ok(Reply::Nothing)
}
