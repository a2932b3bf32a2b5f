//! All members in the room, cleaned and sorted, with what their agents are doing.

use std::collections::{BTreeMap, HashSet};

use nexscope_relay::protocol::{Member, Mode, Status, body::Activity, is_name, same_name};

use crate::{
    core::{
        Millis,
        chat::{
            identity::KeyChange,
            pins::{Look, NAMES, Pins},
            timeline::LINE_MAX,
        },
    },
    text,
};

#[derive(Debug, Default)]
pub struct Members {
    list: Vec<RoomMember>,
    /// The key that each name is known by.
    pub(in crate::core) pins: Pins,
    /// Members who were here before the connection broke and have not returned; and when we reconnected.
    returning: (Vec<String>, Millis),
    /// Names, in lower case, of members who left since this program started; bounded.
    left: HashSet<String>,
}

/// Grace period after our own reconnect during which rejoins of earlier members are not announced, in ms: a
/// restarted relay sees everybody join.
const RETURNING: Millis = 120_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMember {
    pub name: String,
    /// The proof of its identity, if it has one.
    pub key: Option<String>,
    /// Whether it has another key than the name is known by, or none, and the person has not agreed.
    pub doubtful: bool,
    pub status: Status,
    pub agents: Vec<String>,
    pub mode: Mode,
    pub client: String,
    pub note: String,
    /// The protocol version that it speaks.
    pub v: u32,
    /// Activity of its agents, by agent name.
    pub doing: BTreeMap<String, Activity>,
}

impl RoomMember {
    fn new(member: Member) -> Self {
        Self {
            name: text::clean_line(&member.name, 32),
            key: member.key.map(|key| text::clean_line(&key, 64)),
            doubtful: false,
            status: member.status,
            agents: member
                .agents
                .into_iter()
                .filter(|name| is_name(name))
                .take(16)
                .collect(),
            mode: member.mode,
            client: text::clean_line(&member.client, 64),
            note: text::clean_line(&member.note, LINE_MAX),
            v: member.v,
            doing: BTreeMap::new(),
        }
    }
}

impl Members {
    pub fn list(&self) -> &[RoomMember] {
        &self.list
    }

    /// The member with that name.
    pub fn get(&self, name: &str) -> Option<&RoomMember> {
        self.list.iter().find(|member| same_name(&member.name, name))
    }

    pub(in crate::core) fn replace_all(
        &mut self,
        members: Vec<Member>,
        me: &str,
        now: Millis,
    ) -> Vec<KeyChange> {
        let here = |name: &str| members.iter().any(|member| same_name(&member.name, name));
        let names = self.list.iter().map(|member| member.name.clone());
        let gone: Vec<String> = names.filter(|name| !here(name)).collect();
        gone.iter().for_each(|name| self.has_left(name));
        // Joins and leaves were not seen meanwhile.
        self.pins.all_may_be_others();
        self.returning = (gone, now);
        let doubtful: Vec<String> = self
            .list
            .drain(..)
            .filter(|member| member.doubtful)
            .map(|member| member.name)
            .collect();
        let mut news = Vec::new();
        for member in members {
            let others = !same_name(&member.name, me);
            news.extend(self.put(member, others));
        }
        // What was reported before is not reported again.
        news.retain(|one| match one {
            KeyChange::Changed { name } => !doubtful.iter().any(|known| same_name(known, name)),
            KeyChange::First { .. } => true,
        });
        news
    }

    /// Adds or updates a member. Returns news about its key, if keys are checked.
    pub(in crate::core) fn put(&mut self, member: Member, looked_at: bool) -> Option<KeyChange> {
        let mut seen = RoomMember::new(member);
        if seen.status != Status::Online {
            self.pins.may_be_another(&seen.name);
        }
        let news = self.look_at_key(&mut seen, looked_at);
        match self.list.iter_mut().find(|old| same_name(&old.name, &seen.name)) {
            Some(old) => {
                if seen.status == Status::Online {
                    seen.doing = std::mem::take(&mut old.doing);
                }
                *old = seen;
            }
            None => self.list.push(seen),
        }
        self.list.sort_by_key(|member| member.name.to_ascii_lowercase());
        news
    }

    fn look_at_key(&mut self, seen: &mut RoomMember, looked_at: bool) -> Option<KeyChange> {
        if !looked_at {
            return None;
        }
        let name = seen.name.clone();
        match (self.pins.see(&name, seen.key.as_deref()), seen.key.clone()) {
            (Look::First, Some(key)) => Some(KeyChange::First { name, key }),
            (Look::Other, _) => {
                let before = self.get(&name).is_some_and(|member| member.doubtful);
                seen.doubtful = true;
                (!before).then_some(KeyChange::Changed { name })
            }
            _ => None,
        }
    }

    /// Pins this key, or none, for a name that the person trusts. Returns whether another key was known before.
    pub(in crate::core) fn trust(&mut self, name: &str, key: Option<String>) -> bool {
        let changed = self.pins.is_other(name, key.as_deref());
        match key.clone() {
            Some(key) => _ = self.pins.pin(name, key),
            // Unpinned until it has a key again, which needs another confirmation.
            None => self.pins.unpin(name),
        }
        self.pins.spoke_with(name);
        if let Some(member) = self.list.iter_mut().find(|member| same_name(&member.name, name)) {
            member.doubtful = self.pins.is_other(name, member.key.as_deref());
        }
        self.pins.trust(name, key);
        changed
    }

    /// Whether a name has come with another key than it is known by.
    pub fn is_doubtful(&self, name: &str) -> bool {
        self.get(name).is_some_and(|member| member.doubtful)
    }

    /// Whether a joining member was here just before the connection broke; true only once per member.
    pub(in crate::core) fn returns(&mut self, name: &str, now: Millis) -> bool {
        let (names, since) = &mut self.returning;
        let before = names.len();
        names.retain(|one| !same_name(one, name));
        names.len() < before && now.saturating_sub(*since) < RETURNING
    }

    /// Whether a member of that name is in the room, or was, as far as that is known.
    pub(in crate::core) fn was_here(&self, name: &str) -> bool {
        self.get(name).is_some()
            || self.pins.key(name).is_some()
            || self.left.contains(&name.to_ascii_lowercase())
    }

    fn has_left(&mut self, name: &str) {
        if self.left.len() < NAMES {
            self.left.insert(name.to_ascii_lowercase());
        }
    }

    pub(in crate::core) fn remove(&mut self, name: &str) {
        self.has_left(name);
        self.pins.may_be_another(name);
        self.list.retain(|member| !same_name(&member.name, name));
    }

    /// Clears the activities of all agents of `name`.
    pub(in crate::core) fn idle(&mut self, name: &str) {
        if let Some(member) = self.list.iter_mut().find(|member| same_name(&member.name, name)) {
            member.doing.clear();
        }
    }

    /// Sets the activity of an agent of `name`; `None` clears it.
    pub(in crate::core) fn doing(&mut self, name: &str, agent: &str, activity: Option<Activity>) {
        let Some(member) = self.list.iter_mut().find(|member| same_name(&member.name, name)) else {
            return;
        };
        match activity {
            // Bounded by the number of the member's agents.
            Some(activity) if member.agents.iter().any(|known| known == agent) => {
                member.doing.insert(agent.to_owned(), activity);
            }
            _ => {
                member.doing.remove(agent);
            }
        }
    }
}
