//! Offering, requesting and cancelling files: decisions of the person, messages of others, and events of transfers.

pub(in crate::core) mod download;
pub(in crate::core) mod replay;
pub(in crate::core) mod upload;

use std::path::PathBuf;

use nexscope_relay::protocol::body::File;

use crate::core::{
    Ctx, Effect, Failure, FileOutcome, ItemId, MentionOutcome, Record, Refused, Room,
    files::{Fetch, Offer, Side, Stage, TransferEvent, TransferId, TransferOrder, UploadState, safe_name},
    persist::audit::{self, By, Decided, Verdict},
    review::{
        decide,
        inbox::{Key, key},
    },
};

impl Room {
    /// Whether a file is offered to us and the person has not decided yet.
    pub fn is_undecided(&self, number: u32) -> bool {
        fetch(self, number).is_some_and(|fetch| {
            let open = matches!(fetch.stage, Stage::Offered | Stage::Aside | Stage::Moving(_));
            open && !fetch.accepted
        })
    }
}

pub(in crate::core) fn file_event(room: &mut Room, handle: &TransferId, event: TransferEvent, ctx: &mut Ctx) {
    match &handle.to {
        Some(to) => upload::giving_event(room, handle.number, to, event, ctx),
        None => match room.files.get(handle.number).map(|offer| &offer.side) {
            Some(Side::Mine(_)) => upload::reading_event(room, handle.number, event, ctx),
            Some(Side::Theirs(_)) => download::fetching_event(room, handle.number, event, ctx),
            Some(Side::Others) | None => {}
        },
    }
}

/// Continues runs whose files have arrived, and fails those with a failed file.
pub(in crate::core) fn files_moved_on(room: &mut Room, ctx: &mut Ctx) {
    let waiting: Vec<(String, Vec<u32>)> = ctx
        .runs
        .of(room.id())
        .filter(|run| !run.files.is_empty())
        .map(|run| (run.id.clone(), run.files.clone()))
        .collect();
    for (id, files) in waiting {
        let offers = files.iter().filter_map(|number| room.files.get(*number));
        let failed = offers.clone().find_map(|offer| match &offer.side {
            Side::Theirs(fetch) => match &fetch.stage {
                Stage::Failed(why) => Some(format!("{} was not received: {why}", offer.name)),
                Stage::Declined => Some(format!("{} was not accepted", offer.name)),
                _ => None,
            },
            _ => None,
        });
        let places: Vec<PathBuf> = offers.filter_map(Offer::place).map(PathBuf::from).collect();
        if let Some(why) = failed {
            if let Some(run) = ctx.runs.remove(&id) {
                let from = run.ask.from.member.clone();
                room.chat.timeline.note(
                    format!(
                        "m{0} has to wait: {why}. Type /retry m{0} to try again.",
                        run.post
                    ),
                    ctx.now,
                );
                decide::settle(room, run.key, &from, MentionOutcome::Failed(Failure::NoFile), ctx);
            }
        } else if places.len() == files.len()
            && let Some(run) = ctx.runs.get_mut(&id)
        {
            run.files.clear();
            run.ask.files = places;
        }
    }
}

/// Cancels a transfer, or withdraws our offer. Fails if there is nothing to cancel.
pub(in crate::core) fn cancel_file(room: &mut Room, number: u32, ctx: &mut Ctx) -> Result<(), Refused> {
    let offer = room.files.get(number).cloned();
    let offer = offer.ok_or(Refused::NoFile(number))?;
    match &offer.side {
        Side::Others => Err(Refused::NotYourFile {
            file: number,
            from: offer.from,
        }),
        Side::Theirs(fetch) => match fetch.stage {
            Stage::Done(_) => Err(Refused::AlreadyHere(number)),
            Stage::Declined | Stage::Failed(_) => Err(Refused::NotMoving(number)),
            _ => {
                download::decline(room, number, "stopped", ctx);
                Ok(())
            }
        },
        Side::Mine(mine) if mine.withdrawn => Err(Refused::AlreadyWithdrawn(number)),
        Side::Mine(mine) => {
            let receivers: Vec<String> = mine.receivers.iter().map(|one| one.name.clone()).collect();
            for to in receivers {
                ctx.push(order(number, Some(to), TransferOrder::Stop));
            }
            ctx.push(order(number, None, TransferOrder::Stop));
            if let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) {
                mine.withdrawn = true;
                for one in &mut mine.receivers {
                    if matches!(one.stage, UploadState::Moving(_) | UploadState::Cut(_)) {
                        one.stage = UploadState::Failed("stopped".to_owned());
                    }
                }
            }
            keep_fate(room, number, FileOutcome::Withdrawn, ctx);
            let addressed = room
                .chat
                .outbox
                .get(&offer.key.1)
                .map(|outgoing| outgoing.to.clone());
            for to in addressed.unwrap_or_default() {
                download::say_decline(room, &to, &offer.key.1, &offer.file, "withdrawn", ctx);
            }
            Ok(())
        }
    }
}

