//! The review queue: everything that waits for the person, of whatever kind, in one order.

use std::collections::{HashMap, VecDeque};

use nexscope_relay::protocol::body::ReceiptState;
use serde::{Deserialize, Serialize};

use crate::core::{
    AcceptOptions, Draft, Failure, Item, ItemId, ItemKind, Mention, Millis, Moment, Permission, Post, Steady,
    runs::ask::Speaker,
};

/// A message's identity: the sender's name in lower case, and the id.
pub(in crate::core) type Key = (String, String);

/// The key of a message.
pub(in crate::core) fn key(from: &str, id: &str) -> Key {
    (from.to_ascii_lowercase(), id.to_owned())
}

/// What became of a mention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MentionOutcome {
    /// The person let an agent work on it: the agent's name.
    Accepted(String),
    /// The person did not: the reason, may be empty.
    Rejected(String),
    Answered,
    /// The agent could not: why, as its sender is told.
    Failed(Failure),
    Expired,
}

impl MentionOutcome {
    /// What the sender is told.
    pub(in crate::core) fn receipt(&self) -> (ReceiptState, String) {
        match self {
            MentionOutcome::Accepted(_) => (ReceiptState::Accepted, String::new()),
            MentionOutcome::Rejected(why) => (ReceiptState::Rejected, why.clone()),
            MentionOutcome::Answered => (ReceiptState::Answered, String::new()),
            MentionOutcome::Failed(why) => (ReceiptState::Failed, why.in_words().to_owned()),
            MentionOutcome::Expired => (ReceiptState::Expired, String::new()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub at: Millis,
    /// The message's sender and id, or for a permission whose agent it is for.
    pub(in crate::core) key: Key,
    /// What, in words: `accepted for claude`.
    pub what: String,
}

/// Decisions that are remembered, to be looked at.
const DECIDED: usize = 500;

/// What waits, oldest first, and what was decided.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Vec<Item>,
    decided: HashMap<Key, MentionOutcome>,
    /// With what mentions were accepted, where that was more than a yes.
    with: HashMap<Key, AcceptOptions>,
    log: VecDeque<Decided>,
    /// What the strip shows: it stays until it is decided or put off.
    strip: Option<ItemId>,
    drafts: u32,
    permissions: u32,
}

impl Inbox {
    /// What waits, oldest first; what was put off comes last.
    pub fn waiting(&self) -> impl Iterator<Item = &Item> {
        let (later, now): (Vec<_>, Vec<_>) = self.waiting.iter().partition(|item| item.later);
        now.into_iter().chain(later)
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The one that the strip shows.
    pub fn next(&self) -> Option<&Item> {
        self.strip.and_then(|id| self.get(id))
    }

    /// The item with that id.
    pub fn get(&self, id: ItemId) -> Option<&Item> {
        self.waiting.iter().find(|item| item.id == id)
    }

    /// Whether the message with that number waits.
    pub fn has_mention(&self, number: u32) -> bool {
        self.get(ItemId::Mention(number)).is_some()
    }

    /// What became of a message that asked our agent.
    pub fn fate(&self, post: &Post) -> Option<&MentionOutcome> {
        self.decided.get(&key(&post.from, &post.id))
    }

    /// With what a mention was accepted.
    pub(in crate::core) fn accepted_with(&self, key: &Key) -> &AcceptOptions {
        static YES: AcceptOptions = AcceptOptions {
            instructions: None,
            agent: None,
            review: false,
            text: None,
        };
        self.with.get(key).unwrap_or(&YES)
    }

    pub(in crate::core) fn set_accepted_with(&mut self, key: Key, how: AcceptOptions) {
        match how == AcceptOptions::default() {
            true => self.with.remove(&key),
            false => self.with.insert(key, how),
        };
    }

    pub(in crate::core) fn waits(&self, key: &Key) -> bool {
        self.waiting.iter().any(|item| item.mention_key() == Some(key))
    }

    pub(in crate::core) fn mentions_mut(&mut self) -> impl Iterator<Item = (ItemId, &mut Mention)> {
        self.waiting.iter_mut().filter_map(|item| match &mut item.matter {
            ItemKind::Mention(mention) => Some((item.id, mention)),
            _ => None,
        })
    }

    /// What the sender of a mention that waits is told about why it does.
    pub(in crate::core) fn told_why(&self, key: &Key) -> Option<String> {
        let item = self.waiting.iter().find(|item| item.mention_key() == Some(key))?;
        match &item.matter {
            ItemKind::Mention(mention) if mention.notify_sender => mention.hold.reason().map(str::to_owned),
            _ => None,
        }
    }

    /// Since when the oldest mention waits.
    pub(in crate::core) fn oldest_mention(&self) -> Option<Steady> {
        self.waiting
            .iter()
            .filter(|item| item.mention_key().is_some())
            .map(|item| item.arrived.steady)
            .min()
    }

    /// Since when the oldest permission waits.
    pub(in crate::core) fn oldest_permission(&self) -> Option<Steady> {
        let permissions = self
            .waiting
            .iter()
            .filter(|item| matches!(item.matter, ItemKind::Permission(_)));
        permissions.map(|item| item.arrived.steady).min()
    }

    pub(in crate::core) fn add(&mut self, post: &Post, is_reply: bool, arrived: Moment) {
        self.push(Item::of_mention(post, is_reply, arrived));
    }

    /// What accepting an item does has changed: it is another version now.
    pub(in crate::core) fn changed(&mut self, id: ItemId) {
        if let Some(item) = self.waiting.iter_mut().find(|item| item.id == id) {
            item.version += 1;
        }
    }

    /// The number that the next draft gets. None comes twice, over restarts too.
    pub(in crate::core) fn next_draft(&self) -> u32 {
        self.drafts + 1
    }

    /// The number that the next permission gets. None comes twice, over restarts too.
    pub(in crate::core) fn next_permission(&self) -> u32 {
        self.permissions + 1
    }

    /// A permission of an earlier life had that number.
    pub(in crate::core) fn had_permission(&mut self, number: u32) {
        self.permissions = self.permissions.max(number);
    }

    /// An answer waits before it leaves, under that number.
    pub(in crate::core) fn add_draft(&mut self, number: u32, draft: Draft, me: &str, arrived: Moment) {
        self.drafts = self.drafts.max(number);
        self.push(Item {
            id: ItemId::Draft(number),
            from: Speaker {
                member: me.to_owned(),
                agent: draft.chat.agent.clone(),
            },
            text: crate::text::clean(&draft.chat.text).text,
            thread: draft.thread.clone().unwrap_or_default(),
            arrived,
            later: false,
            version: 1,
            asked_for: None,
            other_key: false,
            matter: ItemKind::Draft(Box::new(draft)),
        });
    }

    /// An agent waits for a permission.
    pub(in crate::core) fn add_permission(
        &mut self,
        permission: Permission,
        from: Speaker,
        thread: String,
        arrived: Moment,
    ) {
        self.permissions += 1;
        self.push(Item {
            id: ItemId::Permission(self.permissions),
            from,
            // Nothing is left to clean: it is escaped.
            text: permission.request.what.clone(),
            thread,
            arrived,
            later: false,
            version: 1,
            asked_for: None,
            other_key: false,
            matter: ItemKind::Permission(permission),
        });
    }

    pub(in crate::core) fn push(&mut self, item: Item) {
        self.waiting.push(item);
        self.choose();
    }

    /// What the strip shows stays; when it is gone, a permission goes first, since an agent waits for it,
    /// and then the oldest.
    fn choose(&mut self) {
        if self.next().is_some_and(|item| !item.later) {
            return;
        }
        let now = || self.waiting.iter().filter(|item| !item.later);
        let permission = now().find(|item| matches!(item.matter, ItemKind::Permission(_)));
        self.strip = permission.or_else(|| now().next()).map(|item| item.id);
    }

    /// Notes that a program has asked for an item to be decided; the first one that did stays noted.
    pub(in crate::core) fn ask_for(&mut self, id: ItemId, who: &str) -> bool {
        let Some(item) = self.waiting.iter_mut().find(|item| item.id == id) else {
            return false;
        };
        item.asked_for.get_or_insert_with(|| who.to_owned());
        true
    }

    /// Puts an item off: it leaves the strip, and stays in the list.
    pub(in crate::core) fn put_off(&mut self, id: ItemId) -> bool {
        let item = self.waiting.iter_mut().find(|item| item.id == id);
        let found = item.map(|item| item.later = true).is_some();
        self.choose();
        found
    }

    /// These items come from the key that their sender's name is known by, after all.
    pub(in crate::core) fn clear_other_key(&mut self, of: impl Fn(ItemId) -> bool) {
        let items = self.waiting.iter_mut().filter(|item| of(item.id));
        items.for_each(|item| item.other_key = false);
    }

    /// The draft that waits under that id.
    pub(in crate::core) fn draft_mut(&mut self, id: ItemId) -> Option<&mut Draft> {
        let item = self.waiting.iter_mut().find(|item| item.id == id)?;
        match &mut item.matter {
            ItemKind::Draft(draft) => Some(draft),
            _ => None,
        }
    }

    /// Takes an item out to be decided.
    pub(in crate::core) fn take(&mut self, id: ItemId) -> Option<Item> {
        self.take_where(|item| item.id == id).pop()
    }

    /// Takes out all mentions that have waited so long.
    pub(in crate::core) fn take_old_mentions(&mut self, now: Steady, waited: Millis) -> Vec<Item> {
        self.take_where(|item| item.mention_key().is_some() && now.since(item.arrived.steady) >= waited)
    }

    /// Takes out all permissions that have waited so long.
    pub(in crate::core) fn take_old_permissions(&mut self, now: Steady, waited: Millis) -> Vec<Item> {
        self.take_where(|item| {
            matches!(item.matter, ItemKind::Permission(_)) && now.since(item.arrived.steady) >= waited
        })
    }

    /// Takes out what a run has asked for: one request, or all.
    pub(in crate::core) fn take_permissions(&mut self, run: &str, request: Option<&str>) -> Vec<Item> {
        self.take_where(|item| {
            let ItemKind::Permission(permission) = &item.matter else {
                return false;
            };
            permission.run == run && request.is_none_or(|id| permission.request.id == id)
        })
    }

    fn take_where(&mut self, wanted: impl Fn(&Item) -> bool) -> Vec<Item> {
        let (taken, kept) = std::mem::take(&mut self.waiting).into_iter().partition(wanted);
        self.waiting = kept;
        self.choose();
        taken
    }

    /// What was decided, oldest first; the newest are remembered.
    pub fn log(&self) -> impl Iterator<Item = &Decided> {
        self.log.iter()
    }

    pub(in crate::core) fn remember(&mut self, key: Key, what: String, at: Millis) {
        if self.log.len() == DECIDED {
            self.log.pop_front();
        }
        self.log.push_back(Decided { at, key, what });
    }

    /// Notes what became of a mention; it waits no longer.
    pub(in crate::core) fn decided(&mut self, key: Key, fate: MentionOutcome, at: Millis) {
        self.take_where(|item| item.mention_key() == Some(&key));
        let what = match &fate {
            MentionOutcome::Accepted(agent) => format!("accepted for {agent}"),
            MentionOutcome::Rejected(why) if why.is_empty() => "rejected".to_owned(),
            MentionOutcome::Rejected(why) => format!("rejected: {why}"),
            MentionOutcome::Expired => "expired".to_owned(),
            MentionOutcome::Answered => "answered".to_owned(),
            MentionOutcome::Failed(why) => format!("failed: {}", why.in_words()),
        };
        self.remember(key.clone(), what, at);
        self.decided.insert(key, fate);
    }

    /// Mentions that were accepted and neither answered nor failed: their runs ended with the program. One whose
    /// answer waits as a draft is none of them.
    pub(in crate::core) fn interrupted(&self) -> Vec<Key> {
        let drafted = |key: &Key| {
            self.waiting.iter().any(|item| match &item.matter {
                ItemKind::Draft(draft) if draft.settles() => {
                    draft.question.as_ref().is_some_and(|(_, asked)| asked == key)
                }
                _ => false,
            })
        };
        let accepted = self
            .decided
            .iter()
            .filter(|(key, fate)| matches!(fate, MentionOutcome::Accepted(_)) && !drafted(key));
        let mut keys: Vec<Key> = accepted.map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }
}
