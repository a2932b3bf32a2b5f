//! Messages and events of the room, in order.

use nexscope_relay::protocol::{
    Message, PresenceEvent,
    body::{Chat, Origin, Usage},
};

use crate::{
    core::{Millis, runs::ask::Speaker},
    text::{self, Clean},
};

/// Longest reason, note or client name that is shown, in characters.
pub(in crate::core) const LINE_MAX: usize = 200;

/// Everything that the room shows, oldest first.
#[derive(Debug, Default)]
pub struct Timeline {
    entries: Vec<Entry>,
    /// Index of each message among the entries: m1 first.
    posts: Vec<u32>,
}

/// One thing in the timeline.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Milliseconds since the Unix epoch.
    pub at: Millis,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Post(Box<Post>),
    Presence {
        name: String,
        event: PresenceEvent,
    },
    /// A notice of this program to the person.
    Note(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// Its number here: `m12` is what people type.
    pub number: u32,
    /// Its id, unique only together with `from`.
    pub id: String,
    /// The member who sent it.
    pub from: String,
    pub author: Author,
    pub sender: Sender,
    pub to: Vec<String>,
    pub only: bool,
    /// The thread that it belongs to; its own id if it starts one.
    pub thread: String,
    pub text: Clean,
    /// Number of invisible characters that were removed.
    pub hidden: usize,
    /// Whether the agents of the addressed members are asked.
    pub asks: bool,
    /// Number of agents' answers that led to it.
    pub hop: u32,
    /// The message that it answers.
    pub reply_to: Option<String>,
    pub usage: Option<Usage>,
    /// The numbers of the files that it offers.
    pub files: Vec<u32>,
}

/// Who wrote the text of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Author {
    /// A person or an agent.
    pub origin: Origin,
    /// The agent's name, if an agent wrote it.
    pub agent: Option<String>,
    /// The person who edited an agent's text.
    pub edited_by: Option<String>,
}

/// What is known of the member who sent a message, besides the name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sender {
    /// Whether it is this member.
    pub mine: bool,
    /// The sender's key, if it has one and the relay sends it.
    pub key: Option<String>,
    /// The reason why it may not be the member that the name says.
    pub doubt: Option<Doubt>,
}

/// The reason why a message may not be from the member that its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is under our own name, but not ours.
    Stranger,
    /// It does not come from the key that the name is known by.
    OtherKey,
}

/// Everything around a message's text.
struct Address<'a> {
    id: &'a str,
    from: &'a str,
    to: &'a [String],
    only: bool,
    thread: Option<&'a str>,
}

/// A member's agent name, made safe to show. The field may hold any text; an invalid name could imitate its
/// surroundings.
pub(in crate::core) fn agent_name(name: &str) -> String {
    match nexscope_relay::protocol::is_name(name) {
        true => name.to_owned(),
        false => "agent".to_owned(),
    }
}

impl Post {
    pub(in crate::core) fn received(message: &Message, chat: &Chat) -> Self {
        let Message {
            id,
            from,
            from_key,
            to,
            only,
            thread,
            ..
        } = message;
        let address = Address {
            id,
            from,
            to,
            only: *only,
            thread: thread.as_deref(),
        };
        let sender = Sender {
            key: from_key.clone(),
            ..Sender::default()
        };
        Self::cleaned(&address, sender, chat)
    }

    /// Our own message; it needs no safeguards against its sender.
    pub(in crate::core) fn mine(
        me: &str,
        id: &str,
        thread: &str,
        to: Vec<String>,
        only: bool,
        chat: &Chat,
    ) -> Self {
        let address = Address {
            id,
            from: me,
            to: &to,
            only,
            thread: Some(thread),
        };
        let sender = Sender {
            mine: true,
            ..Sender::default()
        };
        Self::cleaned(&address, sender, chat)
    }

    fn cleaned(address: &Address, sender: Sender, chat: &Chat) -> Self {
        let cleaned = text::clean(&chat.text);
        let name = |name: &String| text::clean_line(name, 32);
        Self {
            number: 0,
            id: address.id.to_owned(),
            from: text::clean_line(address.from, 32),
            author: Author {
                origin: chat.origin,
                agent: chat
                    .agent
                    .as_ref()
                    .filter(|_| chat.origin == Origin::Agent)
                    .map(|agent| agent_name(agent)),
                // Edited by its sender, who is the agent's person.
                edited_by: chat
                    .edited_by
                    .as_ref()
                    .filter(|by| by.eq_ignore_ascii_case(address.from))
                    .map(name),
            },
            sender,
            to: address.to.iter().map(name).collect(),
            only: address.only,
            thread: address.thread.unwrap_or(address.id).to_owned(),
            text: cleaned.text,
            hidden: cleaned.hidden,
            asks: chat.asks,
            hop: chat.hop,
            reply_to: chat.reply_to.clone(),
            usage: chat.usage.as_ref().map(believable),
            files: Vec::new(),
        }
    }

