//! Restoring files after a restart.

use nexscope_relay::protocol::body::Chat;

use crate::core::{
    Ctx, Fetch, FileOutcome, ItemId, Offer, Outgoing, Room, Side, Stage, UploadState,
    files::sharing::{
        self,
        download::{self, Since},
        upload,
    },
    review::inbox::{Key, key},
};

/// Restores the files of our message, with what was read of them.
pub(in crate::core) fn offers_read(room: &mut Room, chat: &Chat, outgoing: &Outgoing) {
    let ours = key(&room.settings.me, &outgoing.id);
    for (file, source) in chat.files.iter().zip(&outgoing.sources) {
        let number = room.files.find(&ours, &file.id).map(|offer| offer.number);
        let Some(offer) = number.and_then(|number| room.files.get_mut(number)) else {
            continue;
        };
        offer.size = file.size;
        if let Some(mine) = offer.mine_mut() {
            mine.source = source.clone();
            mine.reading = source.sha256.is_empty().then_some(0);
        }
    }
}

/// Restores a decision about a file, or its outcome, from before a restart.
pub(in crate::core) fn restore_file(room: &mut Room, key: &Key, file: &str, fate: FileOutcome) {
    let Some(number) = room.files.find(key, file).map(|offer| offer.number) else {
        return;
    };
    if let FileOutcome::Given(to) = &fate {
        if let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) {
            mine.receiver(to, UploadState::Done);
        }
        return;
    }
    if fate == FileOutcome::Withdrawn {
        if let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) {
            mine.withdrawn = true;
        }
        return;
    }
    if fate != FileOutcome::Aside {
        room.review.inbox.take(ItemId::File(number));
    }
    let Some(fetch) = sharing::fetch_mut(room, number) else {
        return;
    };
    match fate {
        FileOutcome::Accepted => {
            fetch.accepted = true;
            if !matches!(fetch.stage, Stage::Aside) {
                fetch.stage = Stage::Preparing;
            }
        }
        FileOutcome::Aside => (fetch.stage, fetch.pushed) = (Stage::Aside, true),
        FileOutcome::Declined => fetch.stage = Stage::Declined,
        FileOutcome::Done(path) => fetch.stage = Stage::Done(path),
        FileOutcome::Failed(why) => fetch.stage = Stage::Failed(why),
        FileOutcome::Given(_) | FileOutcome::Withdrawn => {}
    }
}

/// Resumes transfers that were in progress when the program ended.
pub(in crate::core) fn resume_files(room: &mut Room, ctx: &mut Ctx) {
    let open: Vec<(u32, Since)> = room
        .files
        .all()
        .filter_map(|offer| match &offer.side {
            Side::Theirs(fetch) if fetch.accepted => match fetch.stage {
                Stage::Preparing => Some((offer.number, Since::Before)),
                Stage::Aside => Some((offer.number, Since::Whole)),
                _ => None,
            },
            Side::Theirs(Fetch {
                stage: Stage::Aside, ..
            }) => Some((offer.number, Since::Whole)),
            _ => None,
        })
        .collect();
    // A version 1 member may have been pushing them.
    let undecided: Vec<u32> = room
        .files
        .all()
        .filter(|offer| {
            matches!(&offer.side, Side::Theirs(fetch) if !fetch.accepted
                && matches!(fetch.stage, Stage::Offered | Stage::Failed(_)))
        })
        .map(|offer| offer.number)
        .collect();
    for number in undecided {
        download::discard(room, number, ctx);
    }
    for (number, since) in open {
        // Requested again, from where it is now.
        if let Some(offer) = room.files.get(number) {
            room.chat.outbox.forget_accepts(&offer.key.1, &offer.file);
        }
        download::prepare(room, number, since, ctx);
    }
    let unread: Vec<String> = room.chat.outbox.preparing().map(|one| one.id.clone()).collect();
    for id in unread {
        upload::read_files(room, &id, ctx);
    }
}
