//! Queries about a room: valid names, kinds, sizes, our own ids, and text that an agent may know.

use nexscope_relay::protocol::{Status as Presence, body::Origin, is_name};

use super::Answer;
use crate::{
    client::Client,
    control::{
        Reply, RpcError, offline,
        protocol::{
            AgentStatus, DecidedItem, File, FileReceiver, Files, History, Line, Lines, MemberVersion,
            Pending, PendingContent, PendingItem, Status, ThreadNumber, Versions, Who, WhoMember,
        },
    },
    core::{
        self, Command, Connection, Hold, Item, ItemId, ItemKind, MentionOutcome, Offer, Post, RoomMember,
        Side, Stage, UPDATE,
    },
};

pub(super) fn who(client: &Client) -> Who {
    let members = named_members(client).map(|member| WhoMember {
        name: member.name.clone(),
        status: match member.status {
            Presence::Online => "online",
            Presence::Away => "away",
        }
        .to_owned(),
        mode: member.mode.into(),
        agents: member.agents.len(),
        busy: member.doing.len(),
        version: member.v,
    });
    Who {
        name: client.room().settings.me.clone(),
        room: client.room().settings.room.clone(),
        not_connected: offline::reason(&client.room().connection),
        online: online(client),
        members: members.collect(),
    }
}

pub(super) fn online(client: &Client) -> Vec<String> {
    named_members(client)
        .filter(|member| member.status == Presence::Online)
        .map(|member| member.name.clone())
        .collect()
}

fn named_members(client: &Client) -> impl Iterator<Item = &RoomMember> {
    let members = client.room().chat.members().list().iter();
    members.filter(|member| is_name(&member.name))
}

/// Notes that all pending items are shown whole to a program that may decide.
pub(super) fn returns_all(client: &mut Client) {
    let ids: Vec<ItemId> = client
        .room()
        .review
        .inbox()
        .waiting()
        .map(|item| item.id)
        .collect();
    client.returned = Some(client.room().shown(&ids));
}

/// Pending items, with their text for a program that decides.
pub(super) fn inbox(client: &Client, with_text: bool) -> Pending {
    let pending = client.room().review.inbox().waiting();
    let decided = client
        .room()
        .chat
        .timeline()
        .posts()
        .rev()
        .filter(|(_, post)| !post.is_strangers())
        .filter_map(|(_, post)| Some((post, client.room().review.inbox().fate(post)?)))
        .take(10)
        .map(|(post, outcome)| DecidedItem {
            id: ItemId::Mention(post.number).to_string(),
            from: valid(&post.from).to_owned(),
            fate: match outcome {
                MentionOutcome::Accepted(_) => "accepted",
                MentionOutcome::Rejected(_) => "rejected",
                MentionOutcome::Answered => "answered",
                MentionOutcome::Failed(_) => "failed",
                MentionOutcome::Expired => "expired",
            }
            .to_owned(),
        });
    let mut archive: Vec<_> = decided.collect();
    archive.reverse();
    Pending {
        pending: pending
            .map(|item| pending_item(client, item, with_text))
            .collect(),
        archive,
    }
}

fn pending_item(client: &Client, item: &Item, with_text: bool) -> PendingItem {
    let (kind, why) = match &item.matter {
        ItemKind::Mention(mention) if mention.hold != Hold::Manual => ("mention", "auto mode stepped back"),
        ItemKind::Mention(_) => ("mention", "a person decides"),
        ItemKind::Draft(draft) if draft.unfinished.is_some() => ("draft", "the run ended early"),
        ItemKind::Draft(_) if item.wants_a_second_yes() => ("draft", "something in it is flagged"),
        ItemKind::Draft(_) => ("draft", "a person reads it first"),
        ItemKind::Permission(_) => ("permission", "a person decides"),
        ItemKind::File(_) => ("file", "a person decides"),
    };
    PendingItem {
        id: if with_text {
            item.label()
        } else {
            item.id.to_string()
        },
        kind: kind.to_owned(),
        from: valid(&item.from.member).to_owned(),
        by: by(item.from.agent.is_some()),
        thread_id: thread_id(client, &item.thread),
        bytes: item.text.len(),
        time: item.arrived.at,
        why: why.to_owned(),
        asked_for: item.asked_for.is_some(),
        content: with_text.then(|| content(client, item)),
    }
}

fn content(client: &Client, item: &Item) -> PendingContent {
    let agent = match &item.matter {
        ItemKind::Mention(mention) => client.room().agent_for(mention),
        _ => None,
    };
    let permissions = agent
        .as_ref()
        .and_then(|agent| client.room().settings.permissions.get(agent));
    PendingContent {
        text: item.text.to_string(),
        warnings: item.warnings(),
        permissions: serde_json::json!(permissions),
        audience: client.room().audience_of(item).in_words(),
        agent,
    }
}

