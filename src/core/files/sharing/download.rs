//! Files that others offer: deciding, requesting and receiving them.

use nexscope_relay::protocol::{
    Message, StreamOpen,
    body::{Body, Chat},
    same_name, stream_id,
};

use crate::core::{
    Attention, Connection, Ctx, Effect, Fetch, FileOutcome, Item, ItemId, ItemKind, Millis, Offer, Outgoing,
    Progress, Room, Side, Stage, Steady,
    chat::{outgoing, receive},
    files::{
        ASIDE, Download, MOST, MOST_ASIDE, StreamRefused, TransferEvent, TransferOrder,
        sharing::{self, offer, order},
    },
    persist::audit::{By, Verdict},
};

/// Longest file id that is accepted, in bytes; the relay's own limit.
const MAX_ID: usize = 256;

/// The time of a file's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    Now,
    /// Before the program was restarted.
    Before,
    /// Before the restart, when all of it was already here, kept aside.
    Whole,
}

/// Notes the files of a received message. Returns their numbers.
pub(in crate::core) fn offered(
    room: &mut Room,
    message: &Message,
    chat: &Chat,
    post: u32,
    for_us: bool,
) -> Vec<u32> {
    let files = chat
        .files
        .iter()
        .filter(|file| file.id.len() <= MAX_ID)
        .take(MOST);
    let fetch = Fetch {
        stage: Stage::Offered,
        accepted: false,
        pushed: false,
    };
    files
        .map(|file| {
            let side = match for_us {
                true => Side::Theirs(fetch.clone()),
                false => Side::Others,
            };
            room.files
                .add(offer(&message.from, &message.id, file, post, side))
        })
        .collect()
}

/// Applies the person's settings for all files: too large ones are declined, small ones accepted.
pub(in crate::core) fn look_at_offers(room: &mut Room, numbers: &[u32], ctx: &mut Ctx) {
    for number in numbers {
        let Some(size) = room.files.get(*number).map(|offer| offer.size) else {
            continue;
        };
        if size > room.settings.files.max {
            let most = crate::text::bytes(room.settings.files.max);
            let by = By::Setting("files.max".to_owned());
            sharing::note_file_decided(room, *number, by, Verdict::Rejected, ctx);
            decline(
                room,
                *number,
                &format!("larger than {most}, the most that is taken here"),
                ctx,
            );
        } else if size < room.settings.files.auto_accept_below {
            let by = By::Setting("files.auto_accept_below".to_owned());
            sharing::note_file_decided(room, *number, by, Verdict::Accepted, ctx);
            fetch_file(room, *number, ctx);
        }
    }
}

/// Whether the files of a mention may be fetched without a person.
pub(in crate::core) fn files_come_alone(room: &Room, numbers: &[u32]) -> bool {
    numbers.iter().all(|number| {
        room.files
            .get(*number)
            .is_none_or(|offer| offer.size < room.settings.files.auto_accept_below)
    })
}

/// Requests a file that the person, or a setting, wants.
pub(in crate::core) fn fetch_file(room: &mut Room, number: u32, ctx: &mut Ctx) {
    let Some(Fetch { stage, accepted, .. }) = sharing::fetch(room, number).cloned() else {
        return;
    };
    if accepted && !matches!(stage, Stage::Failed(_) | Stage::Declined) {
        return;
    }
    room.review.inbox.take(ItemId::File(number));
    if let Some(fetch) = sharing::fetch_mut(room, number) {
        fetch.accepted = true;
    }
    sharing::keep_fate(room, number, FileOutcome::Accepted, ctx);
    match stage {
        // It is here, or is being received.
        Stage::Aside | Stage::Moving(_) => ctx.push(order(number, None, TransferOrder::Keep)),
        _ => prepare(room, number, Since::Now, ctx),
    }
}

/// Deletes what came of a pushed file before the program ended.
pub(super) fn discard(room: &Room, number: u32, ctx: &mut Ctx) {
    if let Some(wanted) = room
        .files
        .get(number)
        .and_then(|offer| wanted(offer, Since::Before))
    {
        ctx.push(order(number, None, TransferOrder::Discard(wanted)));
    }
}

