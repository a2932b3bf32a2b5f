//! Everybody in the room, as shown: cleaned, sorted, with what their agents are doing.

use std::collections::BTreeMap;

use nexscope_relay::protocol::{Member, Mode, Status, body::Activity, is_name, same_name};

use super::timeline::LINE_MAX;
use crate::text;

/// Everybody in the room.
#[derive(Debug, Default)]
pub struct Members {
    list: Vec<Seen>,
}

/// A member, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The name.
    pub name: String,
    /// Proof of who it is, where there is one.
    pub key: Option<String>,
    /// Connected or away.
    pub status: Status,
    /// Names of its agents.
    pub agents: Vec<String>,
    /// How they answer.
    pub mode: Mode,
    /// Program and version.
    pub client: String,
    /// A word about itself.
    pub note: String,
    /// The protocol version that it speaks.
    pub v: u32,
    /// What its agents are doing, by agent.
    pub doing: BTreeMap<String, Activity>,
}

impl Seen {
    fn new(member: Member) -> Self {
        Self {
            name: text::clean_line(&member.name, 32),
            key: member.key,
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
    /// Everybody, sorted by name.
    pub fn list(&self) -> &[Seen] {
        &self.list
    }

    /// The member with that name.
    pub fn get(&self, name: &str) -> Option<&Seen> {
        self.list.iter().find(|member| same_name(&member.name, name))
    }

    pub(super) fn replace_all(&mut self, members: Vec<Member>) {
        self.list.clear();
        members.into_iter().for_each(|member| self.put(member));
    }

    pub(super) fn put(&mut self, member: Member) {
        let mut seen = Seen::new(member);
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
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.list.retain(|member| !same_name(&member.name, name));
    }

    /// No agent of `name` does anything any more.
    pub(super) fn idle(&mut self, name: &str) {
        if let Some(member) = self.list.iter_mut().find(|member| same_name(&member.name, name)) {
            member.doing.clear();
        }
    }

    /// An agent of `name` does something; `None` when it is done.
    pub(super) fn doing(&mut self, name: &str, agent: &str, activity: Option<Activity>) {
        let Some(member) = self.list.iter_mut().find(|member| same_name(&member.name, name)) else {
            return;
        };
        match activity {
            // What is signalled is bounded by the agents that the member has.
            Some(activity) if member.agents.iter().any(|known| known == agent) => {
                member.doing.insert(agent.to_owned(), activity);
            }
            _ => {
                member.doing.remove(agent);
            }
        }
    }
}
