//! The kinds of pending items: mentions, drafts, permissions and files.

use std::{fmt, str::FromStr};

use nexscope_relay::protocol::body::Chat;
use serde::{Deserialize, Serialize};

use crate::{
    core::{
        Attachment, Failure, Moment, Post, Risk, WhyHeld,
        leak::secrets::Flag,
        review::{
            inbox::{self, Key},
            risk,
        },
        runs::{ToolRequest, ask::Speaker},
    },
    text::Clean,
};

/// An item's id, as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemId {
    /// `m12`: a mention, by the number of its message.
    Mention(u32),
    /// `d3`: a draft.
    Draft(u32),
    /// `p4`: a permission that an agent requests.
    Permission(u32),
    /// `f5`: an offered file.
    File(u32),
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ItemId::Mention(number) => write!(f, "m{number}"),
            ItemId::Draft(number) => write!(f, "d{number}"),
            ItemId::Permission(number) => write!(f, "p{number}"),
            ItemId::File(number) => write!(f, "f{number}"),
        }
    }
}

impl FromStr for ItemId {
    type Err = ();

    /// Parses `m12`, `d3`, `p4` or `f5`; a bare number is a message's.
    fn from_str(text: &str) -> Result<Self, ()> {
        let kind: fn(u32) -> Self = match text.chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('d') => ItemId::Draft,
            Some('p') => ItemId::Permission,
            Some('f') => ItemId::File,
            _ => ItemId::Mention,
        };
        let number = text.trim_start_matches(|c: char| "mdpfMDPF".contains(c));
        (text.len() <= number.len() + 1).then_some(()).ok_or(())?;
        number.parse().map(kind).map_err(|_| ())
    }
}

/// An item that is pending for the person.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub id: ItemId,
    /// The author of the text or the request.
    pub from: Speaker,
    /// The whole text: another member's message, our agent's answer, or the action that an agent requests.
    pub text: Clean,
    /// The thread that it belongs to.
    pub thread: String,
    pub arrived: Moment,
    /// Whether the person has snoozed it.
    pub later: bool,
    /// Its version, from 1. A new version has to be read again before it is decided.
    pub version: u32,
    /// The program or agent that has asked for it to be decided, if any.
    pub asked_for: Option<String>,
    /// Whether it came with another key than its sender's name is known by.
    pub other_key: bool,
    pub matter: ItemKind,
}

/// The kind of an item, with its details.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// A message that asks our agent.
    Mention(Mention),
    /// Our agent's answer, pending before it is sent.
    Draft(Box<Draft>),
    /// Our agent wants to use a tool.
    Permission(Permission),
    /// An offered file, by its number.
    File(u32),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hold {
    /// Waits for the person, in manual mode.
    #[default]
    Manual,
    /// Waits for the busy agent: auto mode starts it next.
    Queued,
    /// Waits for the person although auto mode is on, with the reason.
    Because(WhyHeld),
}

impl Hold {
    /// The reason why it is held although auto mode is on.
    pub fn reason(&self) -> Option<String> {
        match self {
            Hold::Manual => None,
            Hold::Queued => Some("its agent is at work; this one is next".to_owned()),
            Hold::Because(why) => Some(why.to_string()),
        }
    }
}

/// A message that asks our agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// Whether it answers our own agent, so that one agent asks another.
    pub is_reply: bool,
    pub hold: Hold,
    /// Whether its sender is told the reason.
    pub(in crate::core) notify_sender: bool,
    pub risks: Vec<Risk>,
    /// The numbers of the files that it offers.
    pub files: Vec<u32>,
    /// The agent that the person has chosen for it, if it is not the default one.
    pub agent: Option<String>,
    pub(in crate::core) key: Key,
}

/// Our agent's answer, pending before it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub to: Vec<String>,
    pub only: bool,
    /// Findings in it that look like secrets.
    pub flags: Vec<Flag>,
    /// Places outside the agent's folder that its run touched.
    pub outside: Vec<String>,
    /// Members whom it would ask although they have not asked.
    pub asks_others: Vec<String>,
    /// The number of the message that it answers; `None` for an agent's unprompted message.
    pub post: Option<u32>,
    /// The run that produced it.
    pub(in crate::core) run: Option<String>,
    /// Its thread; `None` starts a new one.
    pub(in crate::core) thread: Option<String>,
    /// The question that is settled with it: its sender and key.
    pub(in crate::core) question: Option<(String, Key)>,
    pub(in crate::core) chat: Chat,
    /// Its attachments.
    pub files: Vec<Attachment>,
    /// The id that its message will have, if others were already told one.
    pub(in crate::core) message: Option<String>,
    /// The reason why it is not a whole answer: its run ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Failure>,
}

