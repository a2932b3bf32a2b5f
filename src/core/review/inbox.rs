//! The inbox: all pending items of every kind, in one order.

use std::collections::{HashMap, VecDeque};

use nexscope_relay::protocol::body::ReceiptState;
use serde::{Deserialize, Serialize};

use crate::core::{
    AcceptOptions, Draft, Failure, Item, ItemId, ItemKind, Mention, Millis, Moment, Permission, Post, Steady,
    chat::recent_map::RecentMap, runs::ask::Speaker,
};

/// A message's identity: the sender's name in lower case, and the id.
pub(in crate::core) type Key = (String, String);

pub(in crate::core) fn key(from: &str, id: &str) -> Key {
    (from.to_ascii_lowercase(), id.to_owned())
}

/// Outcome of a mention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MentionOutcome {
    /// Accepted for the agent of this name.
    Accepted(String),
    /// Rejected, with a reason that may be empty.
    Rejected(String),
    Answered,
    /// Failed, with the reason that its sender is told.
    Failed(Failure),
    Expired,
}

impl MentionOutcome {
    /// The receipt for the sender.
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
    /// The message's sender and id; for a permission, the asker and an empty id.
    pub(in crate::core) key: Key,
    /// The decision in words: `accepted for claude`.
    pub what: String,
}

/// Number of decisions that are kept for display.
const DECIDED: usize = 500;
/// Number of settled mentions whose outcome is kept.
const SETTLED: usize = 10_000;

/// Pending items, oldest first, and past decisions.
#[derive(Debug)]
pub struct Inbox {
    waiting: Vec<Item>,
    /// Accepted mentions that are not answered yet, with their outcome so far. As many as there are runs.
    accepted: HashMap<Key, MentionOutcome>,
    /// The newest settled mentions.
    settled: RecentMap<Key, MentionOutcome>,
    /// Options with which mentions were accepted, if there were any.
    with: HashMap<Key, AcceptOptions>,
    log: VecDeque<Decided>,
    /// The item in the strip: it stays there until it is decided or snoozed.
    strip: Option<ItemId>,
    drafts: u32,
    permissions: u32,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            accepted: HashMap::new(),
            settled: RecentMap::new(SETTLED),
            with: HashMap::new(),
            log: VecDeque::new(),
            strip: None,
            drafts: 0,
            permissions: 0,
        }
    }
}

impl Inbox {
    /// Pending items, oldest first; snoozed ones last.
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

    /// The item in the strip.
    pub fn next(&self) -> Option<&Item> {
        self.strip.and_then(|id| self.get(id))
    }

    pub fn get(&self, id: ItemId) -> Option<&Item> {
        self.waiting.iter().find(|item| item.id == id)
    }

    /// Whether the message with that number is pending.
    pub fn has_mention(&self, number: u32) -> bool {
        self.get(ItemId::Mention(number)).is_some()
    }

    /// Outcome of a message that asked our agent.
    pub fn fate(&self, post: &Post) -> Option<&MentionOutcome> {
        let key = key(&post.from, &post.id);
        self.accepted.get(&key).or_else(|| self.settled.get(&key))
    }

    /// The options with which a mention was accepted.
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

    /// The reason that the sender of a pending mention is told, if any.
    pub(in crate::core) fn told_why(&self, key: &Key) -> Option<String> {
        let item = self.waiting.iter().find(|item| item.mention_key() == Some(key))?;
        match &item.matter {
            ItemKind::Mention(mention) if mention.notify_sender => mention.hold.reason(),
            _ => None,
        }
    }

    /// The arrival of the oldest pending mention.
    pub(in crate::core) fn oldest_mention(&self) -> Option<Steady> {
        self.waiting
            .iter()
            .filter(|item| item.mention_key().is_some())
            .map(|item| item.arrived.steady)
            .min()
    }

    /// The arrival of the oldest pending permission.
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

    /// Starts a new version of an item, because the effect of accepting it has changed.
    pub(in crate::core) fn changed(&mut self, id: ItemId) {
        if let Some(item) = self.waiting.iter_mut().find(|item| item.id == id) {
            item.version += 1;
        }
    }

    /// The number of the next draft. No number is used twice, even after a restart.
    pub(in crate::core) fn next_draft(&self) -> u32 {
        self.drafts + 1
    }

    /// The number of the next permission. No number is used twice, even after a restart.
    pub(in crate::core) fn next_permission(&self) -> u32 {
        self.permissions + 1
    }

    /// Marks a permission's number as used by an earlier session.
    pub(in crate::core) fn had_permission(&mut self, number: u32) {
        self.permissions = self.permissions.max(number);
    }

    /// Adds an answer as a draft with that number.
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

    /// Adds an agent's permission request.
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
            // Already escaped, so there is nothing to clean.
            text: permission.request.what.as_str().into(),
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

    /// Chooses the item for the strip: the current one if it is still there, else a permission, since an agent
    /// waits for it, else the oldest.
    fn choose(&mut self) {
        if self.next().is_some_and(|item| !item.later) {
            return;
        }
        let now = || self.waiting.iter().filter(|item| !item.later);
        let permission = now().find(|item| matches!(item.matter, ItemKind::Permission(_)));
        self.strip = permission.or_else(|| now().next()).map(|item| item.id);
    }

