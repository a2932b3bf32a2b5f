//! What anybody may want of the room: people by `/word`, scripts and agents by other ways. Nothing here decides.

use std::path::PathBuf;

use nexscope_relay::protocol::{Mode, body::Body, body::Chat, same_name};

use super::{Effect, ItemId, Millis, Outbound, Outgoing, OutgoingText, Room};
use crate::core::{
    files::Source,
    persist::audit::{self, By},
    runs::unprompted::Addressed,
};

/// Something that is wanted of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Words into the room, to members, or into a thread.
    Say {
        /// Whom they ask or tell; nobody is everybody.
        to: Vec<String>,
        /// The words.
        text: String,
        /// The thread that they belong to, by its number.
        thread: Option<u32>,
        /// Everybody sees it, although somebody is named.
        public: bool,
        /// For the person; no agent is asked.
        note: bool,
        /// Files that are offered with it.
        files: Vec<PathBuf>,
        /// Also to a name that nobody here has or had.
        force: bool,
    },
    /// Who is here.
    Who,
    /// What waits for review.
    Inbox,
    /// How everything stands.
    Status,
    /// What was said: the newest so many, perhaps of one thread.
    History {
        /// How many.
        limit: usize,
        /// Of which thread, by its number.
        thread: Option<u32>,
    },
    /// Shows the mode, or goes back to manual. Auto is a decision.
    Mode(Option<Mode>),
    /// Ends a run or a transfer; the only one where none is named.
    Cancel(Option<ItemId>),
    /// Sends a message of ours again that failed, or asks for a file again.
    Retry(ItemId),
    /// All files, and how far they are.
    Files,
}

/// How to update, for a person.
pub const UPDATE: &str = "To update, build the newest sources: git pull && cargo build --release.";

/// What a command or decision answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done, and seen in the room.
    Nothing,
    /// It is said: the message's number.
    Said(u32),
    /// Everybody who is here.
    Who,
    /// All that waits.
    Inbox,
    /// How everything stands.
    Status,
    /// All files.
    Files,
    /// Messages, by number, oldest first.
    History(Vec<u32>),
    /// A sentence.
    Text(String),
}

