//! Files that others offer: deciding, asking for them, and what comes.

use nexscope_relay::protocol::{
    Message, StreamOpen,
    body::{Body, Chat},
    same_name, stream_id,
};

use crate::core::{
    Attention, Connection, Effect, Fetch, FileOutcome, Item, ItemId, ItemKind, Millis, Offer, Outgoing,
    Progress, Room, Side, Stage, Steady,
    files::{
        ASIDE, Download, MOST, TransferEvent, TransferOrder,
        sharing::{offer, order},
    },
    persist::audit::{By, Verdict},
};

/// The longest id of a file that is taken, in bytes; the relay's own limit.
const MAX_ID: usize = 256;

/// Since when a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Since now.
    Now,
    /// Since before the program ended.
    Before,
    /// All of it was here already then, kept aside.
    Whole,
}

impl Room {
    /// Notes the files of another's message. Returns their numbers.
    pub(in crate::core) fn offered(
        &mut self,
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
                self.offers
                    .add(offer(&message.from, &message.id, file, post, side))
            })
            .collect()
    }

    /// What a person may decide by settings for all: files that are too large are declined, small ones accepted.
    pub(in crate::core) fn look_at_offers(&mut self, numbers: &[u32], effects: &mut Vec<Effect>) {
        for number in numbers {
            let Some(size) = self.offers.get(*number).map(|offer| offer.size) else {
                continue;
            };
            if size > self.settings.files.max {
                let most = crate::text::bytes(self.settings.files.max);
                let by = By::Setting("files.max".to_owned());
                self.note_file_decided(*number, by, Verdict::Rejected, effects);
                self.decline(
                    *number,
                    &format!("larger than {most}, the most that is taken here"),
                    effects,
                );
            } else if size < self.settings.files.auto_accept_below {
                let by = By::Setting("files.auto_accept_below".to_owned());
                self.note_file_decided(*number, by, Verdict::Accepted, effects);
                self.fetch_file(*number, effects);
            }
        }
    }

    /// Whether the files of a mention may come without a person.
    pub(in crate::core) fn files_come_alone(&self, numbers: &[u32]) -> bool {
        numbers.iter().all(|number| {
            self.offers
                .get(*number)
                .is_none_or(|offer| offer.size < self.settings.files.auto_accept_below)
        })
    }

    /// Our person, or a setting of theirs, wants a file.
    pub(in crate::core) fn fetch_file(&mut self, number: u32, effects: &mut Vec<Effect>) {
        let Some(Fetch { stage, accepted, .. }) = self.fetch(number).cloned() else {
            return;
        };
        if accepted && !matches!(stage, Stage::Failed(_) | Stage::Declined) {
            return;
        }
        self.inbox.take(ItemId::File(number));
        if let Some(fetch) = self.fetch_mut(number) {
            fetch.accepted = true;
        }
        self.keep_fate(number, FileOutcome::Accepted, effects);
        match stage {
            // It is here, or comes already.
            Stage::Aside | Stage::Moving(_) => effects.push(order(number, None, TransferOrder::Keep)),
            _ => self.prepare(number, Since::Now, effects),
        }
    }

    pub(super) fn prepare(&mut self, number: u32, since: Since, effects: &mut Vec<Effect>) {
        let Some(offer) = self.offers.get_mut(number) else {
            return;
        };
        let (name, size, sha256, tag) = (offer.name.clone(), offer.size, offer.sha256.clone(), offer.tag());
        let Some(fetch) = offer.fetch_mut() else { return };
        fetch.stage = Stage::Preparing;
        let wanted = Download {
            name,
            size,
            sha256,
            tag,
            accepted: fetch.accepted,
            whole: since == Since::Whole,
            again: since != Since::Now,
        };
        effects.push(order(number, None, TransferOrder::Fetch(wanted)));
    }

    /// Our person does not want a file; who offers it is told.
    pub(in crate::core) fn decline(&mut self, number: u32, reason: &str, effects: &mut Vec<Effect>) {
        self.inbox.take(ItemId::File(number));
        let Some(offer) = self.offers.get(number) else {
            return;
        };
        let (from, of, file) = (offer.from.clone(), offer.key.1.clone(), offer.file.clone());
        if self
            .fetch(number)
            .is_none_or(|fetch| matches!(fetch.stage, Stage::Done(_) | Stage::Declined))
        {
            return;
        }
        self.set_stage(number, Stage::Declined);
        effects.push(order(number, None, TransferOrder::Stop));
        self.keep_fate(number, FileOutcome::Declined, effects);
        self.say_decline(&from, &of, &file, reason, effects);
    }

    pub(super) fn say_decline(
        &mut self,
        to: &str,
        of: &str,
        file: &str,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        let body = Body::FileDecline {
            of: of.to_owned(),
            file: file.to_owned(),
            reason: reason.to_owned(),
        };
        let decline = Outgoing::new(self.fresh_id(), vec![to.to_owned()], true, None, body, 0);
        self.send(decline, effects);
    }

    /// Asks a file's sender for what is not here yet, if there is a connection.
    fn ask_for(&mut self, number: u32, effects: &mut Vec<Effect>) {
        if self.connection != Connection::Online {
            return;
        }
        let Some(offer) = self.offers.get(number) else {
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
        // What was asked before, and may not have gone out yet, is out of date.
        self.outbox.forget_accepts(&offer.key.1, &offer.file);
        let accept = Outgoing::new(self.fresh_id(), to, true, None, body, 0);
        self.send(accept, effects);
    }

    /// A new connection, or a member that is back: streams of before are gone, and what is wanted is asked for
    /// again, of `from` where only that one is new.
    pub(in crate::core) fn ask_again(&mut self, from: Option<&str>, effects: &mut Vec<Effect>) {
        let concerned = |offer: &&Offer| from.is_none_or(|from| same_name(&offer.from, from));
        let numbers: Vec<u32> = self
            .offers
            .all()
            .filter(concerned)
            .filter(|offer| matches!(&offer.side, Side::Theirs(fetch) if fetch.accepted))
            .map(|offer| offer.number)
            .collect();
        for number in numbers {
            if let Some(Stage::Moving(progress)) = self.fetch(number).map(|fetch| &fetch.stage) {
                let have = progress.have;
                self.set_stage(number, Stage::Asked(have));
            }
            self.ask_for(number, effects);
        }
    }

    /// A stream comes: for a file that was asked for, or pushed by a member of version 1.
    pub(in crate::core) fn stream_opened(
        &mut self,
        open: &StreamOpen,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(stream) = stream_id(&open.stream) else {
            return;
        };
        let from = open.from.as_deref().unwrap_or_default();
        let found = self
            .offers
            .of_stream(from, &open.of)
            .map(|offer| (offer.number, offer.size));
        let answer = match found {
            Some(_) if self.members.is_doubtful(from) => {
                Err("Your name has another key here than the one that offered that file.".to_owned())
            }
            Some((number, size)) => self.may_come(number, size, open).map(|()| number),
            None => Err("Nobody here has asked for that file.".to_owned()),
        };
        match answer {
            Ok(number) => {
                if open.pushed {
                    if let Some(fetch) = self.fetch_mut(number) {
                        fetch.pushed = true;
                    }
                    self.prepare(number, Since::Now, effects);
                }
                self.set_stage(number, Stage::Moving(Progress::new(open.offset, now)));
                let offset = open.offset;
                effects.push(order(number, None, TransferOrder::Take { stream, offset }));
            }
            Err(why) => effects.push(Effect::RefuseStream { stream, why }),
        }
    }

    fn may_come(&mut self, number: u32, size: u64, open: &StreamOpen) -> Result<(), String> {
        let Some(fetch) = self.fetch(number) else {
            return Err("Nobody here has asked for that file.".to_owned());
        };
        if open.pushed {
            let fits = size <= self.settings.files.max && self.offers.aside().saturating_add(size) <= ASIDE;
            return match (&fetch.stage, fits && open.size == size && open.offset == 0) {
                (Stage::Offered, true) => Ok(()),
                (Stage::Offered, false) => Err("There is no room to keep that file aside.".to_owned()),
                _ => Err("That file is not wanted.".to_owned()),
            };
        }
        if !fetch.accepted || !matches!(fetch.stage, Stage::Asked(_) | Stage::Moving(_)) {
            return Err("Nobody here has asked for that file now.".to_owned());
        }
        if open.size != size {
            return Err(format!(
                "It was offered with {size} bytes, and has {} now.",
                open.size
            ));
        }
        Ok(())
    }

    pub(in crate::core) fn fetching_event(
        &mut self,
        number: u32,
        event: TransferEvent,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(offer) = self.offers.get(number) else {
            return;
        };
        let (name, from) = (offer.name.clone(), offer.from.clone());
        let Some(fetch) = self.fetch_mut(number) else {
            return;
        };
        match event {
            TransferEvent::Ready { have } => {
                if fetch.stage == Stage::Preparing {
                    fetch.stage = Stage::Asked(have);
                    self.ask_for(number, effects);
                }
            }
            TransferEvent::Progress { have } => match &mut fetch.stage {
                Stage::Moving(progress) => progress.moved(have, now),
                Stage::Asked(_) => fetch.stage = Stage::Moving(Progress::new(have, now)),
                _ => {}
            },
            TransferEvent::Cut { .. } if fetch.pushed => {
                self.fetch_failed(number, "it was cut, and its sender cannot go on", now, effects);
            }
            TransferEvent::Cut { have } => {
                if matches!(fetch.stage, Stage::Moving(_)) {
                    fetch.stage = Stage::Asked(have);
                    // Whose connection was taken over is here all the same.
                    if self.is_online(&from) {
                        self.ask_for(number, effects);
                    }
                }
            }
            TransferEvent::Aside => {
                fetch.stage = Stage::Aside;
                self.keep_fate(number, FileOutcome::Aside, effects);
            }
            TransferEvent::Done { path } => {
                fetch.stage = Stage::Done(path.clone());
                self.keep_fate(number, FileOutcome::Done(path.clone()), effects);
                let place = crate::text::clean_line(&path.to_string_lossy(), 500);
                self.timeline
                    .note(format!("f{number} {name} from {from} is here: {place}"), now);
                effects.push(Effect::Attention(Attention::Message));
                self.files_moved_on(now, effects);
            }
            TransferEvent::Failed(why) => self.fetch_failed(number, &why, now, effects),
            TransferEvent::Hashed(_) => {}
        }
    }

    fn fetch_failed(&mut self, number: u32, why: &str, now: Millis, effects: &mut Vec<Effect>) {
        let Some(offer) = self.offers.get(number) else {
            return;
        };
        let (name, from) = (offer.name.clone(), offer.from.clone());
        let (of, file) = (offer.key.1.clone(), offer.file.clone());
        let fetch = self.fetch(number);
        let wanted = fetch.is_some_and(|fetch| fetch.accepted);
        if fetch.is_some_and(|fetch| fetch.stage == Stage::Preparing && !fetch.pushed) {
            // Nobody was asked for it, so no stream tells its sender.
            self.say_decline(&from, &of, &file, why, effects);
        }
        self.inbox.take(ItemId::File(number));
        self.set_stage(number, Stage::Failed(why.to_owned()));
        self.keep_fate(number, FileOutcome::Failed(why.to_owned()), effects);
        let retry = match wanted {
            true => format!(" /retry f{number} asks for it again."),
            false => String::new(),
        };
        self.timeline.note(
            format!(
                "f{number} {name} did not come: {}.{retry}",
                why.trim_end_matches('.')
            ),
            now,
        );
        effects.push(Effect::Attention(Attention::Failure));
        self.files_moved_on(now, effects);
    }

    /// Since when the oldest file is kept aside that came without being asked for.
    pub(in crate::core) fn oldest_aside(&self) -> Option<Steady> {
        self.items_aside().map(|(_, arrived)| arrived).min()
    }

    /// Declines files that came without being asked for and that nobody wanted in time.
    pub(in crate::core) fn expire_files(&mut self, waited: Millis, effects: &mut Vec<Effect>) {
        let old: Vec<u32> = self
            .items_aside()
            .filter(|(_, came)| self.steady.since(*came) >= waited)
            .map(|(number, _)| number)
            .collect();
        for number in old {
            self.note_file_decided(number, By::Expiry, Verdict::Expired, effects);
            self.decline(number, "nobody decided in time", effects);
        }
    }

    fn items_aside(&self) -> impl Iterator<Item = (u32, Steady)> {
        self.inbox.waiting().filter_map(|item| match item.matter {
            ItemKind::File(number) => {
                let pushed = self.fetch(number).is_some_and(|fetch| fetch.pushed);
                pushed.then_some((number, item.arrived.steady))
            }
            _ => None,
        })
    }

    /// An item for each file that is offered by itself.
    pub(in crate::core) fn file_items(&mut self, numbers: &[u32], now: Millis) -> bool {
        let mut any = false;
        for number in numbers {
            let waiting = self.offers.get(*number).filter(|offer| {
                matches!(&offer.side, Side::Theirs(fetch) if fetch.stage == Stage::Offered && !fetch.accepted)
            });
            let Some(offer) = waiting else { continue };
            let post = self.timeline.post_numbered(offer.post);
            let Some((speaker, thread, other_key)) =
                post.map(|post| (post.speaker(), post.thread.clone(), post.doubt.is_some()))
            else {
                continue;
            };
            let arrived = self.moment(now);
            self.inbox.push(Item {
                id: ItemId::File(*number),
                from: speaker,
                text: format!("{} · {}", offer.name, crate::text::bytes(offer.size)),
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
}
