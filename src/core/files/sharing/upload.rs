//! Files that we offer: reading them, giving them, taking them back.

use nexscope_relay::protocol::{
    Message,
    body::{Body, Chat, File},
    same_name,
};

use crate::core::{
    Attention, Effect, FileOutcome, ItemId, Millis, Offer, Outgoing, OwnFile, Progress, Room, Side, Stage,
    UploadState,
    files::{
        MOST, Source, TransferEvent, TransferOrder, Upload, safe_name,
        sharing::{offer, order},
    },
    review::inbox::key,
};

/// Why a file of an agent's stays here that an earlier version offered without remembering which file it was.
const UNCHECKED: &str = "a file in it was never checked; ask the agent to send it again";

impl Room {
    /// Files of ours that go with a message: as they are written in it, and their sources.
    pub(in crate::core) fn attach(&mut self, sources: Vec<Source>) -> (Vec<File>, Vec<Source>) {
        sources
            .into_iter()
            .map(|source| {
                let name = source
                    .path
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let file = File {
                    id: self.fresh_id(),
                    name: safe_name(&name),
                    size: source.size,
                    sha256: Some(source.sha256.clone()).filter(|hash| !hash.is_empty()),
                };
                (file, source)
            })
            .unzip()
    }

    /// Notes the files of a message of ours. Returns their numbers.
    pub(in crate::core) fn offer_ours(
        &mut self,
        id: &str,
        chat: &Chat,
        sources: &[Source],
        post: u32,
    ) -> Vec<u32> {
        let me = self.settings.me.clone();
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
                self.offers.add(offer(&me, id, file, post, side))
            })
            .collect()
    }

    /// Reads the files of a message that could not be sent without.
    pub(in crate::core) fn read_files(&mut self, message: &str, now: Millis, effects: &mut Vec<Effect>) {
        if self
            .outbox
            .get(message)
            .is_some_and(|one| one.failed.is_none() && one.has_unchecked_files())
        {
            return self.give_up(message, UNCHECKED, now, effects);
        }
        let key = key(&self.settings.me, message);
        for offer in self.offers.of_message(&key) {
            if let Side::Mine(mine) = &offer.side
                && mine.source.sha256.is_empty()
            {
                effects.push(order(
                    offer.number,
                    None,
                    TransferOrder::Hash(mine.source.path.clone()),
                ));
            }
        }
    }

    fn hashed(&mut self, number: u32, source: Source, effects: &mut Vec<Effect>) {
        let Some(offer) = self.offers.get_mut(number) else {
            return;
        };
        let (id, file, size) = (offer.key.1.clone(), offer.file.clone(), source.size);
        offer.size = size;
        let Some(mine) = offer.mine_mut() else { return };
        mine.source = source.clone();
        mine.reading = None;
        let Some(outgoing) = self.outbox.get(&id).cloned() else {
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
            // The others are still being read; what is known so far need not be on disk.
            true => self.outbox.insert(outgoing),
            false => self.send(
                Outgoing {
                    kept: false,
                    ..outgoing
                },
                effects,
            ),
        }
    }

    /// Somebody wants a file of ours.
    pub(in crate::core) fn wanted(
        &mut self,
        message: &Message,
        of: &str,
        file: &str,
        offset: u64,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let from = crate::text::clean_line(&message.from, 32);
        let may = self.outbox.get(of).is_some_and(|outgoing| {
            outgoing.failed.is_none() && (!outgoing.only || outgoing.to.iter().any(|to| same_name(to, &from)))
        });
        let unchecked = self.outbox.get(of).is_some_and(Outgoing::has_unchecked_files);
        let ours = key(&self.settings.me, of);
        let Some(offer) = self.offers.find(&ours, file).filter(|_| may) else {
            return;
        };
        let (number, size) = (offer.number, offer.size);
        let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) else {
            return;
        };
        if mine.withdrawn || mine.reading.is_some() {
            return self.say_decline(&from, of, file, "taken back", effects);
        }
        if unchecked {
            return self.say_decline(&from, of, file, UNCHECKED, effects);
        }
        if offset > size {
            return;
        }
        mine.receiver(&from, UploadState::Moving(Progress::new(offset, now)));
        let giving = Upload {
            source: mine.source.clone(),
            file: file.to_owned(),
            to: from.clone(),
            offset,
        };
        effects.push(order(number, Some(from), TransferOrder::Give(giving)));
    }

    /// Somebody does not want a file of ours, or takes one of theirs back.
    pub(in crate::core) fn declined(
        &mut self,
        from: &str,
        of: &str,
        file: &str,
        reason: &str,
        effects: Option<&mut Vec<Effect>>,
    ) {
        let reason = crate::text::clean_line(reason, crate::core::chat::timeline::LINE_MAX);
        let ours = key(&self.settings.me, of);
        if let Some(number) = self.offers.find(&ours, file).map(|offer| offer.number) {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.receiver(&crate::text::clean_line(from, 32), UploadState::Declined(reason));
            }
            if let Some(effects) = effects {
                effects.push(order(number, Some(from.to_owned()), TransferOrder::Stop));
            }
            return;
        }
        let Some(number) = self.offers.find(&key(from, of), file).map(|offer| offer.number) else {
            return;
        };
        let over = matches!(
            self.fetch(number).map(|fetch| &fetch.stage),
            Some(Stage::Done(_) | Stage::Declined | Stage::Failed(_)) | None
        );
        if over {
            return;
        }
        let why = match reason.is_empty() {
            true => format!("{} has taken it back", crate::text::clean_line(from, 32)),
            false => format!("{}: {reason}", crate::text::clean_line(from, 32)),
        };
        self.inbox.take(ItemId::File(number));
        self.set_stage(number, Stage::Failed(why.clone()));
        if let Some(effects) = effects {
            effects.push(order(number, None, TransferOrder::Stop));
            self.keep_fate(number, FileOutcome::Failed(why), effects);
        }
    }

    pub(in crate::core) fn reading_event(
        &mut self,
        number: u32,
        event: TransferEvent,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            TransferEvent::Hashed(source) => self.hashed(number, source, effects),
            TransferEvent::Progress { have } => {
                if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                    mine.reading = Some(have);
                }
            }
            TransferEvent::Failed(why) => {
                if let Some(id) = self.offers.get(number).map(|offer| offer.key.1.clone()) {
                    self.give_up(&id, &why, now, effects);
                }
            }
            _ => {}
        }
    }

    pub(in crate::core) fn giving_event(
        &mut self,
        number: u32,
        to: &str,
        event: TransferEvent,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(offer) = self.offers.get_mut(number) else {
            return;
        };
        let name = offer.name.clone();
        let Some(mine) = offer.mine_mut() else { return };
        let before = mine.receivers.iter_mut().find(|one| same_name(&one.name, to));
        let Some(receiver) = before else { return };
        match event {
            TransferEvent::Progress { have } => match &mut receiver.stage {
                UploadState::Moving(progress) => progress.moved(have, now),
                _ => receiver.stage = UploadState::Moving(Progress::new(have, now)),
            },
            TransferEvent::Cut { have } => receiver.stage = UploadState::Cut(have),
            TransferEvent::Done { .. } => {
                receiver.stage = UploadState::Done;
                receiver.has_it = true;
                self.keep_fate(number, FileOutcome::Given(to.to_owned()), effects);
            }
            // An old wish was answered, and nobody wants it any more.
            TransferEvent::Failed(_) if receiver.has_it => receiver.stage = UploadState::Done,
            TransferEvent::Failed(why) => {
                receiver.stage = UploadState::Failed(why.clone());
                self.timeline
                    .note(format!("f{number} {name} did not go to {to}: {why}."), now);
                effects.push(Effect::Attention(Attention::Failure));
            }
            TransferEvent::Hashed(_) | TransferEvent::Ready { .. } | TransferEvent::Aside => {}
        }
    }
}