fn thread_id(client: &Client, id: &str) -> Option<String> {
    let thread = client.room().chat.threads().get(id)?;
    Some(ThreadNumber(thread.number).to_string())
}

pub(super) fn status(client: &Client) -> Status {
    let room = client.room();
    let agents = room.settings.agents.iter().map(|agent| {
        let budget = room.settings.budget(agent);
        let used = client.program.budget_standing(agent);
        AgentStatus {
            name: agent.clone(),
            budget: budget.in_words(&used),
            runs_today: used.runs,
            runs_a_day: budget.runs,
        }
    });
    Status {
        connection: match &room.connection {
            Connection::Online => "online",
            Connection::Connecting => "connecting",
            Connection::Waiting { .. } => "waiting",
            Connection::Refused { .. } => "refused",
        }
        .to_owned(),
        not_connected: offline::reason(&room.connection),
        name: room.settings.me.clone(),
        room: room.settings.room.clone(),
        mode: room.settings.mode.into(),
        hop_limit: room.settings.limits.hop_limit,
        agents: agents.collect(),
        running: client
            .program
            .runs()
            .of(room.id())
            .map(|run| ItemId::Mention(run.post).to_string())
            .collect(),
        waiting: room.review.inbox().len(),
        outbox: room.chat.outbox().unacked(),
    }
}

pub(super) fn files(client: &Client) -> Files {
    Files {
        files: client.room().files.all().map(file).collect(),
    }
}

pub(super) fn history(client: &mut Client, wanted: History) -> Answer {
    let limit = wanted.limit.unwrap_or(20).into();
    if !(1..=500).contains(&limit) {
        return Err(RpcError::usage("The limit is 1 to 500."));
    }
    let thread = wanted.thread.map(|thread| thread.0.0);
    let reply = client
        .perform(Command::History { limit, thread })
        .map_err(RpcError::refused)?;
    let numbers = match reply {
        core::Reply::History(numbers) => numbers,
        _ => Vec::new(),
    };
    let posts = numbers
        .iter()
        .filter_map(|number| client.room().chat.timeline().post_numbered(*number))
        // Text that somebody else wrote under our name is never returned.
        .filter(|post| !post.is_strangers());
    Ok(Reply::History(Lines {
        lines: posts.map(|post| line(client, post)).collect(),
    }))
}

/// A message, as far as an agent may know it.
fn line(client: &Client, post: &Post) -> Line {
    let accepted = matches!(
        client.room().review.inbox().fate(post),
        Some(MentionOutcome::Accepted(_) | MentionOutcome::Answered)
    );
    Line {
        id: ItemId::Mention(post.number).to_string(),
        from: valid(&post.from).to_owned(),
        by: by(post.author.origin == Origin::Agent),
        to: post.to.iter().filter(|name| is_name(name)).cloned().collect(),
        thread_id: thread_id(client, &post.thread),
        bytes: post.text.len(),
        text: (post.sender.mine || accepted).then(|| client.room().accepted_words(post).to_owned()),
    }
}

pub(super) fn versions(client: &Client) -> Versions {
    let members = named_members(client).map(|member| MemberVersion {
        name: member.name.clone(),
        protocol: member.v,
        client: known_program(&member.client).map(str::to_owned),
    });
    Versions {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        relay: known_program(client.room().chat.relay()).map(str::to_owned),
        members: members.collect(),
        message: UPDATE.to_owned(),
    }
}

fn file(offer: &Offer) -> File {
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
    let to = match &offer.side {
        // A decline reason is other people's text, which is for people.
        Side::Mine(mine) => Some(mine.receivers.iter().map(|one| FileReceiver {
            name: valid(&one.name).to_owned(),
            state: one.stage.state().to_owned(),
        })),
        _ => None,
    };
    File {
        id: ItemId::File(offer.number).to_string(),
        from: valid(&offer.from).to_owned(),
        bytes: offer.size,
        state: state.to_owned(),
        percent: offer.fraction().map(|far| (far * 100.0) as u32),
        to: to.map(Iterator::collect),
    }
}

fn by(agent: bool) -> String {
    if agent { "agent" } else { "person" }.to_owned()
}

/// Returns a member's name if it is valid, otherwise `somebody`.
pub(super) fn valid(name: &str) -> &str {
    if is_name(name) { name } else { "somebody" }
}

/// Returns a member's program if it is a known one; any other text is never returned.
fn known_program(client: &str) -> Option<&str> {
    let version = ["nexscope-tui/", "nexscope-plugin/", "nexscope-relay/"]
        .iter()
        .find_map(|known| client.strip_prefix(known))?;
    let plain = version.len() <= 16 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then_some(client)
}
