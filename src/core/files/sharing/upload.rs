//! Files that we offer: reading, sending and withdrawing them.

use nexscope_relay::protocol::{
    Message,
    body::{Body, Chat, File},
    same_name,
};

use crate::core::{
    Attention, Ctx, FileOutcome, ItemId, Offer, Outgoing, OwnFile, Progress, Room, Side, Stage, UploadState,
    chat::{outgoing, receive},
    files::{
        MOST, Source, TransferEvent, TransferOrder, Upload, safe_name,
        sharing::{self, download, offer, order},
    },
    review::inbox::key,
};

/// The reason for not sending an agent's file that an earlier version offered without recording which file it was.
const UNCHECKED: &str = "a file in it was never checked; ask the agent to send it again";

/// Prepares our files for a message: their entries in it, and their sources.
pub(in crate::core) fn attach(ctx: &mut Ctx, sources: Vec<Source>) -> (Vec<File>, Vec<Source>) {
    sources
        .into_iter()
        .map(|source| {
            let name = source
                .path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let file = File {
                id: ctx.fresh_id(),
                name: safe_name(&name),
                size: source.size,
                sha256: Some(source.sha256.clone()).filter(|hash| !hash.is_empty()),
            };
            (file, source)
        })
        .unzip()
}

/// Notes the files of our message. Returns their numbers.
pub(in crate::core) fn offer_ours(
    room: &mut Room,
    id: &str,
    chat: &Chat,
    sources: &[Source],
    post: u32,
) -> Vec<u32> {
    let me = room.settings.me.clone();
    let files = chat.files.iter().take(MOST).enumerate();
    files
        .map(|(at, file)| {
            let side = match sources.get(at) {
                Some(source) => Side::Mine(OwnFile {
                    source: source.clone(),
                    receivers: Vec::new(),
                    reading: source.sha256.is_empty().then_some(0),
                    withdrawn: false,
                }),
                None => Side::Others,
            };
            room.files.add(offer(&me, id, file, post, side))
        })
        .collect()
}

/// Reads the files of a message that cannot be sent before they are read. Gives it up if they were never checked.
pub(in crate::core) fn read_files(room: &mut Room, message: &str, ctx: &mut Ctx) {
    if room
        .chat
        .outbox
        .get(message)
        .is_some_and(|one| one.failed.is_none() && one.has_unchecked_files())
    {
        return receive::give_up(room, message, UNCHECKED, ctx);
    }
    let key = key(&room.settings.me, message);
    for offer in room.files.of_message(&key) {
        if let Side::Mine(mine) = &offer.side
            && mine.source.sha256.is_empty()
        {
            ctx.push(order(
                offer.number,
                None,
                TransferOrder::Hash(mine.source.path.clone()),
            ));
        }
    }
}

fn hashed(room: &mut Room, number: u32, source: Source, ctx: &mut Ctx) {
    let Some(offer) = room.files.get_mut(number) else {
        return;
    };
    let (id, file, size) = (offer.key.1.clone(), offer.file.clone(), source.size);
    offer.size = size;
    let Some(mine) = offer.mine_mut() else { return };
    mine.source = source.clone();
    mine.reading = None;
    let Some(outgoing) = room.chat.outbox.get(&id).cloned() else {
        return;
    };
    let Body::Chat(mut chat) = outgoing.body else {
        return;
    };
    let Some(at) = chat.files.iter().position(|one| one.id == file) else {
        return;
    };
    chat.files[at].size = size;
    chat.files[at].sha256 = Some(source.sha256.clone());
    let mut sources = outgoing.sources;
    if let Some(one) = sources.get_mut(at) {
        *one = source;
    }
    let outgoing = Outgoing {
        body: Body::Chat(chat),
        sources,
        ..outgoing
    };
    match outgoing.is_preparing() {
        // The others are still being read; the partial result need not be on disk.
        true => room.chat.outbox.insert(outgoing),
        false => outgoing::send(
            room,
            Outgoing {
                kept: false,
                ..outgoing
            },
            ctx,
        ),
    }
}