    /// Notes that a program has asked for an item to be decided; the first program stays noted.
    pub(in crate::core) fn ask_for(&mut self, id: ItemId, who: &str) -> bool {
        let Some(item) = self.waiting.iter_mut().find(|item| item.id == id) else {
            return false;
        };
        item.asked_for.get_or_insert_with(|| who.to_owned());
        true
    }

    /// Snoozes an item: it leaves the strip, and stays in the list.
    pub(in crate::core) fn put_off(&mut self, id: ItemId) -> bool {
        let item = self.waiting.iter_mut().find(|item| item.id == id);
        let found = item.map(|item| item.later = true).is_some();
        self.choose();
        found
    }

    /// Clears the mark of another key on these items, because the person now trusts that key.
    pub(in crate::core) fn clear_other_key(&mut self, of: impl Fn(ItemId) -> bool) {
        let items = self.waiting.iter_mut().filter(|item| of(item.id));
        items.for_each(|item| item.other_key = false);
    }

    /// The pending draft with that id.
    pub(in crate::core) fn draft_mut(&mut self, id: ItemId) -> Option<&mut Draft> {
        let item = self.waiting.iter_mut().find(|item| item.id == id)?;
        match &mut item.matter {
            ItemKind::Draft(draft) => Some(draft),
            _ => None,
        }
    }

    /// Removes an item to be decided.
    pub(in crate::core) fn take(&mut self, id: ItemId) -> Option<Item> {
        self.take_where(|item| item.id == id).pop()
    }

    /// Removes all mentions that have waited for `waited` milliseconds.
    pub(in crate::core) fn take_old_mentions(&mut self, now: Steady, waited: Millis) -> Vec<Item> {
        self.take_where(|item| item.mention_key().is_some() && now.since(item.arrived.steady) >= waited)
    }

    /// Removes all permissions that have waited for `waited` milliseconds.
    pub(in crate::core) fn take_old_permissions(&mut self, now: Steady, waited: Millis) -> Vec<Item> {
        self.take_where(|item| {
            matches!(item.matter, ItemKind::Permission(_)) && now.since(item.arrived.steady) >= waited
        })
    }

    /// Removes one permission request of a run, or all.
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

    /// Recent decisions, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &Decided> {
        self.log.iter()
    }

    pub(in crate::core) fn remember(&mut self, key: Key, what: String, at: Millis) {
        if self.log.len() == DECIDED {
            self.log.pop_front();
        }
        self.log.push_back(Decided { at, key, what });
    }

    /// Records the outcome of a mention, which is no longer pending.
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
        match fate {
            MentionOutcome::Accepted(_) => _ = self.accepted.insert(key, fate),
            _ => {
                self.accepted.remove(&key);
                if let Some(oldest) = self.settled.insert(key, fate)
                    && !self.accepted.contains_key(&oldest)
                {
                    // It cannot be retried any more, so its options are not needed.
                    self.with.remove(&oldest);
                }
            }
        }
    }

    /// Accepted mentions that were neither answered nor failed: their runs ended with the program. Mentions whose
    /// answer is pending as a draft are excluded.
    pub(in crate::core) fn interrupted(&self) -> Vec<Key> {
        let drafted = |key: &Key| {
            self.waiting.iter().any(|item| match &item.matter {
                ItemKind::Draft(draft) if draft.settles() => {
                    draft.question.as_ref().is_some_and(|(_, asked)| asked == key)
                }
                _ => false,
            })
        };
        let accepted = self.accepted.keys().filter(|key| !drafted(key));
        let mut keys: Vec<Key> = accepted.cloned().collect();
        keys.sort();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_mentions_are_bounded_and_accepted_ones_are_never_forgotten() {
        let mut inbox = Inbox::default();
        let of = |number: usize| key("bob", &number.to_string());
        let accepted = MentionOutcome::Accepted("claude".into());
        let review = AcceptOptions {
            review: true,
            ..AcceptOptions::default()
        };
        for number in 0..2 {
            inbox.decided(of(number), MentionOutcome::Failed(Failure::Interrupted), 0);
            inbox.set_accepted_with(of(number), review.clone());
        }
        // It is retried: its answer is owed again.
        inbox.decided(of(0), accepted.clone(), 0);
        for number in 2..SETTLED + 100 {
            inbox.decided(of(number), MentionOutcome::Expired, 0);
        }
        assert_eq!(inbox.settled.len(), SETTLED);
        assert_eq!(inbox.interrupted(), [of(0)]);
        assert_eq!(inbox.accepted.get(&of(0)), Some(&accepted));
        assert_eq!(inbox.accepted_with(&of(0)), &review);
        assert_eq!(inbox.with.len(), 1);
        inbox.decided(of(0), MentionOutcome::Answered, 0);
        assert!(inbox.accepted.is_empty());
        assert_eq!(inbox.settled.get(&of(0)), Some(&MentionOutcome::Answered));
    }
}
