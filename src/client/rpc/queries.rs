//! What is told of a room: names that are valid, kinds, sizes, our own ids, and words that an agent may know.

use nexscope_relay::protocol::{Mode, Status, body::Origin, is_name};
use serde_json::{Value, json};

use super::{
    Answer,
    args::{Limits, refused, thread, usage},
};
use crate::{
    client::Client,
    core::{Command, Connection, ItemId, ItemKind, MentionOutcome, Post, Reply, Side, Stage, UPDATE},
};

impl Client {
    pub(super) fn who(&self) -> Value {
        let members = self
            .room
            .members
            .list()
            .iter()
            .filter(|member| is_name(&member.name));
        let members: Vec<Value> = members
            .map(|member| {
                json!({
                    "name": member.name,
                    "status": status(member.status),
                    "mode": mode(member.mode),
                    "agents": member.agents.len(),
                    "busy": member.doing.len(),
                    "version": member.v,
                })
            })
            .collect();
        json!({
            "name": self.room.settings.me,
            "room": self.room.settings.room,
            "online": self.online(),
            "members": members,
        })
    }

    pub(super) fn online(&self) -> Vec<&str> {
        let members = self.room.members.list().iter();
        members
            .filter(|member| member.status == Status::Online && is_name(&member.name))
            .map(|member| member.name.as_str())
            .collect()
    }

    /// Notes that all that waits is returned, whole, to a program that may decide.
    pub(super) fn returns_all(&mut self) {
        let ids: Vec<ItemId> = self.room.inbox.waiting().map(|item| item.id).collect();
        self.returned = Some(self.room.shown(&ids));
    }

    /// What waits; with its text for who decides.
    pub(super) fn inbox(&self, with_text: bool) -> Value {
        let pending: Vec<Value> = self
            .room
            .inbox
            .waiting()
            .map(|item| {
                let (kind, why) = match &item.matter {
                    ItemKind::Mention(mention) if mention.held.is_some() => {
                        ("mention", "auto mode stepped back")
                    }
                    ItemKind::Mention(_) => ("mention", "a person decides"),
                    ItemKind::Draft(draft) if draft.unfinished.is_some() => ("draft", "the run ended early"),
                    ItemKind::Draft(_) if item.wants_a_second_yes() => {
                        ("draft", "something in it is flagged")
                    }
                    ItemKind::Draft(_) => ("draft", "a person reads it first"),
                    ItemKind::Permission(_) => ("permission", "a person decides"),
                    ItemKind::File(_) => ("file", "a person decides"),
                };
                let thread = self
                    .room
                    .threads
                    .get(&item.thread)
                    .map(|thread| format!("t{}", thread.number));
                let mut told = json!({
                    "id": item.id.to_string(),
                    "kind": kind,
                    "from": valid(&item.from.member),
                    "by": if item.from.agent.is_some() { "agent" } else { "person" },
                    "threadId": thread,
                    "bytes": item.text.len(),
                    "time": item.arrived.at,
                    "why": why,
                    "askedFor": item.asked_for.is_some(),
                });
                if with_text {
                    let agent = match &item.matter {
                        ItemKind::Mention(mention) => self.room.agent_for(mention),
                        _ => None,
                    };
                    told["id"] = json!(item.label());
                    told["text"] = json!(item.text);
                    told["warnings"] = json!(item.warnings());
                    told["permissions"] = json!(
                        agent
                            .as_ref()
                            .and_then(|agent| self.room.settings.permissions.get(agent))
                    );
                    told["agent"] = json!(agent);
                    told["audience"] = json!(self.room.audience_of(item).in_words());
                }
                told
            })
            .collect();
        let mut archive: Vec<Value> = self
            .room
            .timeline
            .posts()
            .rev()
            .filter(|(_, post)| !post.is_strangers())
            .filter_map(|(_, post)| Some((post, self.room.inbox.fate(post)?)))
            .take(10)
            .map(|(post, fate)| {
                json!({
                    "id": format!("m{}", post.number),
                    "from": valid(&post.from),
                    "fate": match fate {
                        MentionOutcome::Accepted(_) => "accepted",
                        MentionOutcome::Rejected(_) => "rejected",
                        MentionOutcome::Answered => "answered",
                        MentionOutcome::Failed(_) => "failed",
                        MentionOutcome::Expired => "expired",
                    },
                })
            })
            .collect();
        archive.reverse();
        json!({ "pending": pending, "archive": archive })
    }