impl Room {
    /// Carries out a command. Fails with a sentence that says what to do.
    pub fn perform(&mut self, command: Command, now: Millis) -> (Vec<Effect>, Result<Reply, String>) {
        let mut effects = Vec::new();
        let result = match command {
            Command::Say {
                to,
                text,
                thread,
                public,
                note,
                files,
                force,
            } => match self.unknown_name(&to).filter(|_| !force) {
                Some(unknown) => {
                    let word = if note { "tell" } else { "say" };
                    Err(format!("{} /{word} --force sends it anyway.", unknown.in_words()))
                }
                None => self.say_as_person(to, text, thread, public, note, files, now, &mut effects),
            },
            Command::Who => Ok(Reply::Who),
            Command::Inbox => Ok(Reply::Inbox),
            Command::Status => Ok(Reply::Status),
            Command::Files => Ok(Reply::Files),
            Command::History { limit, thread } => self.history(limit, thread),
            Command::Mode(None) => Ok(Reply::Text(match self.settings.mode {
                Mode::Manual => "Manual mode: every mention waits for you.".into(),
                Mode::Auto => "Auto mode: mentions of you are answered at once, within limits.".into(),
            })),
            Command::Mode(Some(Mode::Manual)) => {
                self.set_mode(Mode::Manual, By::Anybody, &mut effects);
                Ok(Reply::Text("Manual mode: every mention waits for you.".into()))
            }
            Command::Mode(Some(Mode::Auto)) => {
                Err("Only a person at the screen can turn auto mode on: type /mode auto there.".into())
            }
            Command::Cancel(Some(ItemId::File(number))) => {
                self.cancel_file(number, &mut effects).map(|()| Reply::Nothing)
            }
            Command::Cancel(None) => self.cancel_the_only_one(now, &mut effects),
            Command::Cancel(Some(ItemId::Mention(number))) => self.cancel(number, now, &mut effects),
            Command::Retry(ItemId::File(number)) => {
                self.retry_file(number, &mut effects).map(|()| Reply::Nothing)
            }
            Command::Retry(ItemId::Mention(number)) => self.retry(number, now, &mut effects),
            Command::Cancel(Some(id)) | Command::Retry(id) => Err(format!(
                "{id} waits for your decision; it cannot be stopped or tried again."
            )),
        };
        (effects, result)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one command, taken apart")]
    fn say_as_person(
        &mut self,
        to: Vec<String>,
        text: String,
        thread: Option<u32>,
        public: bool,
        note: bool,
        files: Vec<PathBuf>,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        if text.trim().is_empty() && files.is_empty() {
            return Err("There is nothing to say yet: write a text.".into());
        }
        let Addressed {
            to,
            only,
            thread,
            asks,
        } = self.addressed(to, thread, public, note)?;
        let chat = Chat {
            text,
            asks,
            ..Chat::default()
        };
        self.fits(&chat, to.len())?;
        let words = OutgoingText {
            to,
            only,
            thread,
            chat,
            files: files.into_iter().map(Source::unread).collect(),
            ..OutgoingText::default()
        };
        Ok(Reply::Said(self.say(words, now, effects)))
    }

    /// Whether a message to so many fits into a frame; else says so.
    pub(super) fn fits(&self, chat: &Chat, to: usize) -> Result<(), String> {
        let size = serde_json::to_string(chat).map_or(0, |json| json.len()) + 128 * to + 1024;
        if size <= self.message_bytes {
            return Ok(());
        }
        Err(format!(
            "That is {} KiB and the relay carries {} KiB at once: shorten it, or send it as a file.",
            size / 1024,
            self.message_bytes / 1024
        ))
    }

    /// Names as the members themselves write them.
    pub(super) fn spelled(&self, names: Vec<String>) -> Result<Vec<String>, String> {
        let mut spelled: Vec<String> = Vec::new();
        for name in names {
            if self.is_me(&name) {
                return Err("That is you: name somebody else, or write without a name.".into());
            }
            let name = self.members.get(&name).map_or(name, |member| member.name.clone());
            if !spelled.iter().any(|known| same_name(known, &name)) {
                spelled.push(name);
            }
        }
        Ok(spelled)
    }

    fn history(&self, limit: usize, thread: Option<u32>) -> Result<Reply, String> {
        let thread = match thread {
            Some(number) => Some(
                self.threads
                    .numbered(number)
                    .ok_or_else(|| format!("There is no thread t{number}."))?
                    .id
                    .clone(),
            ),
            None => None,
        };
        let posts = self.timeline.posts().rev().map(|(_, post)| post);
        let mut numbers: Vec<u32> = posts
            .filter(|post| thread.as_ref().is_none_or(|thread| post.thread == *thread))
            .take(limit)
            .map(|post| post.number)
            .collect();
        numbers.reverse();
        Ok(Reply::History(numbers))
    }

    pub(super) fn set_mode(&mut self, mode: Mode, by: By, effects: &mut Vec<Effect>) {
        if self.settings.mode != mode {
            Self::note_audit(audit::Entry::Mode { mode, by }, effects);
            self.settings.mode = mode;
            let update = nexscope_relay::protocol::Update {
                mode: Some(mode),
                ..Default::default()
            };
            effects.push(Effect::Send(Outbound::Update(update)));
        }
    }

    fn cancel_the_only_one(&mut self, now: Millis, effects: &mut Vec<Effect>) -> Result<Reply, String> {
        let runs = self.runs.all().map(|run| ItemId::Mention(run.post));
        let files = self.offers.all().filter(|offer| offer.is_moving());
        // What a member of version 1 pushes waits for a decision while it comes.
        let files = files.filter(|offer| !self.is_undecided(offer.number));
        let jobs: Vec<ItemId> = runs
            .chain(files.map(|offer| ItemId::File(offer.number)))
            .collect();
        match jobs.as_slice() {
            [] => Err("No agent of yours is working, and no file of yours moves.".into()),
            [ItemId::File(number)] => self.cancel_file(*number, effects).map(|()| Reply::Nothing),
            [ItemId::Mention(number)] => self.cancel(*number, now, effects),
            several => {
                let which: Vec<String> = several.iter().map(ItemId::to_string).collect();
                Err(format!("Several run: name one, /cancel {}.", which.join(" or ")))
            }
        }
    }

    fn cancel(&mut self, number: u32, now: Millis, effects: &mut Vec<Effect>) -> Result<Reply, String> {
        let run = self.runs.all().find(|run| run.post == number);
        let Some((id, started)) = run.map(|run| (run.id.clone(), run.started.is_some())) else {
            return Err(format!("No agent of yours works on m{number}."));
        };
        if started {
            if let Some(run) = self.runs.get_mut(&id) {
                run.stopping = true;
            }
            effects.push(Effect::Stop { run: id });
        } else if let Some(run) = self.runs.remove(&id) {
            // It never started: nothing is to be stopped, and the asker is told.
            let from = run.ask.from.member.clone();
            self.settle(
                run.key,
                &from,
                super::MentionOutcome::Failed(super::Failure::Stopped),
                now,
                effects,
            );
        }
        Ok(Reply::Nothing)
    }

    fn retry(&mut self, number: u32, now: Millis, effects: &mut Vec<Effect>) -> Result<Reply, String> {
        let failed = self.failed_outgoing(number);
        let failed = failed.ok_or_else(|| format!("m{number} is no message of yours that failed."))?;
        let id = failed.id.clone();
        let again = Outgoing {
            sources: failed.sources,
            ..Outgoing::new(failed.id, failed.to, failed.only, failed.thread, failed.body, now)
        };
        debug_assert!(matches!(again.body, Body::Chat(_)));
        self.send(again, effects);
        // Where they could not be read, they are read again.
        self.read_files(&id, now, effects);
        Ok(Reply::Nothing)
    }
}
