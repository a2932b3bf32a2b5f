//! Looks up the addressees of a message.

use super::{
    Outbox, Room,
    memory::Addressee,
    seat::{Holder, NameKey},
};
use crate::protocol::{Code, ErrorFrame, Post};

/// One name of `to`, looked up.
pub(super) struct Target {
    pub(super) addressee: Addressee,
    /// The index of the addressee's seat, if it has one.
    pub(super) seat: Option<usize>,
    /// Whether the message was queued for it.
    pub(super) reached: bool,
}

impl Target {
    pub(super) fn name(&self) -> &str {
        &self.addressee.name
    }
}

impl<O: Outbox> Room<O> {
    /// Looks up the addressees of a post, each once and without the sender. Fails with `bad_frame` if the post is
    /// for its addressees only and there are none.
    pub(super) fn targets(&self, sender: usize, post: &Post) -> Result<Vec<Target>, ErrorFrame> {
        let targets = self.resolve(sender, post);
        if post.only && targets.is_empty() {
            let message = "A message with `only` needs somebody else in `to`.";
            return Err(ErrorFrame::new(Code::BadFrame, message));
        }
        Ok(targets)
    }

    /// Like [`Room::targets`], but returns an empty list where that fails.
    pub(super) fn resolve(&self, sender: usize, post: &Post) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::with_capacity(post.to.len());
        for written in &post.to {
            let key = NameKey::new(written);
            if key == self.seats[sender].key || targets.iter().any(|target| target.addressee.key == key) {
                continue;
            }
            let seat = self.seats.named(&key);
            let name = seat.map_or(written.as_str(), |seat| &self.seats[seat].member.name);
            let name = name.into();
            let present = seat.map(|seat| self.seats[seat].holder());
            let by_key = |key| Holder { key, seat: 0 };
            let holder = match post.key_of(written) {
                // The sender means this key, even if someone else has the name now.
                Some(key) => by_key(Some(key)),
                None => present.unwrap_or_else(|| {
                    let owner = self.owners().owner(&self.key, &key, self.now);
                    by_key(owner.map(|owner| owner.key()))
                }),
            };
            targets.push(Target {
                addressee: Addressee { key, name, holder },
                seat: seat.filter(|_| present.is_some_and(|present| holder.is(present))),
                reached: false,
            });
        }
        targets
    }
}