impl Draft {
    /// Whether the question is settled with this draft. If the run failed, the asker was notified at once, without
    /// the text that it had written.
    pub(in crate::core) fn settles(&self) -> bool {
        self.unfinished.is_none_or(|why| why == Failure::NoAnswer)
    }

    /// Whether this text differs from the draft's own text, as it is shown to a person (without tabs, for example).
    pub(in crate::core) fn is_edited(&self, text: &str) -> bool {
        text != self.chat.text && crate::text::clean(&self.chat.text).text != text
    }
}

/// Our agent's request to use a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Permission {
    /// The run that waits for it.
    pub run: String,
    /// The member who asked for that run.
    pub asker: String,
    pub request: ToolRequest,
}

impl Item {
    /// An item for a message that asks an agent.
    pub(in crate::core) fn of_mention(post: &Post, is_reply: bool, arrived: Moment) -> Self {
        Self {
            id: ItemId::Mention(post.number),
            from: post.speaker(),
            text: post.text.clone(),
            thread: post.thread.clone(),
            arrived,
            later: false,
            version: 1,
            asked_for: None,
            other_key: post.sender.doubt.is_some(),
            matter: ItemKind::Mention(Mention {
                is_reply,
                hold: Hold::Manual,
                notify_sender: false,
                risks: risk::of(&post.text, post.hidden),
                files: post.files.clone(),
                agent: None,
                key: inbox::key(&post.from, &post.id),
            }),
        }
    }

    /// Its id, with the version if that is not the first: `m12`, `m12.2`.
    pub fn label(&self) -> String {
        match self.version {
            1 => self.id.to_string(),
            version => format!("{}.{version}", self.id),
        }
    }

    /// Warnings for the person to check before deciding, in a few words each.
    pub fn warnings(&self) -> Vec<String> {
        let other_key = "from a different key than before, perhaps somebody else";
        let mut warnings = self.matter_warnings();
        if self.other_key {
            warnings.insert(0, other_key.to_owned());
        }
        warnings
    }

    fn matter_warnings(&self) -> Vec<String> {
        match &self.matter {
            ItemKind::Mention(mention) => mention
                .risks
                .iter()
                .map(|risk| risk.in_words().to_owned())
                .collect(),
            ItemKind::Draft(draft) => {
                let mut words: Vec<String> = Vec::new();
                if let Some(why) = draft.unfinished {
                    words.push(format!("unfinished: {}", why.in_words()));
                }
                for place in draft.outside.iter().take(3) {
                    words.push(format!("its session has used {place}, outside its folder"));
                }
                for flag in &draft.flags {
                    let word = flag.in_words();
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
                words.extend(draft.files.iter().flat_map(Attachment::warnings));
                if !draft.asks_others.is_empty() {
                    words.push(format!("asks {}", draft.asks_others.join(", ")));
                }
                words
            }
            ItemKind::File(_) => Vec::new(),
            ItemKind::Permission(permission) => {
                let request = &permission.request;
                let outside = request
                    .outside
                    .iter()
                    .map(|place| format!("{place} is outside its folder"));
                let found = risk::of(&request.what, request.hidden);
                let named = |risk: &Risk| *risk == Risk::Outside && !request.outside.is_empty();
                let found = found.iter().filter(|risk| **risk != Risk::Long && !named(risk));
                outside
                    .chain(found.map(|risk| risk.in_words().to_owned()))
                    .collect()
            }
        }
    }

    /// Whether accepting it needs a second confirmation, since it cannot be undone: a flagged draft.
    pub fn wants_a_second_yes(&self) -> bool {
        let ItemKind::Draft(draft) = &self.matter else {
            return false;
        };
        let in_files = draft.files.iter().any(|file| !file.warnings().is_empty());
        in_files || !draft.flags.is_empty() || !draft.outside.is_empty() || draft.unfinished.is_some()
    }

    /// Findings in its text to be marked.
    pub fn marks(&self) -> Vec<Flag> {
        match &self.matter {
            ItemKind::Draft(draft) if self.text == draft.chat.text => draft.flags.clone(),
            _ => crate::core::leak::secrets::secrets(&self.text, &[]),
        }
    }

    /// The rule that may be granted for the rest of the thread, formatted for a person; `None` if there is none.
    pub fn grant_in_words(&self) -> Option<String> {
        match &self.matter {
            ItemKind::Permission(permission) => permission
                .request
                .rule
                .as_ref()
                .map(crate::core::review::grant::in_words),
            _ => None,
        }
    }

    pub(in crate::core) fn mention_key(&self) -> Option<&Key> {
        match &self.matter {
            ItemKind::Mention(mention) => Some(&mention.key),
            _ => None,
        }
    }
}
