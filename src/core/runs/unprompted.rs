//! Unprompted actions of our agents and programs through the socket: their messages become drafts, and an item that
//! they want decided is only marked.

use nexscope_relay::protocol::body::{Chat, Origin};

use crate::{
    core::{
        Attachment, Audience, Ctx, Draft, ItemId, Refused, Room, Target, files::AgentFile, leak::secrets,
        perform, review::draft,
    },
    text::Clean,
};

/// A message that our agent sends without having been asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnpromptedText {
    pub agent: String,
    /// Addressees; empty for everybody.
    pub to: Vec<String>,
    pub text: Clean,
    /// The number of the thread.
    pub thread: Option<u32>,
    /// Whether everybody sees it although it has addressees.
    pub public: bool,
    /// Whether it is meant for the addressed people, and not for their agents.
    pub note: bool,
    /// Its attachments.
    pub files: Vec<AgentFile>,
}

impl Room {
    /// Marks items that a program has asked to be decided; nothing is decided. Returns the marked ones. Fails if no
    /// such item is pending.
    pub fn asked_for(&mut self, target: Target, who: &str) -> Result<Vec<ItemId>, Refused> {
        let ids = self.items(target)?;
        for id in &ids {
            self.review.inbox.ask_for(*id, who);
        }
        Ok(ids)
    }
}

/// Makes a draft of an agent's unprompted message.
pub(in crate::core) fn draft_of(
    room: &mut Room,
    words: UnpromptedText,
    ctx: &mut Ctx,
) -> Result<ItemId, Refused> {
    if words.text.trim().is_empty() && words.files.is_empty() {
        return Err(Refused::NoText);
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

/// The resolved addressees of a message.
pub(in crate::core) struct Addressed {
    pub to: Vec<String>,
    pub only: bool,
    pub thread: Option<String>,
    pub asks: bool,
}

/// Resolves who sees a message: those named, or all; in a thread only its audience. Fails if a
/// named member cannot see it.
pub(in crate::core) fn addressed(
    room: &Room,
    to: Vec<String>,
    thread: Option<u32>,
    public: bool,
    note: bool,
) -> Result<Addressed, Refused> {
    let thread = match thread {
        None => None,
        Some(number) => Some(
            room.chat
                .threads
                .numbered(number)
                .ok_or(Refused::NoThread(number))?,
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
                return Err(Refused::NotInThread {
                    name: name.clone(),
                    thread: thread.number,
                    audience: thread.audience.clone(),
                });
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
