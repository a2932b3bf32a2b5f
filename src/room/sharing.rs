//! Offering, wanting and stopping files: what a person decides, what others say, and what the transfers tell.

use std::path::PathBuf;

use nexscope_relay::protocol::{
    Message, StreamOpen,
    body::{Body, Chat, File},
    same_name, stream_id,
};

use super::{
    Attention, Connection, Effect, FileFate, Item, ItemId, MentionFate, Millis, Outgoing, Record, Room,
    files::{ASIDE, Fetch, Given, MOST, Mine, Offer, Progress, Side, Stage},
    inbox::{Key, Matter, key},
};
use crate::transfer::{Event, Giving, Handle, Order, Source, Wanted, safe_name};

/// The longest id of a file that is taken, in bytes; the relay's own limit.
const MAX_ID: usize = 256;

impl Room {
    // Ours.

    /// Files of ours that go with a message: as they are written in it, and their sources, still unread.
    pub(super) fn attach(&mut self, paths: Vec<PathBuf>) -> (Vec<File>, Vec<Source>) {
        paths
            .into_iter()
            .map(|path| {
                let name = path
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let file = File {
                    id: self.fresh_id(),
                    name: safe_name(&name),
                    size: 0,
                    sha256: None,
                };
                let source = Source {
                    path,
                    size: 0,
                    modified: 0,
                    sha256: String::new(),
                };
                (file, source)
            })
            .unzip()
    }