pub(super) fn prepare(room: &mut Room, number: u32, since: Since, ctx: &mut Ctx) {
    let Some(offer) = room.files.get_mut(number) else {
        return;
    };
    let Some(wanted) = wanted(offer, since) else {
        return;
    };
    if let Some(fetch) = offer.fetch_mut() {
        fetch.stage = Stage::Preparing;
    }
    ctx.push(order(number, None, TransferOrder::Fetch(wanted)));
}

fn wanted(offer: &Offer, since: Since) -> Option<Download> {
    let Side::Theirs(fetch) = &offer.side else {
        return None;
    };
    Some(Download {
        name: offer.name.clone(),
        size: offer.size,
        sha256: offer.sha256.clone(),
        tag: offer.tag(),
        accepted: fetch.accepted,
        whole: since == Since::Whole,
        again: since != Since::Now,
    })
}

/// Declines a file for the person, and notifies its sender.
pub(in crate::core) fn decline(room: &mut Room, number: u32, reason: &str, ctx: &mut Ctx) {
    room.review.inbox.take(ItemId::File(number));
    let Some(offer) = room.files.get(number) else {
        return;
    };
    let (from, of, file) = (offer.from.clone(), offer.key.1.clone(), offer.file.clone());
    if sharing::fetch(room, number)
        .is_none_or(|fetch| matches!(fetch.stage, Stage::Done(_) | Stage::Declined))
    {
        return;
    }
    sharing::set_stage(room, number, Stage::Declined);
    ctx.push(order(number, None, TransferOrder::Stop));
    sharing::keep_fate(room, number, FileOutcome::Declined, ctx);
    say_decline(room, &from, &of, &file, reason, ctx);
}

pub(super) fn say_decline(room: &mut Room, to: &str, of: &str, file: &str, reason: &str, ctx: &mut Ctx) {
    let body = Body::FileDecline {
        of: of.to_owned(),
        file: file.to_owned(),
        reason: reason.to_owned(),
    };
    let decline = Outgoing::new(ctx.fresh_id(), vec![to.to_owned()], true, None, body, 0);
    outgoing::send(room, decline, ctx);
}

/// Requests the missing part of a file from its sender, if there is a connection.
fn ask_for(room: &mut Room, number: u32, ctx: &mut Ctx) {
    if room.connection != Connection::Online {
        return;
    }
    let Some(offer) = room.files.get(number) else {
        return;
    };
    let offset = match &offer.side {
        Side::Theirs(Fetch {
            stage: Stage::Asked(have),
            pushed: false,
            ..
        }) => *have,
        _ => return,
    };
    let body = Body::FileAccept {
        of: offer.key.1.clone(),
        file: offer.file.clone(),
        offset,
    };
    let to = vec![offer.from.clone()];
    // Earlier requests, which may not have been sent yet, are out of date.
    room.chat.outbox.forget_accepts(&offer.key.1, &offer.file);
    let accept = Outgoing::new(ctx.fresh_id(), to, true, None, body, 0);
    outgoing::send(room, accept, ctx);
}

/// Requests wanted files again after our own reconnect, or only from `from` if that member is back: earlier streams
/// are dead.
pub(in crate::core) fn ask_again(room: &mut Room, from: Option<&str>, ctx: &mut Ctx) {
    let concerned = |offer: &&Offer| from.is_none_or(|from| same_name(&offer.from, from));
    let numbers: Vec<u32> = room
        .files
        .all()
        .filter(concerned)
        .filter(|offer| matches!(&offer.side, Side::Theirs(fetch) if fetch.accepted))
        .map(|offer| offer.number)
        .collect();
    for number in numbers {
        if let Some(Stage::Moving(progress)) = sharing::fetch(room, number).map(|fetch| &fetch.stage) {
            let have = progress.have;
            sharing::set_stage(room, number, Stage::Asked(have));
        }
        ask_for(room, number, ctx);
    }
}

