//! Whose a name is: the relay shows a key for it, which is remembered, and messages carry their sender's.

use nexscope_relay::protocol::{MemberKey, Message, same_name};

use crate::core::{
    Ctx, Effect, ItemId, Outgoing, Post, Record, Reply, Room,
    chat::{pins::Look, receive, timeline::Doubt},
};

/// What is new about the key of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) enum KeyChange {
    /// It is seen for the first time, and remembered.
    First { name: String, key: String },
    /// Another one, or none, has come in the place of the one that is known.
    Changed { name: String },
}

/// What the relay says that it does for names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::core) struct Features {
    /// Messages carry their sender's key.
    pub from_key: bool,
    /// Messages reach the key that they are for, and no other.
    pub to_keys: bool,
}

/// Keeps what was seen for the first time, and tells the person what has changed.
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

/// Notes the sender's key on a message that comes from a relay that does not: the one with which the sender is
/// here. A key that is no key is none.
pub(in crate::core) fn sign(room: &Room, message: &mut Message) {
    if !room.chat.features.from_key {
        let member = room.chat.members.get(&message.from);
        message.from_key = member.and_then(|member| member.key.clone());
    }
    message.from_key.take_if(|key| key.parse::<MemberKey>().is_err());
}

/// Whether a message is our own member's, written in another life of this client: it carries our own key.
pub(in crate::core) fn is_ours(room: &Room, message: &Message) -> bool {
    let own = room.settings.own_key.as_ref();
    own.is_some() && message.from_key.as_ref() == own
}

/// Whether a message does not come from the key that its sender's name is known by. A name's first key is the
/// one that it is known by.
pub(in crate::core) fn is_from_another_key(room: &mut Room, message: &Message) -> bool {
    room.chat
        .members
        .pins
        .see(&message.from, message.from_key.as_deref())
        == Look::Other
}

/// Whether auto mode may answer a message: its sender's name and key are trusted by the person. Else why not.
pub(in crate::core) fn vouched_for(room: &Room, post: &Post) -> Result<(), String> {
    let name = &post.from;
    let key = post.from_key.as_deref();
    if post.doubt.is_some() || room.chat.members.is_doubtful(name) {
        return Err(format!("{name} joined with a different key"));
    }
    if !room.chat.features.from_key && room.chat.members.get(name).is_none() {
        return Err(format!("{name} has left, so its key cannot be checked"));
    }
    match room.chat.members.pins.is_trusted(name, key) {
        true => Ok(()),
        false => Err(format!("no message from {name} was accepted here yet")),
    }
}

/// The person has accepted a mention: auto mode may answer its sender from now on, until the key changes; one without
/// a key, until it leaves.
pub(in crate::core) fn accepted_from(room: &mut Room, number: u32, ctx: &mut Ctx) {
    let Some(post) = room.chat.timeline.post_numbered(number) else {
        return;
    };
    let (name, key) = (post.from.clone(), post.from_key.clone());
    let unsure = post.doubt.is_some() || post.mine;
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

/// A name is trusted with this key from now on: what came with it is in no doubt any more.
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

/// The person trusts a name: takes the key that it has now as its own, and lets auto mode answer it; or says
/// yes to what an agent of theirs reaches. Fails where there is nothing to trust.
pub(in crate::core) fn trust(room: &mut Room, name: &str, ctx: &mut Ctx) -> Result<Reply, String> {
    if !room.chat.members.is_doubtful(name)
        && let Some(reach) = room.settings.unconfirmed.remove(name)
    {
        ctx.push(Effect::Confirm {
            agent: name.to_owned(),
        });
        return Ok(Reply::Text(format!("Allowed: {name} {reach}.")));
    }
    let (name, key) = who_is(room, name).ok_or_else(|| format!("{name} is offline."))?;
    let doubtful = room.chat.members.pins.is_other(&name, key.as_deref());
    if !doubtful && room.chat.members.pins.is_trusted(&name, key.as_deref()) {
        return Err(format!("{name} is trusted already."));
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

/// A name's spelling, and the key that it has now, or had when it was last seen.
fn who_is(room: &Room, name: &str) -> Option<(String, Option<String>)> {
    if room.is_me(name) {
        return None;
    }
    if let Some(member) = room.chat.members.get(name) {
        return Some((member.name.clone(), member.key.clone()));
    }
    let mut posts = room.chat.timeline.posts().rev().map(|(_, post)| post);
    let last = posts.find(|post| same_name(&post.from, name));
    last.map(|post| (post.from.clone(), post.from_key.clone()))
}

/// Of the addressees of a message of ours, those for whose sake it is not given to the relay yet: a name that may
/// be somebody else's by now; and, where the relay gives an `only` message to whoever has the name, one that is
/// not here with the key that it is known by.
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

/// The keys that addressees are known by.
pub(in crate::core) fn keys_of(room: &Room, to: &[String]) -> std::collections::BTreeMap<String, String> {
    let known = |name: &String| Some((name.clone(), room.chat.members.pins.key(name)?.to_owned()));
    to.iter().filter_map(known).collect()
}

/// The person speaks with those whom a message of ours addresses.
pub(in crate::core) fn speaks_with(room: &mut Room, outgoing: &Outgoing) {
    if outgoing.is_chat() {
        outgoing
            .to
            .iter()
            .for_each(|name| room.chat.members.pins.spoke_with(name));
    }
}

impl Post {
    /// Whether somebody else has written it under our own name.
    pub fn is_strangers(&self) -> bool {
        self.doubt == Some(Doubt::Stranger)
    }
}
