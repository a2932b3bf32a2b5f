//! Ownership of names: the relay shows a key for each name, which is pinned; messages carry their sender's key.

use nexscope_relay::protocol::{MemberKey, Message, same_name};

use crate::core::{
    Ctx, Effect, ItemId, Outgoing, Post, Record, Refused, Reply, Room, WhyHeld,
    chat::{pins::Look, receive, timeline::Doubt},
};

/// News about the key of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) enum KeyChange {
    /// The key was seen for the first time, and is pinned.
    First { name: String, key: String },
    /// Another key, or none, has replaced the known one.
    Changed { name: String },
}

/// Features for names that the relay announces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::core) struct Features {
    /// Messages carry their sender's key.
    pub from_key: bool,
    /// Messages are delivered to the addressed key only.
    pub to_keys: bool,
}

/// Keeps keys that were seen for the first time, and notifies the person of changed ones.
pub(in crate::core) fn keys_seen(room: &mut Room, news: Vec<KeyChange>, ctx: &mut Ctx) {
    for one in news {
        match one {
            KeyChange::First { name, key } => {
                ctx.keep(Record::Known { name, key });
            }
            KeyChange::Changed { name } => {
                room.chat.timeline.note(
                        format!(
                            "{name} joined with a different key: perhaps somebody else. Messages for {name} are held. Check with {name} another way, then type /trust {name}."
                        ),
                        ctx.now,
                    );
                ctx.attention(crate::core::Attention::Message);
            }
        }
    }
}

/// Adds the sender's current key to a message from a relay that does not send keys. An invalid key counts as none.
pub(in crate::core) fn sign(room: &Room, message: &mut Message) {
    if !room.chat.features.from_key {
        let member = room.chat.members.get(&message.from);
        message.from_key = member.and_then(|member| member.key.clone());
    }
    message.from_key.take_if(|key| key.parse::<MemberKey>().is_err());
}

/// Whether a message is our own, written by an earlier session of this client: it carries our own key.
pub(in crate::core) fn is_ours(room: &Room, message: &Message) -> bool {
    let own = room.settings.own_key.as_ref();
    own.is_some() && message.from_key.as_ref() == own
}

/// Whether a message comes from another key than its sender's name is known by. The first key of a name is pinned.
pub(in crate::core) fn is_from_another_key(room: &mut Room, message: &Message) -> bool {
    room.chat
        .members
        .pins
        .see(&message.from, message.from_key.as_deref())
        == Look::Other
}

/// Checks whether auto mode may answer a message: the person trusts its sender's name and key. Fails with the
/// reason.
pub(in crate::core) fn vouched_for(room: &Room, post: &Post) -> Result<(), WhyHeld> {
    let name = post.from.clone();
    let key = post.sender.key.as_deref();
    if post.sender.doubt.is_some() || room.chat.members.is_doubtful(&name) {
        return Err(WhyHeld::OtherKey(name));
    }
    if !room.chat.features.from_key && room.chat.members.get(&name).is_none() {
        return Err(WhyHeld::Left(name));
    }
    match room.chat.members.pins.is_trusted(&name, key) {
        true => Ok(()),
        false => Err(WhyHeld::NotTrusted(name)),
    }
}

/// Lets auto mode answer the sender of an accepted mention from now on, until its key changes; a sender without a
/// key until it leaves.
pub(in crate::core) fn accepted_from(room: &mut Room, number: u32, ctx: &mut Ctx) {
    let Some(post) = room.chat.timeline.post_numbered(number) else {
        return;
    };
    let (name, key) = (post.from.clone(), post.sender.key.clone());
    let unsure = post.sender.doubt.is_some() || post.sender.mine;
    if !unsure && !room.chat.members.pins.is_trusted(&name, key.as_deref()) {
        match key {
            Some(_) => keep_trust(room, &name, key, ctx),
            None => room.chat.members.pins.trust_while_here(&name),
        }
    }
}

fn keep_trust(room: &mut Room, name: &str, key: Option<String>, ctx: &mut Ctx) {
    ctx.keep(Record::Trusted {
        name: name.to_owned(),
        key: key.clone(),
    });
    take_trust(room, name, key);
}

