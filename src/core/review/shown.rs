//! Proof of what a person decides on: what was put whole before them, and nothing else.
//!
//! A decision is an [`Intent`] with a [`Shown`]: the digest of what was drawn, printed or returned to whoever
//! decides. Anything that has changed since then has another digest, so that the decision is void.

use std::{fmt, fmt::Debug, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::core::{AcceptOptions, Audience, Item, ItemId, ItemKind, Refused, Room, runs::direct};

/// A decision that a person wants to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Run an agent on it, send it, or allow it.
    Accept {
        /// One item, or all items of a shown thread.
        target: Target,
        how: AcceptOptions,
    },
    /// Reject it; its sender is notified.
    Reject {
        /// One item, or all items of a shown thread.
        target: Target,
        reason: String,
    },
    /// Allow it, and similar requests, for the rest of the thread.
    Grant(ItemId),
    Later(ItemId),
    /// Choose the next agent to work on it when it is accepted.
    NextAgent(ItemId),
    /// Give a message of the timeline to the agent, as if it had asked.
    HandOver(u32),
    /// Retry a message that was accepted and failed, with the same options.
    RunAgain(u32),
    /// Ask one's own agent, in view of the room.
    Ask {
        /// The text; an agent's name may precede it.
        words: String,
    },
    /// Pin a member's current key to its name.
    Trust(String),
    Auto,
}

/// The items that an intent is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One item (`m12`, `d3`, `p4`).
    Item(ItemId),
    /// One item in a version (`m12.2`).
    Version(ItemId, u32),
    /// All pending items of a thread (`t3`).
    Thread(u32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Target::Thread(number) => write!(f, "t{number}"),
            Target::Item(id) => write!(f, "{id}"),
            Target::Version(id, version) => write!(f, "{id}.{version}"),
        }
    }
}

impl FromStr for Target {
    type Err = ();

    /// Parses `t3`, `m12` or `m12.2`; a bare number is a message's.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(thread) = text.strip_prefix(['t', 'T']) {
            return thread.parse().map(Target::Thread).map_err(|_| ());
        }
        match text.split_once('.') {
            Some((id, version)) => Ok(Target::Version(id.parse()?, version.parse().map_err(|_| ())?)),
            None => text.parse().map(Target::Item),
        }
    }
}

impl Intent {
    /// Whether it is about items that must have been shown whole to the person; others are about the person's own
    /// text.
    pub fn wants_it_whole(&self) -> bool {
        matches!(
            self,
            Intent::Accept { .. } | Intent::Reject { .. } | Intent::Grant(_) | Intent::HandOver(_)
        )
    }
}

/// A hash of everything that a decision depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digest([u8; 32]);

impl Digest {
    /// Hashes the `Debug` output, which names every field, so that a new one cannot be forgotten, and escapes text,
    /// so that different values differ in it. A digest never leaves the program.
    fn of(facts: &impl Debug) -> Self {
        Self(Sha256::digest(format!("{facts:?}")).into())
    }
}

impl Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&crate::text::hex(&self.0[..4]))
    }
}

/// Proof of what was shown whole to a person: items, or the text that they wrote themselves.
///
/// Made only where something is put before a person: by the screen after it has drawn it, by plain mode after it
/// has printed it, and for a remote client that may decide after it was returned to it. Nobody else can make one:
///
/// ```compile_fail
/// let shown = nexscope_tui::core::Shown::default();
/// ```
/// ```compile_fail
/// let shown = nexscope_tui::core::Shown { items: vec![], words: None };
/// ```
/// ```compile_fail
/// fn decide(room: &nexscope_tui::core::Room, id: nexscope_tui::core::ItemId) {
///     let shown = room.shown(&[id]);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    items: Vec<(ItemId, Digest)>,
    words: Option<Digest>,
}

impl Shown {
    /// Made from a command that a person has typed and sees whole.
    pub(crate) fn written(intent: &Intent) -> Self {
        Self {
            items: Vec::new(),
            words: Some(Digest::of(intent)),
        }
    }

    #[cfg(test)]
    pub(crate) fn test(id: ItemId, facts: &str) -> Self {
        Self {
            items: vec![(id, Digest::of(&facts))],
            words: None,
        }
    }

    /// The items that were shown.
    pub fn items(&self) -> impl Iterator<Item = ItemId> {
        self.items.iter().map(|(id, _)| *id)
    }

    /// Whether exactly these items were shown.
    pub fn is_of(&self, ids: &[ItemId]) -> bool {
        self.items().eq(ids.iter().copied())
    }
}

