//! Whether a name is still the same person's: the relay shows a key for it, which is remembered.

use super::{Effect, Millis, Record, Reply, Room};

/// What is new about the key of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyNews {
    /// It is seen for the first time, and remembered.
    First {
        /// The name.
        name: String,
        /// Its key.
        key: String,
    },
    /// Another one, or none, has come in the place of the one that is known.
    Changed {
        /// The name.
        name: String,
    },
}

impl Room {
    /// Keeps what was seen for the first time, and tells our person what has changed.
    pub(super) fn keys_seen(&mut self, news: Vec<KeyNews>, now: Millis, effects: &mut Vec<Effect>) {
        for one in news {
            match one {
                KeyNews::First { name, key } => {
                    effects.push(Effect::Keep(Box::new(Record::Known { name, key })));
                }
                KeyNews::Changed { name } => {
                    self.timeline.note(
                        format!(
                            "{name} has come with another key than before: perhaps somebody else. What waits for \
                             {name} is held back. Ask {name} in another way, and type /trust {name} if it is right."
                        ),
                        now,
                    );
                    effects.push(Effect::Attention(super::Attention::Message));
                }
            }
        }
    }

    /// Our person takes the key that a name has now as its own, or says yes to what an agent of theirs reaches. Fails
    /// where there is no doubt.
    pub(super) fn trust(&mut self, name: &str, effects: &mut Vec<Effect>) -> Result<Reply, String> {
        if !self.members.is_doubtful(name)
            && let Some(reach) = self.settings.unconfirmed.remove(name)
        {
            effects.push(Effect::Confirm {
                agent: name.to_owned(),
            });
            return Ok(Reply::Text(format!("Allowed: {name} {reach}.")));
        }
        let (name, key) = self.members.trust(name)?;
        if let Some(key) = key {
            effects.push(Effect::Keep(Box::new(Record::Known {
                name: name.clone(),
                key,
            })));
        }
        let open: Vec<String> = self.outbox.open().map(|one| one.id.clone()).collect();
        open.iter().for_each(|id| self.transmit(id, effects));
        Ok(Reply::Text(format!(
            "{name} is taken for the same person as before."
        )))
    }
}