/// Starts an upload that a member has requested.
pub(in crate::core) fn wanted(
    room: &mut Room,
    message: &Message,
    of: &str,
    file: &str,
    offset: u64,
    ctx: &mut Ctx,
) {
    let from = crate::text::clean_line(&message.from, 32);
    let may = room.chat.outbox.get(of).is_some_and(|outgoing| {
        outgoing.failed.is_none() && (!outgoing.only || outgoing.to.iter().any(|to| same_name(to, &from)))
    });
    let unchecked = room
        .chat
        .outbox
        .get(of)
        .is_some_and(Outgoing::has_unchecked_files);
    let ours = key(&room.settings.me, of);
    let Some(offer) = room.files.find(&ours, file).filter(|_| may) else {
        return;
    };
    let (number, size) = (offer.number, offer.size);
    let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) else {
        return;
    };
    if mine.withdrawn || mine.reading.is_some() {
        return download::say_decline(room, &from, of, file, "withdrawn", ctx);
    }
    if unchecked {
        return download::say_decline(room, &from, of, file, UNCHECKED, ctx);
    }
    if offset > size {
        return;
    }
    mine.receiver(&from, UploadState::Moving(Progress::new(offset, ctx.now)));
    let giving = Upload {
        source: mine.source.clone(),
        file: file.to_owned(),
        to: from.clone(),
        offset,
    };
    ctx.push(order(number, Some(from), TransferOrder::Give(giving)));
}

/// Handles a member that declines our file, or withdraws its own.
pub(in crate::core) fn declined(
    room: &mut Room,
    from: &str,
    of: &str,
    file: &str,
    reason: &str,
    ctx: &mut Ctx,
) {
    let reason = crate::text::clean_line(reason, crate::core::chat::timeline::LINE_MAX);
    let ours = key(&room.settings.me, of);
    if let Some(number) = room.files.find(&ours, file).map(|offer| offer.number) {
        if let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) {
            mine.receiver(&crate::text::clean_line(from, 32), UploadState::Declined(reason));
        }
        ctx.push(order(number, Some(from.to_owned()), TransferOrder::Stop));
        return;
    }
    let Some(number) = room.files.find(&key(from, of), file).map(|offer| offer.number) else {
        return;
    };
    let over = matches!(
        sharing::fetch(room, number).map(|fetch| &fetch.stage),
        Some(Stage::Done(_) | Stage::Declined | Stage::Failed(_)) | None
    );
    if over {
        return;
    }
    let why = match reason.is_empty() {
        true => format!("{} withdrew it", crate::text::clean_line(from, 32)),
        false => format!("{}: {reason}", crate::text::clean_line(from, 32)),
    };
    room.review.inbox.take(ItemId::File(number));
    sharing::set_stage(room, number, Stage::Failed(why.clone()));
    ctx.push(order(number, None, TransferOrder::Stop));
    sharing::keep_fate(room, number, FileOutcome::Failed(why), ctx);
}

pub(in crate::core) fn reading_event(room: &mut Room, number: u32, event: TransferEvent, ctx: &mut Ctx) {
    match event {
        TransferEvent::Hashed(source) => hashed(room, number, source, ctx),
        TransferEvent::Progress { have } => {
            if let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) {
                mine.reading = Some(have);
            }
        }
        TransferEvent::Failed(why) => {
            if let Some(id) = room.files.get(number).map(|offer| offer.key.1.clone()) {
                receive::give_up(room, &id, &why, ctx);
            }
        }
        _ => {}
    }
}

pub(in crate::core) fn giving_event(
    room: &mut Room,
    number: u32,
    to: &str,
    event: TransferEvent,
    ctx: &mut Ctx,
) {
    let Some(offer) = room.files.get_mut(number) else {
        return;
    };
    let name = offer.name.clone();
    let Some(mine) = offer.mine_mut() else { return };
    let before = mine.receivers.iter_mut().find(|one| same_name(&one.name, to));
    let Some(receiver) = before else { return };
    match event {
        TransferEvent::Progress { have } => match &mut receiver.stage {
            UploadState::Moving(progress) => progress.moved(have, ctx.now),
            _ => receiver.stage = UploadState::Moving(Progress::new(have, ctx.now)),
        },
        TransferEvent::Cut { have } => receiver.stage = UploadState::Cut(have),
        TransferEvent::Done { .. } => {
            receiver.stage = UploadState::Done;
            receiver.has_it = true;
            sharing::keep_fate(room, number, FileOutcome::Given(to.to_owned()), ctx);
        }
        // An outdated request failed, and nobody waits for it.
        TransferEvent::Failed(_) if receiver.has_it => receiver.stage = UploadState::Done,
        TransferEvent::Failed(why) => {
            receiver.stage = UploadState::Failed(why.clone());
            room.chat
                .timeline
                .note(format!("f{number} {name} was not sent to {to}: {why}."), ctx.now);
            ctx.attention(Attention::Failure);
        }
        TransferEvent::Hashed(_) | TransferEvent::Ready { .. } | TransferEvent::Aside => {}
    }
}