/// Trusts a name with this key from now on, and clears the doubt on messages that came with it.
pub(in crate::core) fn take_trust(room: &mut Room, name: &str, key: Option<String>) {
    if !room.chat.members.trust(name, key.clone()) {
        return;
    }
    let cleared = room.chat.timeline.clear_doubt(name, key.as_deref());
    let offers = &room.files;
    room.review.inbox.clear_other_key(|id| match id {
        ItemId::Mention(number) => cleared.contains(&number),
        ItemId::File(number) => offers
            .get(number)
            .is_some_and(|offer| cleared.contains(&offer.post)),
        ItemId::Draft(_) | ItemId::Permission(_) => false,
    });
}

/// Trusts a name on behalf of the person: pins its current key and lets auto mode answer it, or confirms what the
/// person's own agent of that name reaches. Fails if there is nothing to trust.
pub(in crate::core) fn trust(room: &mut Room, name: &str, ctx: &mut Ctx) -> Result<Reply, Refused> {
    if !room.chat.members.is_doubtful(name)
        && let Some(reach) = room.settings.unconfirmed.remove(name)
    {
        ctx.push(Effect::Confirm {
            agent: name.to_owned(),
        });
        return Ok(Reply::Text(format!("Allowed: {name} {reach}.")));
    }
    let (name, key) = who_is(room, name).ok_or_else(|| Refused::Offline(name.to_owned()))?;
    let doubtful = room.chat.members.pins.is_other(&name, key.as_deref());
    if !doubtful && room.chat.members.pins.is_trusted(&name, key.as_deref()) {
        return Err(Refused::TrustedAlready(name));
    }
    let keyless = key.is_none();
    keep_trust(room, &name, key, ctx);
    let open: Vec<String> = room.chat.outbox.open().map(|one| one.id.clone()).collect();
    open.iter().for_each(|id| receive::transmit(room, id, ctx));
    Ok(Reply::Text(match doubtful {
        _ if keyless => {
            format!("{name} is trusted, but has no key: auto mode answers whoever has that name here.")
        }
        true => format!("{name} is trusted with the new key."),
        false => format!("{name} is trusted: auto mode answers {name} until the key changes."),
    }))
}

/// The spelling of a name, and its current or last seen key.
fn who_is(room: &Room, name: &str) -> Option<(String, Option<String>)> {
    if room.is_me(name) {
        return None;
    }
    if let Some(member) = room.chat.members.get(name) {
        return Some((member.name.clone(), member.key.clone()));
    }
    let mut posts = room.chat.timeline.posts().rev().map(|(_, post)| post);
    let last = posts.find(|post| same_name(&post.from, name));
    last.map(|post| (post.from.clone(), post.sender.key.clone()))
}

/// Addressees for whose sake our message is not sent to the relay yet: names that may belong to somebody else by
/// now; and, if the relay delivers `only` messages to whoever has the name, names that are not here with the known
/// key.
pub(in crate::core) fn held_for(room: &Room, to: &[String], only: bool) -> Vec<String> {
    let holds = |name: &&String| {
        let member = room.chat.members.get(name);
        let known = room.chat.members.pins.key(name);
        let here = member.filter(|member| member.status == crate::core::Status::Online);
        let away = known.is_some() && here.is_none_or(|member| member.key.as_deref() != known);
        member.is_some_and(|member| member.doubtful) || only && !room.chat.features.to_keys && away
    };
    to.iter().filter(holds).cloned().collect()
}

/// The known keys of the addressees.
pub(in crate::core) fn keys_of(room: &Room, to: &[String]) -> std::collections::BTreeMap<String, String> {
    let known = |name: &String| Some((name.clone(), room.chat.members.pins.key(name)?.to_owned()));
    to.iter().filter_map(known).collect()
}

/// Notes that the person speaks with the addressees of our message.
pub(in crate::core) fn speaks_with(room: &mut Room, outgoing: &Outgoing) {
    if outgoing.is_chat() {
        outgoing
            .to
            .iter()
            .for_each(|name| room.chat.members.pins.spoke_with(name));
    }
}

impl Post {
    /// Whether somebody else wrote it under our own name.
    pub fn is_strangers(&self) -> bool {
        self.sender.doubt == Some(Doubt::Stranger)
    }
}
