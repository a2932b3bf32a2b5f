//! What our agents and programs want of the room by themselves, through the socket: words wait as drafts, and
//! a decision that they ask for is only marked.

use nexscope_relay::protocol::body::{Chat, Origin};

use crate::core::{
    Attachment, Audience, Ctx, Draft, Effect, ItemId, Millis, Room, Target, files::AgentFile, leak::secrets,
    perform, review::draft,
};

/// Words that an agent of ours sends without having been asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnpromptedText {
    pub agent: String,
    /// Whom it names; nobody is everybody.
    pub to: Vec<String>,
    pub text: String,
    /// The thread, by its number.
    pub thread: Option<u32>,
    /// Everybody is to see it, although somebody is named.
    pub public: bool,
    /// The person, and not the agent, of those named is meant.
    pub note: bool,
    /// Files that go with it.
    pub files: Vec<AgentFile>,
}

impl Room {
    /// Makes a draft of what an agent says unasked. Fails with a sentence that says what to do.
    pub fn drafted(&mut self, words: UnpromptedText, now: Millis) -> (Vec<Effect>, Result<ItemId, String>) {
        let mut ctx = Ctx::new(now);
        let result = draft_of(self, words, &mut ctx);
        (ctx.into_effects(), result)
    }

    /// Marks what a program has asked to be decided; nothing is decided. Returns what is marked. Fails where
    /// nothing of that name waits.
    pub fn asked_for(&mut self, target: Target, who: &str) -> Result<Vec<ItemId>, String> {
        let ids = self.items(target)?;
        for id in &ids {
            self.review.inbox.ask_for(*id, who);
        }
        Ok(ids)
    }
}

fn draft_of(room: &mut Room, words: UnpromptedText, ctx: &mut Ctx) -> Result<ItemId, String> {
    if words.text.trim().is_empty() && words.files.is_empty() {
        return Err("There is nothing to say yet: give a text.".into());
    }
    let Addressed {
        to,
        only,
        thread,
        asks,
    } = addressed(room, words.to, words.thread, words.public, words.note)?;
    let chat = Chat {
        text: draft::fit(room, words.text),
        origin: Origin::Agent,
        agent: Some(words.agent),
        asks,
        ..Chat::default()
    };
    let own = room.settings.token.as_ref().map(|token| token.0.as_str());
    let flags = secrets::secrets(&chat.text, own.as_slice());
    let draft = Draft {
        to,
        only,
        flags,
        outside: Vec::new(),
        asks_others: Vec::new(),
        post: None,
        run: None,
        thread,
        question: None,
        chat,
        files: words.files.into_iter().map(Attachment::new).collect(),
        message: None,
        unfinished: None,
    };
    Ok(draft::draft_waits(room, draft, String::new(), ctx))
}

/// Who words go to, worked out.
pub(in crate::core) struct Addressed {
    pub to: Vec<String>,
    pub only: bool,
    pub thread: Option<String>,
    pub asks: bool,
}

/// Works out who sees words: those named, or all; in a thread its audience, and nobody else.
pub(in crate::core) fn addressed(
    room: &Room,
    to: Vec<String>,
    thread: Option<u32>,
    public: bool,
    note: bool,
) -> Result<Addressed, String> {
    let thread = match thread {
        None => None,
        Some(number) => Some(
            room.chat
                .threads
                .numbered(number)
                .ok_or_else(|| format!("There is no thread t{number}."))?,
        ),
    };
    let named = perform::spelled(room, to)?;
    let asks = !named.is_empty() && !note;
    let Some(thread) = thread else {
        let direct = room.settings.mentions == crate::core::Mentions::Direct || note;
        let only = direct && !public && !named.is_empty();
        return Ok(Addressed {
            to: named,
            only,
            thread: None,
            asks,
        });
    };
    let (to, only) = match &thread.audience {
        Audience::Everyone => (named, false),
        Audience::Only(members) => {
            let known = |name: &String| {
                members
                    .iter()
                    .any(|one| nexscope_relay::protocol::same_name(one, name))
            };
            if let Some(name) = named.iter().find(|name| !known(name)) {
                return Err(format!(
                    "{name} cannot see t{}, which is for {}. Write outside the thread.",
                    thread.number,
                    thread.audience.in_words()
                ));
            }
            (if asks { named } else { members.clone() }, true)
        }
    };
    Ok(Addressed {
        to,
        only,
        thread: Some(thread.id.clone()),
        asks,
    })
}