/// Retries a failed download. Fails if there is nothing to retry.
pub(in crate::core) fn retry_file(room: &mut Room, number: u32, ctx: &mut Ctx) -> Result<(), Refused> {
    let failed = matches!(
        fetch(room, number),
        Some(Fetch {
            stage: Stage::Failed(_),
            accepted: true,
            pushed: false
        })
    );
    if !failed {
        return Err(Refused::NotFailedDownload(number));
    }
    download::fetch_file(room, number, ctx);
    Ok(())
}

/// Requests the missing files of a mention. Returns their numbers.
pub(in crate::core) fn fetch_all(room: &mut Room, key: &Key, ctx: &mut Ctx) -> Vec<u32> {
    let numbers: Vec<u32> = room
        .files
        .of_message(key)
        .filter(|offer| matches!(&offer.side, Side::Theirs(fetch) if fetch.stage != Stage::Declined))
        .map(|offer| offer.number)
        .collect();
    for number in &numbers {
        download::fetch_file(room, *number, ctx);
    }
    numbers
}

/// Declines all files of a mention.
pub(in crate::core) fn decline_all(room: &mut Room, key: &Key, reason: &str, ctx: &mut Ctx) {
    let open = |offer: &&Offer| matches!(&offer.side, Side::Theirs(fetch) if matches!(fetch.stage, Stage::Offered | Stage::Aside | Stage::Moving(_)));
    let numbers: Vec<u32> = room
        .files
        .of_message(key)
        .filter(open)
        .map(|offer| offer.number)
        .collect();
    for number in numbers {
        download::decline(room, number, reason, ctx);
    }
}

fn keep_fate(room: &Room, number: u32, fate: FileOutcome, ctx: &mut Ctx) {
    if let Some(offer) = room.files.get(number) {
        let entry = audit::Entry::File {
            item: ItemId::File(number).to_string(),
            from: offer.from.clone(),
            message: offer.key.1.clone(),
            name: offer.name.clone(),
            size: offer.size,
            sha256: offer.sha256(),
            fate: fate.clone(),
        };
        ctx.record(
            entry,
            Record::File {
                from: offer.key.0.clone(),
                id: offer.key.1.clone(),
                file: offer.file.clone(),
                fate,
            },
        );
    }
}

/// Notes a decision about a single file in the audit log; its consequences are recorded as they happen.
pub(in crate::core) fn note_file_decided(room: &Room, number: u32, by: By, verdict: Verdict, ctx: &mut Ctx) {
    let message = room.files.get(number).map(|offer| offer.key.1.clone());
    let item = Some(ItemId::File(number).to_string());
    decide::note_decided(
        room,
        Decided {
            item,
            message,
            ..Decided::new(by, verdict)
        },
        ctx,
    );
}

fn fetch(room: &Room, number: u32) -> Option<&Fetch> {
    match &room.files.get(number)?.side {
        Side::Theirs(fetch) => Some(fetch),
        _ => None,
    }
}

fn fetch_mut(room: &mut Room, number: u32) -> Option<&mut Fetch> {
    room.files.get_mut(number).and_then(Offer::fetch_mut)
}

fn set_stage(room: &mut Room, number: u32, stage: Stage) {
    if let Some(fetch) = fetch_mut(room, number) {
        fetch.stage = stage;
    }
}

fn offer(from: &str, message: &str, file: &File, post: u32, side: Side) -> Offer {
    Offer {
        number: 0,
        from: crate::text::clean_line(from, 32),
        post,
        name: safe_name(&file.name),
        size: file.size,
        side,
        key: key(from, message),
        file: file.id.clone(),
        sha256: file.sha256.clone(),
    }
}

fn order(number: u32, to: Option<String>, order: TransferOrder) -> Effect {
    Effect::File {
        handle: TransferId { number, to },
        order,
    }
}
