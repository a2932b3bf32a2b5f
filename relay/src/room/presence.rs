//! Being away, coming back, and leaving.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    FrameClass, Outbox, Room,
    seat::{Link, SeatId},
};
use crate::{
    protocol::{PresenceEvent, Status},
    wire,
};

/// The time for which the seat of an away member is held. Pass it to [`Room::expire`] at its end.
#[derive(Debug)]
pub struct GracePeriod {
    seat_id: SeatId,
    number: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "presence")]
struct PresenceFrame<'a> {
    event: PresenceEvent,
    member: &'a RawValue,
}

impl<O: Outbox> Room<O> {
    /// Marks a member as away after its connection ended without `bye`. Returns `None` if another connection has taken
    /// the seat over, or if the member speaks version 1 and has therefore left.
    pub fn mark_away(&mut self, seat_id: &SeatId) -> Option<GracePeriod> {
        let index = self.seats.index_of(seat_id)?;
        if self.seats[index].v1.is_some() {
            // Version 1 has no session to resume.
            self.leave(seat_id);
            return None;
        }
        self.disconnect(index);
        let seat = &mut self.seats[index];
        seat.change(|member| member.status = Status::Away);
        seat.absence_count += 1;
        seat.away_since = self.now;
        let number = seat.absence_count;
        self.announce(PresenceEvent::Away, index);
        Some(GracePeriod {
            seat_id: seat_id.clone(),
            number,
        })
    }

    /// Removes the seat of an away member whose grace period is over, unless it has come back.
    pub fn expire(&mut self, grace_period: &GracePeriod) {
        let Some(index) = self.seats.named(&grace_period.seat_id.key) else {
            return;
        };
        let seat = &self.seats[index];
        if seat.link.is_none() && seat.absence_count == grace_period.number {
            self.remove_seat(index);
        }
    }

    /// Removes a member that leaves. Everything that was sent to it counts as received.
    pub fn leave(&mut self, seat_id: &SeatId) {
        let Some(index) = self.seats.index_of(seat_id) else {
            return;
        };
        let seat = &self.seats[index];
        let replay = seat.link.as_ref().and_then(|link| link.replay.as_deref());
        let received = replay.map_or(u64::MAX, |replay| replay.at);
        let recipient = seat.recipient();
        let pending = self.pending.entry(&recipient);
        pending.seqs.retain(|seq| *seq > received);
        self.disconnect(index);
        self.remove_seat(index);
    }

    /// Announces a change of a member to everyone else.
    pub(super) fn announce(&mut self, event: PresenceEvent, index: usize) {
        if self.seats.len() < 2 {
            return;
        }
        let frame = wire::text(&PresenceFrame {
            event,
            member: &self.seats[index].json,
        });
        self.v1().announce(event, index);
        for (_, seat) in self.seats.others(index) {
            if seat.v1.is_none()
                && let Some(link) = &seat.link
            {
                link.outbox.push(frame.clone(), FrameClass::Message);
            }
        }
    }

    /// Takes the connection from a seat and ends its streams.
    pub(super) fn disconnect(&mut self, index: usize) -> Option<Link<O>> {
        let link = self.seats[index].link.as_ref()?;
        let seat_id = SeatId {
            key: self.seats[index].key.clone(),
            connection: link.connection,
        };
        self.v1().abort_file(&seat_id, "Its sender has gone.");
        self.streams().end_all(&seat_id);
        let seat = &mut self.seats[index];
        let link = seat.link.take()?;
        self.replaying -= usize::from(link.replay.is_some());
        let recipient = seat.recipient();
        let sent = link.replay.as_ref().map_or(self.seq, |replay| replay.at);
        self.pending.entry(&recipient).sent = sent;
        if let Some(owner) = self.seats[index].owner {
            self.owners().depart(&self.key, &recipient.name, owner, self.now);
        }
        Some(link)
    }

    pub(super) fn remove_seat(&mut self, index: usize) {
        self.announce(PresenceEvent::Leave, index);
        let seat = self.seats.remove(index);
        self.v1.members -= usize::from(seat.v1.is_some());
        self.forgotten_private = self.forgotten_private.max(seat.forgotten);
        self.pending.remove_if_empty(&seat.recipient());
    }
}