/// Handles a new stream: for a file that was requested, or pushed by a version 1 member.
pub(in crate::core) fn stream_opened(room: &mut Room, open: &StreamOpen, ctx: &mut Ctx) {
    let Some(stream) = stream_id(&open.stream) else {
        return;
    };
    let from = open.from.as_deref().unwrap_or_default();
    let found = room
        .files
        .of_stream(from, &open.of)
        .map(|offer| (offer.number, offer.size));
    let answer = match found {
        Some(_) if room.chat.members.is_doubtful(from) => Err(StreamRefused::OtherKey),
        Some((number, size)) => may_come(room, number, size, open).map(|()| number),
        None => Err(StreamRefused::NotAsked),
    };
    match answer {
        Ok(number) => {
            if open.pushed {
                if let Some(fetch) = sharing::fetch_mut(room, number) {
                    fetch.pushed = true;
                }
                prepare(room, number, Since::Now, ctx);
            }
            sharing::set_stage(room, number, Stage::Moving(Progress::new(open.offset, ctx.now)));
            let offset = open.offset;
            ctx.push(order(number, None, TransferOrder::Take { stream, offset }));
        }
        Err(why) => ctx.push(Effect::RefuseStream { stream, why }),
    }
}

fn may_come(room: &mut Room, number: u32, size: u64, open: &StreamOpen) -> Result<(), StreamRefused> {
    let Some(fetch) = sharing::fetch(room, number) else {
        return Err(StreamRefused::NotAsked);
    };
    if open.pushed {
        let (bytes, files) = room.files.aside();
        let has_space = bytes.saturating_add(size) <= ASIDE && files < MOST_ASIDE;
        let fits = size <= room.settings.files.max && has_space;
        return match (&fetch.stage, fits && open.size == size && open.offset == 0) {
            (Stage::Offered, true) => Ok(()),
            (Stage::Offered, false) => Err(StreamRefused::NoSpace),
            _ => Err(StreamRefused::NotAccepted),
        };
    }
    if !fetch.accepted || !matches!(fetch.stage, Stage::Asked(_) | Stage::Moving(_)) {
        return Err(StreamRefused::NotExpected);
    }
    if open.size != size {
        let (offered, now) = (size, open.size);
        return Err(StreamRefused::SizeChanged { offered, now });
    }
    Ok(())
}

pub(in crate::core) fn fetching_event(room: &mut Room, number: u32, event: TransferEvent, ctx: &mut Ctx) {
    let Some(offer) = room.files.get(number) else {
        return;
    };
    let (name, from) = (offer.name.clone(), offer.from.clone());
    let Some(fetch) = sharing::fetch_mut(room, number) else {
        return;
    };
    match event {
        TransferEvent::Ready { have } => {
            if fetch.stage == Stage::Preparing {
                fetch.stage = Stage::Asked(have);
                ask_for(room, number, ctx);
            }
        }
        TransferEvent::Progress { have } => match &mut fetch.stage {
            Stage::Moving(progress) => progress.moved(have, ctx.now),
            Stage::Asked(_) => fetch.stage = Stage::Moving(Progress::new(have, ctx.now)),
            _ => {}
        },
        TransferEvent::Cut { .. } if fetch.pushed => {
            // What came of it is of no use, and is deleted.
            ctx.push(order(number, None, TransferOrder::Stop));
            fetch_failed(
                room,
                number,
                "the transfer was cut, and its sender cannot resume it",
                ctx,
            );
        }
        TransferEvent::Cut { have } => {
            if matches!(fetch.stage, Stage::Moving(_)) {
                fetch.stage = Stage::Asked(have);
                // A member whose connection was taken over is still here.
                if receive::is_online(room, &from) {
                    ask_for(room, number, ctx);
                }
            }
        }
        TransferEvent::Aside => {
            fetch.stage = Stage::Aside;
            sharing::keep_fate(room, number, FileOutcome::Aside, ctx);
        }
        TransferEvent::Done { path } => {
            fetch.stage = Stage::Done(path.clone());
            sharing::keep_fate(room, number, FileOutcome::Done(path.clone()), ctx);
            let place = crate::text::clean_line(&path.to_string_lossy(), 500);
            room.chat
                .timeline
                .note(format!("f{number} {name} from {from} is here: {place}"), ctx.now);
            ctx.attention(Attention::Message);
            sharing::files_moved_on(room, ctx);
        }
        TransferEvent::Failed(why) => fetch_failed(room, number, &why, ctx),
        TransferEvent::Hashed(_) => {}
    }
}