/// A person's decision: what they want, and what they saw.
///
/// There is none without a [`Shown`]:
///
/// ```compile_fail
/// use nexscope_tui::core::{Decision, Intent};
/// let decision = Decision::new(Intent::Auto);
/// ```
/// ```compile_fail
/// use nexscope_tui::core::{Decision, Intent};
/// let decision = Decision { intent: Intent::Auto };
/// ```
///
/// and an intent alone is no decision:
///
/// ```compile_fail
/// use nexscope_tui::core::{Intent, Person, Program, RoomId};
/// fn decide(program: &mut Program, room: RoomId, person: Person) {
///     let _ = program.decide(room, Intent::Auto, person, 0);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    intent: Intent,
    shown: Shown,
}

impl Decision {
    pub fn new(intent: Intent, shown: Shown) -> Self {
        Self { intent, shown }
    }

    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    pub(in crate::core) fn into_parts(self) -> (Intent, Shown) {
        (self.intent, self.shown)
    }
}

impl Room {
    /// Notes that items were shown whole to a person, in their current version. Items that are not pending are
    /// skipped.
    pub(crate) fn shown(&self, ids: &[ItemId]) -> Shown {
        let digest = |id: &ItemId| Some((*id, digest(self, *id)?));
        Shown {
            items: ids.iter().filter_map(digest).collect(),
            words: None,
        }
    }

    /// Everyone who will see the result of accepting an item.
    pub fn audience_of(&self, item: &Item) -> Audience {
        match (&item.matter, item.id) {
            (ItemKind::Draft(draft), _) if draft.only => Audience::Only(draft.to.clone()),
            (ItemKind::Mention(_), ItemId::Mention(number)) => {
                let post = self.chat.timeline.post_numbered(number);
                post.map_or(Audience::Everyone, |post| Audience::of(post, &self.settings.me))
            }
            _ => Audience::Everyone,
        }
    }

    /// The item with that id: a pending one, or a message that can be handed to an agent.
    pub fn at_hand(&self, id: ItemId) -> Option<Item> {
        match (self.review.inbox.get(id), id) {
            (Some(item), _) => Some(item.clone()),
            (None, ItemId::Mention(number)) => direct::to_hand_over(self, number),
            (None, _) => None,
        }
    }
}

/// The digest of everything that accepting an item depends on: its text, its author, and what would be done with it
/// now.
fn digest(room: &Room, id: ItemId) -> Option<Digest> {
    let item = room.at_hand(id)?;
    let Item {
        id,
        from,
        text,
        thread,
        matter,
        other_key,
        // These say how it waits, not what it is.
        arrived: _,
        later: _,
        version: _,
        asked_for: _,
    } = &item;
    let agent = match matter {
        ItemKind::Mention(mention) => room.agent_for(mention),
        _ => None,
    };
    let permissions = agent
        .as_ref()
        .and_then(|agent| room.settings.permissions.get(agent));
    let audience = room.audience_of(&item);
    Some(Digest::of(&(
        id,
        from,
        text,
        thread,
        matter,
        other_key,
        agent,
        permissions,
        audience,
    )))
}

/// The items of a target that were shown, unchanged. Fails if the person would decide on something that they have
/// not seen.
pub(in crate::core) fn decided_on(
    room: &Room,
    target: Target,
    shown: &Shown,
) -> Result<Vec<ItemId>, Refused> {
    let waiting = room.items(target)?;
    let seen: Vec<ItemId> = waiting
        .iter()
        .copied()
        .filter(|id| shown.items().any(|one| one == *id))
        .collect();
    for id in &seen {
        is_as_shown(room, *id, shown)?;
    }
    match (seen.is_empty(), target) {
        (false, _) => Ok(seen),
        (true, Target::Item(id) | Target::Version(id, _)) => Err(Refused::NotShown(id)),
        (true, Target::Thread(number)) => Err(Refused::NothingShown(number)),
    }
}

/// Fails if an item is not as it was shown.
pub(in crate::core) fn is_as_shown(room: &Room, id: ItemId, shown: &Shown) -> Result<(), Refused> {
    let then = shown.items.iter().find(|(one, _)| *one == id);
    let then = then.ok_or(Refused::NotShown(id))?.1;
    match digest(room, id) == Some(then) {
        true => Ok(()),
        false => Err(Refused::Changed(id)),
    }
}

/// Fails if the text of a decision is not what the person wrote.
pub(in crate::core) fn is_as_written(intent: &Intent, shown: &Shown) -> Result<(), Refused> {
    match shown.words == Some(Digest::of(intent)) {
        true => Ok(()),
        false => Err(Refused::NotWrittenByPerson),
    }
}