    pub fn speaker(&self) -> Speaker {
        let agent = match self.author.origin {
            Origin::Human => None,
            Origin::Agent => Some(self.author.agent.clone().unwrap_or_else(|| "agent".into())),
        };
        Speaker {
            member: self.from.clone(),
            agent,
        }
    }
}

impl Timeline {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All messages, oldest first, with the index of each among the entries.
    pub fn posts(&self) -> impl DoubleEndedIterator<Item = (usize, &Post)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| match &entry.what {
                What::Post(post) => Some((at, &**post)),
                _ => None,
            })
    }

    pub fn post_numbered(&self, number: u32) -> Option<&Post> {
        match &self.entries.get(self.place_of(number)?)?.what {
            What::Post(post) => Some(post),
            _ => None,
        }
    }

    /// The index of the message with that number among the entries.
    pub fn place_of(&self, number: u32) -> Option<usize> {
        let at = (number as usize).checked_sub(1)?;
        self.posts.get(at).map(|place| *place as usize)
    }

    /// The number of the newest message; 0 if there is none.
    pub fn newest(&self) -> u32 {
        self.posts.len() as u32
    }

    pub fn find(&self, from: &str, id: &str) -> Option<&Post> {
        self.posts()
            .rev()
            .map(|(_, post)| post)
            .find(|post| post.id == id && nexscope_relay::protocol::same_name(&post.from, from))
    }

    /// Clears the doubt on what a name said with this key. Returns the numbers of those messages.
    pub(in crate::core) fn clear_doubt(&mut self, name: &str, key: Option<&str>) -> Vec<u32> {
        let mut cleared = Vec::new();
        for entry in &mut self.entries {
            if let What::Post(post) = &mut entry.what
                && post.sender.doubt == Some(Doubt::OtherKey)
                && post.sender.key.as_deref() == key
                && nexscope_relay::protocol::same_name(&post.from, name)
            {
                post.sender.doubt = None;
                cleared.push(post.number);
            }
        }
        cleared
    }

    /// The number that the next message gets.
    pub(in crate::core) fn next_number(&self) -> u32 {
        self.newest() + 1
    }

    /// Adds a message and assigns its number.
    pub(in crate::core) fn post(&mut self, mut post: Post, at: Millis) -> u32 {
        let number = self.next_number();
        post.number = number;
        self.posts.push(self.entries.len() as u32);
        self.push(Entry {
            at,
            what: What::Post(Box::new(post)),
        });
        number
    }

    /// Adds a notice to the person.
    pub(in crate::core) fn note(&mut self, text: impl Into<String>, at: Millis) {
        self.push(Entry {
            at,
            what: What::Note(text.into()),
        });
    }

    /// Adds a join or leave. For a flapping member, the last such line is replaced.
    pub(in crate::core) fn presence(&mut self, name: &str, event: PresenceEvent, at: Millis) {
        if let Some(Entry {
            at: last_at,
            what:
                What::Presence {
                    name: last,
                    event: last_event,
                },
        }) = self.entries.last_mut()
            && nexscope_relay::protocol::same_name(last, name)
        {
            (*last_event, *last_at) = (event, at);
            return;
        }
        self.push(Entry {
            at,
            what: What::Presence {
                name: name.to_owned(),
                event,
            },
        });
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }
}

/// The figures of an agent's usage that may be true. They come from other members, and any number would fill the screen.
fn believable(usage: &Usage) -> Usage {
    const A_WEEK: u64 = 7 * 24 * 3_600_000;
    Usage {
        ms: usage.ms.filter(|ms| *ms <= A_WEEK),
        tools: usage.tools.filter(|tools| *tools < 100_000),
        usd: usage.usd.filter(|usd| (0.0..100_000.0).contains(usd)),
        tokens: usage.tokens.filter(|tokens| *tokens < 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_usage_that_cannot_be_true_are_left_out() {
        let true_ones = Usage {
            ms: Some(9_000),
            tools: Some(3),
            usd: Some(0.12),
            tokens: Some(48_000),
        };
        assert_eq!(believable(&true_ones), true_ones);
        for usd in [1e308, -1.0, f64::NAN, f64::INFINITY, 100_000.0] {
            let untrue = Usage {
                ms: Some(u64::MAX),
                tools: Some(u32::MAX),
                usd: Some(usd),
                tokens: Some(u64::MAX),
            };
            assert_eq!(believable(&untrue), Usage::default(), "{usd}");
        }
    }
}