fn fetch_failed(room: &mut Room, number: u32, why: &str, ctx: &mut Ctx) {
    let Some(offer) = room.files.get(number) else {
        return;
    };
    let (name, from) = (offer.name.clone(), offer.from.clone());
    let (of, file) = (offer.key.1.clone(), offer.file.clone());
    let fetch = sharing::fetch(room, number);
    let wanted = fetch.is_some_and(|fetch| fetch.accepted);
    if fetch.is_some_and(|fetch| fetch.stage == Stage::Preparing && !fetch.pushed) {
        // It was not requested, so no stream notifies its sender.
        say_decline(room, &from, &of, &file, why, ctx);
    }
    room.review.inbox.take(ItemId::File(number));
    sharing::set_stage(room, number, Stage::Failed(why.to_owned()));
    sharing::keep_fate(room, number, FileOutcome::Failed(why.to_owned()), ctx);
    let retry = match wanted {
        true => format!(" /retry f{number} fetches it again."),
        false => String::new(),
    };
    room.chat.timeline.note(
        format!(
            "f{number} {name} was not received: {}.{retry}",
            why.trim_end_matches('.')
        ),
        ctx.now,
    );
    ctx.attention(Attention::Failure);
    sharing::files_moved_on(room, ctx);
}

/// The time since which the oldest unrequested file has been kept aside.
pub(in crate::core) fn oldest_aside(room: &Room) -> Option<Steady> {
    items_aside(room).map(|(_, arrived)| arrived).min()
}

/// Declines unrequested files that nobody accepted within `waited` ms.
pub(in crate::core) fn expire_files(room: &mut Room, waited: Millis, ctx: &mut Ctx) {
    let old: Vec<u32> = items_aside(room)
        .filter(|(_, came)| ctx.clock.steady.since(*came) >= waited)
        .map(|(number, _)| number)
        .collect();
    for number in old {
        sharing::note_file_decided(room, number, By::Expiry, Verdict::Expired, ctx);
        decline(room, number, "nobody decided in time", ctx);
    }
}

fn items_aside(room: &Room) -> impl Iterator<Item = (u32, Steady)> {
    room.review.inbox.waiting().filter_map(|item| match item.matter {
        ItemKind::File(number) => {
            let pushed = sharing::fetch(room, number).is_some_and(|fetch| fetch.pushed);
            pushed.then_some((number, item.arrived.steady))
        }
        _ => None,
    })
}

/// Adds an item for each file that is offered by itself.
pub(in crate::core) fn file_items(room: &mut Room, numbers: &[u32], ctx: &Ctx) -> bool {
    let mut any = false;
    for number in numbers {
        let waiting = room.files.get(*number).filter(|offer| {
                matches!(&offer.side, Side::Theirs(fetch) if fetch.stage == Stage::Offered && !fetch.accepted)
            });
        let Some(offer) = waiting else { continue };
        let post = room.chat.timeline.post_numbered(offer.post);
        let Some((speaker, thread, other_key)) =
            post.map(|post| (post.speaker(), post.thread.clone(), post.sender.doubt.is_some()))
        else {
            continue;
        };
        let arrived = ctx.moment();
        room.review.inbox.push(Item {
            id: ItemId::File(*number),
            from: speaker,
            text: format!("{} · {}", offer.name, crate::text::bytes(offer.size)).into(),
            thread,
            arrived,
            later: false,
            version: 1,
            asked_for: None,
            other_key,
            matter: ItemKind::File(*number),
        });
        any = true;
    }
    any
}