    pub(super) fn status(&self) -> Value {
        let room = &self.room;
        let agents: Vec<Value> = room
            .settings
            .agents
            .iter()
            .map(|agent| {
                let budget = room.settings.budget(agent);
                let standing = room.budget_standing(agent);
                json!({
                    "name": agent,
                    "budget": budget.in_words(&standing),
                    "runsToday": standing.runs,
                    "runsADay": budget.runs,
                })
            })
            .collect();
        json!({
            "connection": match &room.connection {
                Connection::Online => "online",
                Connection::Connecting => "connecting",
                Connection::Waiting { .. } => "waiting",
                Connection::Refused { .. } => "refused",
                Connection::Left => "left",
            },
            "name": room.settings.me,
            "room": room.settings.room,
            "mode": mode(room.settings.mode),
            "hopLimit": room.settings.limits.hop_limit,
            "agents": agents,
            "running": room.runs.all().map(|run| format!("m{}", run.post)).collect::<Vec<_>>(),
            "waiting": room.inbox.len(),
            "outbox": room.outbox.unacked(),
        })
    }

    pub(super) fn files(&self) -> Value {
        let files: Vec<Value> = self
            .room
            .offers
            .all()
            .map(|offer| {
                let state = match &offer.side {
                    Side::Theirs(fetch) => match fetch.stage {
                        Stage::Offered | Stage::Aside => "waits",
                        Stage::Preparing | Stage::Asked(_) | Stage::Moving(_) => "comes",
                        Stage::Done(_) => "done",
                        Stage::Declined => "declined",
                        Stage::Failed(_) => "failed",
                    },
                    Side::Mine(mine) => mine.state(),
                    Side::Others => "others",
                };
                let mut told = json!({
                    "id": format!("f{}", offer.number),
                    "from": valid(&offer.from),
                    "bytes": offer.size,
                    "state": state,
                    "percent": offer.fraction().map(|far| (far * 100.0) as u32),
                });
                if let Side::Mine(mine) = &offer.side {
                    // Why somebody declined is in their words, which are for people.
                    let each = mine
                        .receivers
                        .iter()
                        .map(|one| json!({ "name": valid(&one.name), "state": one.stage.state() }));
                    told["to"] = each.collect();
                }
                told
            })
            .collect();
        json!({ "files": files })
    }

    pub(super) fn history(&mut self, limits: Limits) -> Answer {
        let limit = limits.limit.unwrap_or(50);
        if !(1..=500).contains(&limit) {
            return Err(usage("limit is 1 to 500"));
        }
        let thread = limits.thread.map(thread).transpose()?;
        let reply = self
            .perform(Command::History { limit, thread })
            .map_err(refused)?;
        let Reply::History(numbers) = reply else {
            return Ok(Value::Null);
        };
        let posts = numbers
            .iter()
            .filter_map(|number| self.room.timeline.post_numbered(*number))
            // What somebody else wrote under our name is told to no program.
            .filter(|post| !post.is_strangers());
        let lines: Vec<Value> = posts.map(|post| self.line(post)).collect();
        Ok(json!({ "lines": lines }))
    }

    /// A message as an agent may know it.
    pub(super) fn line(&self, post: &Post) -> Value {
        let accepted = matches!(
            self.room.inbox.fate(post),
            Some(MentionOutcome::Accepted(_) | MentionOutcome::Answered)
        );
        let thread = self
            .room
            .threads
            .get(&post.thread)
            .map(|thread| format!("t{}", thread.number));
        json!({
            "id": format!("m{}", post.number),
            "from": valid(&post.from),
            "by": if post.origin == Origin::Agent { "agent" } else { "person" },
            "to": post.to.iter().filter(|name| is_name(name)).collect::<Vec<_>>(),
            "threadId": thread,
            "bytes": post.text.len(),
            "text": (post.mine || accepted).then(|| self.room.accepted_words(post)),
        })
    }

    pub(super) fn versions(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "relay": known_program(&self.room.relay),
            "members": self.room.members.list().iter().filter(|member| is_name(&member.name)).map(|member| {
                json!({ "name": member.name, "protocol": member.v, "client": known_program(&member.client) })
            }).collect::<Vec<_>>(),
            "message": UPDATE,
        })
    }
}

/// A member's name, if it is one.
pub(super) fn valid(name: &str) -> &str {
    if is_name(name) { name } else { "somebody" }
}

/// A member's program, if it is one that we know; what others call themselves is told to nobody.
pub(super) fn known_program(client: &str) -> Option<&str> {
    let version = ["nexscope-tui/", "nexscope-plugin/", "nexscope-relay/"]
        .iter()
        .find_map(|known| client.strip_prefix(known))?;
    let plain = version.len() <= 16 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then_some(client)
}

pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Manual => "manual",
        Mode::Auto => "auto",
    }
}

pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Away => "away",
    }
}
