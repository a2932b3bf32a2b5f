//! Files again after a restart.

use nexscope_relay::protocol::body::Chat;

use crate::core::{
    Effect, Fetch, FileOutcome, ItemId, Millis, Offer, Outgoing, Room, Side, Stage, UploadState,
    files::sharing::download::Since,
    review::inbox::{Key, key},
};

impl Room {
    /// A message of ours is there once more, with what its files turned out to be.
    pub(in crate::core) fn offers_read(&mut self, chat: &Chat, outgoing: &Outgoing) {
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
    pub(in crate::core) fn restore_file(&mut self, key: &Key, file: &str, fate: FileOutcome) {
        let Some(number) = self.offers.find(key, file).map(|offer| offer.number) else {
            return;
        };
        if let FileOutcome::Given(to) = &fate {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.receiver(to, UploadState::Done);
            }
            return;
        }
        if fate == FileOutcome::Withdrawn {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.withdrawn = true;
            }
            return;
        }
        if fate != FileOutcome::Aside {
            self.inbox.take(ItemId::File(number));
        }
        let Some(fetch) = self.fetch_mut(number) else {
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

    /// What was on its way when the program ended goes on.
    pub(in crate::core) fn resume_files(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        let open: Vec<(u32, Since)> = self
            .offers
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
        for (number, since) in open {
            // It is asked for anew, from where it is now.
            if let Some(offer) = self.offers.get(number) {
                self.outbox.forget_accepts(&offer.key.1, &offer.file);
            }
            self.prepare(number, since, effects);
        }
        let unread: Vec<String> = self.outbox.preparing().map(|one| one.id.clone()).collect();
        for id in unread {
            self.read_files(&id, now, effects);
        }
    }
}