    /// Notes the files of a message of ours. Returns their numbers.
    pub(super) fn offer_ours(&mut self, id: &str, chat: &Chat, sources: &[Source], post: u32) -> Vec<u32> {
        let me = self.settings.me.clone();
        let files = chat.files.iter().take(MOST).enumerate();
        files
            .map(|(at, file)| {
                let side = match sources.get(at) {
                    Some(source) => Side::Mine(Mine {
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
    pub(super) fn read_files(&self, message: &str, effects: &mut Vec<Effect>) {
        let key = key(&self.settings.me, message);
        for offer in self.offers.of_message(&key) {
            if let Side::Mine(mine) = &offer.side
                && mine.source.sha256.is_empty()
            {
                effects.push(order(offer.number, None, Order::Hash(mine.source.path.clone())));
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
    pub(super) fn wanted(
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
        if offset > size {
            return;
        }
        mine.receiver(&from, Given::Moving(Progress::new(offset, now)));
        let giving = Giving {
            source: mine.source.clone(),
            file: file.to_owned(),
            to: from.clone(),
            offset,
        };
        effects.push(order(number, Some(from), Order::Give(giving)));
    }

    /// Somebody does not want a file of ours, or takes one of theirs back.
    pub(super) fn declined(
        &mut self,
        from: &str,
        of: &str,
        file: &str,
        reason: &str,
        effects: Option<&mut Vec<Effect>>,
    ) {
        let reason = crate::text::clean_line(reason, super::timeline::LINE_MAX);
        let ours = key(&self.settings.me, of);
        if let Some(number) = self.offers.find(&ours, file).map(|offer| offer.number) {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.receiver(&crate::text::clean_line(from, 32), Given::Declined(reason));
            }
            if let Some(effects) = effects {
                effects.push(order(number, Some(from.to_owned()), Order::Stop));
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
            effects.push(order(number, None, Order::Stop));
            self.keep_fate(number, FileFate::Failed(why), effects);
        }
    }

    // Theirs.

    /// Notes the files of another's message. Returns their numbers.
    pub(super) fn offered(&mut self, message: &Message, chat: &Chat, post: u32, for_us: bool) -> Vec<u32> {
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
    pub(super) fn look_at_offers(&mut self, numbers: &[u32], now: Millis, effects: &mut Vec<Effect>) {
        for number in numbers {
            let Some(size) = self.offers.get(*number).map(|offer| offer.size) else {
                continue;
            };
            if size > self.settings.files.max {
                let most = crate::text::bytes(self.settings.files.max);
                self.decline(
                    *number,
                    &format!("larger than {most}, the most that is taken here"),
                    effects,
                );
            } else if size < self.settings.files.auto_accept_below {
                self.fetch_file(*number, now, effects);
            }
        }
    }

    /// Whether the files of a mention may come without a person.
    pub(super) fn files_come_alone(&self, numbers: &[u32]) -> bool {
        numbers.iter().all(|number| {
            self.offers
                .get(*number)
                .is_none_or(|offer| offer.size < self.settings.files.auto_accept_below)
        })
    }

    /// Our person, or a setting of theirs, wants a file.
    pub(super) fn fetch_file(&mut self, number: u32, now: Millis, effects: &mut Vec<Effect>) {
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
        self.keep_fate(number, FileFate::Accepted, effects);
        match stage {
            // It is here, or comes already.
            Stage::Aside | Stage::Moving(_) => effects.push(order(number, None, Order::Keep)),
            _ => self.prepare(number, false, effects),
        }
        let _ = now;
    }

    fn prepare(&mut self, number: u32, whole: bool, effects: &mut Vec<Effect>) {
        let Some(offer) = self.offers.get_mut(number) else {
            return;
        };
        let (name, size, sha256, tag) = (offer.name.clone(), offer.size, offer.sha256.clone(), offer.tag());
        let Some(fetch) = offer.fetch_mut() else { return };
        fetch.stage = Stage::Preparing;
        let wanted = Wanted {
            name,
            size,
            sha256,
            tag,
            accepted: fetch.accepted,
            whole,
        };
        effects.push(order(number, None, Order::Fetch(wanted)));
    }

    /// Our person does not want a file; who offers it is told.
    pub(super) fn decline(&mut self, number: u32, reason: &str, effects: &mut Vec<Effect>) {
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
        effects.push(order(number, None, Order::Stop));
        self.keep_fate(number, FileFate::Declined, effects);
        self.say_decline(&from, &of, &file, reason, effects);
    }

    fn say_decline(&mut self, to: &str, of: &str, file: &str, reason: &str, effects: &mut Vec<Effect>) {
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
        let accept = Outgoing::new(self.fresh_id(), to, true, None, body, 0);
        self.send(accept, effects);
    }

    /// A new connection, or a member that is back: streams of before are gone, and what is wanted is asked for
    /// again, of `from` where only that one is new.
    pub(super) fn ask_again(&mut self, from: Option<&str>, effects: &mut Vec<Effect>) {
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
    pub(super) fn stream_opened(&mut self, open: &StreamOpen, now: Millis, effects: &mut Vec<Effect>) {
        let Some(stream) = stream_id(&open.stream) else {
            return;
        };
        let from = open.from.as_deref().unwrap_or_default();
        let found = self
            .offers
            .of_stream(from, &open.of)
            .map(|offer| (offer.number, offer.size));
        let answer = match found {
            Some((number, size)) => self.may_come(number, size, open).map(|()| number),
            None => Err("Nobody here has asked for that file.".to_owned()),
        };
        match answer {
            Ok(number) => {
                if open.pushed {
                    if let Some(fetch) = self.fetch_mut(number) {
                        fetch.pushed = true;
                    }
                    self.prepare(number, false, effects);
                }
                self.set_stage(number, Stage::Moving(Progress::new(open.offset, now)));
                let offset = open.offset;
                effects.push(order(number, None, Order::Take { stream, offset }));
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

    // Both.

    /// A transfer tells something.
    pub(super) fn file_event(
        &mut self,
        handle: &Handle,
        event: Event,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        match &handle.to {
            Some(to) => self.giving_event(handle.number, to, event, now, effects),
            None => match self.offers.get(handle.number).map(|offer| &offer.side) {
                Some(Side::Mine(_)) => self.reading_event(handle.number, event, now, effects),
                Some(Side::Theirs(_)) => self.fetching_event(handle.number, event, now, effects),
                Some(Side::Others) | None => {}
            },
        }
    }

    fn reading_event(&mut self, number: u32, event: Event, now: Millis, effects: &mut Vec<Effect>) {
        match event {
            Event::Hashed(source) => self.hashed(number, source, effects),
            Event::Progress { have } => {
                if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                    mine.reading = Some(have);
                }
            }
            Event::Failed(why) => {
                if let Some(id) = self.offers.get(number).map(|offer| offer.key.1.clone()) {
                    self.give_up(&id, &why, now, effects);
                }
            }
            _ => {}
        }
    }

    fn giving_event(&mut self, number: u32, to: &str, event: Event, now: Millis, effects: &mut Vec<Effect>) {
        let Some(offer) = self.offers.get_mut(number) else {
            return;
        };
        let name = offer.name.clone();
        let Some(mine) = offer.mine_mut() else { return };
        let before = mine.receivers.iter_mut().find(|one| same_name(&one.name, to));
        let Some(receiver) = before else { return };
        match event {
            Event::Progress { have } => match &mut receiver.stage {
                Given::Moving(progress) => progress.moved(have, now),
                _ => receiver.stage = Given::Moving(Progress::new(have, now)),
            },
            Event::Cut { have } => receiver.stage = Given::Cut(have),
            Event::Done { .. } => {
                receiver.stage = Given::Done;
                self.keep_fate(number, FileFate::Given(to.to_owned()), effects);
            }
            Event::Failed(why) => {
                receiver.stage = Given::Failed(why.clone());
                self.timeline
                    .note(format!("f{number} {name} did not go to {to}: {why}."), now);
                effects.push(Effect::Attention(Attention::Failure));
            }
            Event::Hashed(_) | Event::Ready { .. } | Event::Aside => {}
        }
    }

    fn fetching_event(&mut self, number: u32, event: Event, now: Millis, effects: &mut Vec<Effect>) {
        let Some(offer) = self.offers.get(number) else {
            return;
        };
        let (name, from) = (offer.name.clone(), offer.from.clone());
        let Some(fetch) = self.fetch_mut(number) else {
            return;
        };
        match event {
            Event::Ready { have } => {
                if fetch.stage == Stage::Preparing {
                    fetch.stage = Stage::Asked(have);
                    self.ask_for(number, effects);
                }
            }
            Event::Progress { have } => match &mut fetch.stage {
                Stage::Moving(progress) => progress.moved(have, now),
                Stage::Asked(_) => fetch.stage = Stage::Moving(Progress::new(have, now)),
                _ => {}
            },
            Event::Cut { .. } if fetch.pushed => {
                self.fetch_failed(number, "it was cut, and its sender cannot go on", now, effects);
            }
            Event::Cut { have } => {
                if matches!(fetch.stage, Stage::Moving(_)) {
                    fetch.stage = Stage::Asked(have);
                    // Whose connection was taken over is here all the same.
                    if self.is_online(&from) {
                        self.ask_for(number, effects);
                    }
                }
            }
            Event::Aside => {
                fetch.stage = Stage::Aside;
                self.keep_fate(number, FileFate::Aside, effects);
            }
            Event::Done { path } => {
                fetch.stage = Stage::Done(path.clone());
                self.keep_fate(number, FileFate::Done(path.clone()), effects);
                let place = crate::text::clean_line(&path.to_string_lossy(), 500);
                self.timeline
                    .note(format!("f{number} {name} from {from} is here: {place}"), now);
                effects.push(Effect::Attention(Attention::Message));
                self.files_moved_on(now, effects);
            }
            Event::Failed(why) => self.fetch_failed(number, &why, now, effects),
            Event::Hashed(_) => {}
        }
    }

    fn fetch_failed(&mut self, number: u32, why: &str, now: Millis, effects: &mut Vec<Effect>) {
        let Some(name) = self.offers.get(number).map(|offer| offer.name.clone()) else {
            return;
        };
        let wanted = self.fetch(number).is_some_and(|fetch| fetch.accepted);
        self.inbox.take(ItemId::File(number));
        self.set_stage(number, Stage::Failed(why.to_owned()));
        self.keep_fate(number, FileFate::Failed(why.to_owned()), effects);
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

    /// Runs that wait for files go on when those are here, and fail where one does not come.
    pub(super) fn files_moved_on(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        let waiting: Vec<(String, Vec<u32>)> = self
            .runs
            .all()
            .filter(|run| !run.files.is_empty())
            .map(|run| (run.id.clone(), run.files.clone()))
            .collect();
        for (id, files) in waiting {
            let offers = files.iter().filter_map(|number| self.offers.get(*number));
            let failed = offers.clone().find_map(|offer| match &offer.side {
                Side::Theirs(fetch) => match &fetch.stage {
                    Stage::Failed(why) => Some(format!("{} did not come: {why}", offer.name)),
                    Stage::Declined => Some(format!("{} was not accepted", offer.name)),
                    _ => None,
                },
                _ => None,
            });
            let places: Vec<PathBuf> = offers.filter_map(Offer::place).map(PathBuf::from).collect();
            if let Some(why) = failed {
                if let Some(run) = self.runs.remove(&id) {
                    let from = run.ask.from.member.clone();
                    self.timeline.note(
                        format!("m{0} has to wait: {why}. /retry m{0} tries again.", run.post),
                        now,
                    );
                    self.settle(run.key, &from, MentionFate::Failed(why), now, effects);
                }
            } else if places.len() == files.len()
                && let Some(run) = self.runs.get_mut(&id)
            {
                run.files.clear();
                run.ask.files = places;
            }
        }
        self.start_next(now, effects);
    }

    /// Ends a transfer, or takes an offer of ours back.
    pub(super) fn cancel_file(&mut self, number: u32, effects: &mut Vec<Effect>) -> Result<(), String> {
        let offer = self.offers.get(number).cloned();
        let offer = offer.ok_or_else(|| format!("There is no file f{number}; /files lists them."))?;
        match &offer.side {
            Side::Others => Err(format!("f{number} is not between you and {}.", offer.from)),
            Side::Theirs(fetch) => match fetch.stage {
                Stage::Done(_) => Err(format!("f{number} is here already.")),
                Stage::Declined | Stage::Failed(_) => Err(format!("f{number} does not come anyway.")),
                _ => {
                    self.decline(number, "stopped", effects);
                    Ok(())
                }
            },
            Side::Mine(mine) if mine.withdrawn => Err(format!("f{number} is taken back already.")),
            Side::Mine(mine) => {
                let receivers: Vec<String> = mine.receivers.iter().map(|one| one.name.clone()).collect();
                for to in receivers {
                    effects.push(order(number, Some(to), Order::Stop));
                }
                effects.push(order(number, None, Order::Stop));
                if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                    mine.withdrawn = true;
                    for one in &mut mine.receivers {
                        if matches!(one.stage, Given::Moving(_) | Given::Cut(_)) {
                            one.stage = Given::Failed("stopped".to_owned());
                        }
                    }
                }
                self.keep_fate(number, FileFate::Withdrawn, effects);
                let addressed = self.outbox.get(&offer.key.1).map(|outgoing| outgoing.to.clone());
                for to in addressed.unwrap_or_default() {
                    self.say_decline(&to, &offer.key.1, &offer.file, "taken back", effects);
                }
                Ok(())
            }
        }
    }

    /// Tries a file that failed again.
    pub(super) fn retry_file(
        &mut self,
        number: u32,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let failed = matches!(
            self.fetch(number),
            Some(Fetch {
                stage: Stage::Failed(_),
                accepted: true,
                pushed: false
            })
        );
        if !failed {
            return Err(format!(
                "f{number} is no file that failed to come; /files lists them."
            ));
        }
        self.fetch_file(number, now, effects);
        Ok(())
    }

    /// Since when the oldest file is kept aside that came without being asked for.
    pub(super) fn oldest_aside(&self) -> Option<Millis> {
        self.items_aside().map(|(_, arrived)| arrived).min()
    }

    /// Declines files that came without being asked for and that nobody wanted in time.
    pub(super) fn expire_files(&mut self, arrived: Millis, effects: &mut Vec<Effect>) {
        let old: Vec<u32> = self
            .items_aside()
            .filter(|(_, at)| *at <= arrived)
            .map(|(number, _)| number)
            .collect();
        for number in old {
            self.decline(number, "nobody decided in time", effects);
        }
    }

    fn items_aside(&self) -> impl Iterator<Item = (u32, Millis)> {
        self.inbox.waiting().filter_map(|item| match item.matter {
            Matter::File(number) => {
                let pushed = self.fetch(number).is_some_and(|fetch| fetch.pushed);
                pushed.then_some((number, item.arrived))
            }
            _ => None,
        })
    }

    /// An item for each file that is offered by itself.
    pub(super) fn file_items(&mut self, numbers: &[u32], now: Millis) -> bool {
        let mut any = false;
        for number in numbers {
            let waiting = self.offers.get(*number).filter(|offer| {
                matches!(&offer.side, Side::Theirs(fetch) if fetch.stage == Stage::Offered && !fetch.accepted)
            });
            let Some(offer) = waiting else { continue };
            let post = self.timeline.post_numbered(offer.post);
            let Some((speaker, thread)) = post.map(|post| (post.speaker(), post.thread.clone())) else {
                continue;
            };
            self.inbox.push(Item {
                id: ItemId::File(*number),
                from: speaker,
                text: format!("{} · {}", offer.name, crate::text::bytes(offer.size)),
                thread,
                arrived: now,
                later: false,
                matter: Matter::File(*number),
            });
            any = true;
        }
        any
    }

    /// The files of a mention that still have to come, and are asked for now.
    pub(super) fn fetch_all(&mut self, key: &Key, now: Millis, effects: &mut Vec<Effect>) -> Vec<u32> {
        let numbers: Vec<u32> = self
            .offers
            .of_message(key)
            .filter(|offer| matches!(&offer.side, Side::Theirs(fetch) if fetch.stage != Stage::Declined))
            .map(|offer| offer.number)
            .collect();
        for number in &numbers {
            self.fetch_file(*number, now, effects);
        }
        numbers
    }

    /// Declines all files of a mention.
    pub(super) fn decline_all(&mut self, key: &Key, reason: &str, effects: &mut Vec<Effect>) {
        let open = |offer: &&Offer| matches!(&offer.side, Side::Theirs(fetch) if matches!(fetch.stage, Stage::Offered | Stage::Aside | Stage::Moving(_)));
        let numbers: Vec<u32> = self
            .offers
            .of_message(key)
            .filter(open)
            .map(|offer| offer.number)
            .collect();
        for number in numbers {
            self.decline(number, reason, effects);
        }
    }

    // From disk.

    /// A message of ours is there once more, with what its files turned out to be.
    pub(super) fn offers_read(&mut self, chat: &Chat, outgoing: &Outgoing) {
        let ours = key(&self.settings.me, &outgoing.id);
        for (file, source) in chat.files.iter().zip(&outgoing.sources) {
            let number = self.offers.find(&ours, &file.id).map(|offer| offer.number);
            let Some(offer) = number.and_then(|number| self.offers.get_mut(number)) else {
                continue;
            };
            offer.size = file.size;
            if let Some(mine) = offer.mine_mut() {
                mine.source = source.clone();
                mine.reading = source.sha256.is_empty().then_some(0);
            }
        }
    }

    /// What was decided, or became of a file, before a restart.
    pub(super) fn restore_file(&mut self, key: &Key, file: &str, fate: FileFate) {
        let Some(number) = self.offers.find(key, file).map(|offer| offer.number) else {
            return;
        };
        if let FileFate::Given(to) = &fate {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.receiver(to, Given::Done);
            }
            return;
        }
        if fate == FileFate::Withdrawn {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.withdrawn = true;
            }
            return;
        }
        if fate != FileFate::Aside {
            self.inbox.take(ItemId::File(number));
        }
        let Some(fetch) = self.fetch_mut(number) else {
            return;
        };
        match fate {
            FileFate::Accepted => {
                fetch.accepted = true;
                if !matches!(fetch.stage, Stage::Aside) {
                    fetch.stage = Stage::Preparing;
                }
            }
            FileFate::Aside => (fetch.stage, fetch.pushed) = (Stage::Aside, true),
            FileFate::Declined => fetch.stage = Stage::Declined,
            FileFate::Done(path) => fetch.stage = Stage::Done(path),
            FileFate::Failed(why) => fetch.stage = Stage::Failed(why),
            FileFate::Given(_) | FileFate::Withdrawn => {}
        }
    }

    /// What was on its way when the program ended goes on.
    pub(super) fn resume_files(&mut self, effects: &mut Vec<Effect>) {
        let open: Vec<(u32, bool)> = self
            .offers
            .all()
            .filter_map(|offer| match &offer.side {
                Side::Theirs(fetch) if fetch.accepted => match fetch.stage {
                    Stage::Preparing => Some((offer.number, false)),
                    Stage::Aside => Some((offer.number, true)),
                    _ => None,
                },
                Side::Theirs(Fetch {
                    stage: Stage::Aside, ..
                }) => Some((offer.number, true)),
                _ => None,
            })
            .collect();
        for (number, whole) in open {
            self.prepare(number, whole, effects);
        }
        let unread: Vec<String> = self.outbox.preparing().map(|one| one.id.clone()).collect();
        for id in unread {
            self.read_files(&id, effects);
        }
    }

    fn keep_fate(&self, number: u32, fate: FileFate, effects: &mut Vec<Effect>) {
        if let Some(offer) = self.offers.get(number) {
            effects.push(Effect::Keep(Box::new(Record::File {
                from: offer.key.0.clone(),
                id: offer.key.1.clone(),
                file: offer.file.clone(),
                fate,
            })));
        }
    }

    fn fetch(&self, number: u32) -> Option<&Fetch> {
        match &self.offers.get(number)?.side {
            Side::Theirs(fetch) => Some(fetch),
            _ => None,
        }
    }

    fn fetch_mut(&mut self, number: u32) -> Option<&mut Fetch> {
        self.offers.get_mut(number).and_then(Offer::fetch_mut)
    }

    fn set_stage(&mut self, number: u32, stage: Stage) {
        if let Some(fetch) = self.fetch_mut(number) {
            fetch.stage = stage;
        }
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

fn order(number: u32, to: Option<String>, order: Order) -> Effect {
    Effect::File {
        handle: Handle { number, to },
        order,
    }
}
