//! Offering, wanting and stopping files: what a person decides, what others say, and what the transfers tell.

mod download;
mod replay;
mod upload;

use std::path::PathBuf;

use nexscope_relay::protocol::body::File;

use crate::core::{
    Effect, Failure, FileOutcome, ItemId, MentionOutcome, Millis, Record, Room,
    files::{Fetch, Offer, Side, Stage, TransferEvent, TransferId, TransferOrder, UploadState, safe_name},
    persist::audit::{self, By, Decided, Verdict},
    review::inbox::{Key, key},
};

impl Room {
    /// A transfer tells something.
    pub(in crate::core) fn file_event(
        &mut self,
        handle: &TransferId,
        event: TransferEvent,
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

    /// Runs that wait for files go on when those are here, and fail where one does not come.
    pub(in crate::core) fn files_moved_on(&mut self, now: Millis, effects: &mut Vec<Effect>) {
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
                    self.settle(
                        run.key,
                        &from,
                        MentionOutcome::Failed(Failure::NoFile),
                        now,
                        effects,
                    );
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

    /// Whether a file is offered to us, and our person has not said yet whether they want it.
    pub fn is_undecided(&self, number: u32) -> bool {
        self.fetch(number).is_some_and(|fetch| {
            let open = matches!(fetch.stage, Stage::Offered | Stage::Aside | Stage::Moving(_));
            open && !fetch.accepted
        })
    }

    /// Ends a transfer, or takes an offer of ours back.
    pub(in crate::core) fn cancel_file(
        &mut self,
        number: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
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
                    effects.push(order(number, Some(to), TransferOrder::Stop));
                }
                effects.push(order(number, None, TransferOrder::Stop));
                if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                    mine.withdrawn = true;
                    for one in &mut mine.receivers {
                        if matches!(one.stage, UploadState::Moving(_) | UploadState::Cut(_)) {
                            one.stage = UploadState::Failed("stopped".to_owned());
                        }
                    }
                }
                self.keep_fate(number, FileOutcome::Withdrawn, effects);
                let addressed = self.outbox.get(&offer.key.1).map(|outgoing| outgoing.to.clone());
                for to in addressed.unwrap_or_default() {
                    self.say_decline(&to, &offer.key.1, &offer.file, "taken back", effects);
                }
                Ok(())
            }
        }
    }

    /// Tries a file that failed again.
    pub(in crate::core) fn retry_file(
        &mut self,
        number: u32,
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
        self.fetch_file(number, effects);
        Ok(())
    }

    /// The files of a mention that still have to come, and are asked for now.
    pub(in crate::core) fn fetch_all(&mut self, key: &Key, effects: &mut Vec<Effect>) -> Vec<u32> {
        let numbers: Vec<u32> = self
            .offers
            .of_message(key)
            .filter(|offer| matches!(&offer.side, Side::Theirs(fetch) if fetch.stage != Stage::Declined))
            .map(|offer| offer.number)
            .collect();
        for number in &numbers {
            self.fetch_file(*number, effects);
        }
        numbers
    }

    /// Declines all files of a mention.
    pub(in crate::core) fn decline_all(&mut self, key: &Key, reason: &str, effects: &mut Vec<Effect>) {
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

    fn keep_fate(&self, number: u32, fate: FileOutcome, effects: &mut Vec<Effect>) {
        if let Some(offer) = self.offers.get(number) {
            let entry = audit::Entry::File {
                item: ItemId::File(number).to_string(),
                from: offer.from.clone(),
                message: offer.key.1.clone(),
                name: offer.name.clone(),
                size: offer.size,
                sha256: offer.sha256(),
                fate: fate.clone(),
            };
            Self::note_audit(entry, effects);
            effects.push(Effect::Keep(Box::new(Record::File {
                from: offer.key.0.clone(),
                id: offer.key.1.clone(),
                file: offer.file.clone(),
                fate,
            })));
        }
    }

    /// Who or what has decided about a file by itself; what follows from that is noted as it comes.
    pub(in crate::core) fn note_file_decided(
        &self,
        number: u32,
        by: By,
        verdict: Verdict,
        effects: &mut Vec<Effect>,
    ) {
        let message = self.offers.get(number).map(|offer| offer.key.1.clone());
        let item = Some(ItemId::File(number).to_string());
        self.note_decided(
            Decided {
                item,
                message,
                ..Decided::new(by, verdict)
            },
            effects,
        );
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

fn order(number: u32, to: Option<String>, order: TransferOrder) -> Effect {
    Effect::File {
        handle: TransferId { number, to },
        order,
    }
}
