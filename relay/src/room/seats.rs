//! The seats of a room, found by name and by connection.

use std::{
    collections::HashMap,
    ops::{Index, IndexMut},
};

use bytes::Bytes;

use super::{
    FrameClass, Outbox,
    seat::{NameKey, Seat, SeatId},
};

pub(super) struct Seats<O> {
    /// In no order; dense, so that a broadcast is one pass.
    seats: Vec<Seat<O>>,
    /// The index in `seats` of each name.
    names: HashMap<NameKey, usize>,
}

impl<O: Outbox> Seats<O> {
    pub(super) fn new() -> Seats<O> {
        Seats {
            seats: Vec::new(),
            names: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Seat<O>> {
        self.seats.iter()
    }

    /// All seats but one, with their indices.
    pub(super) fn others(&self, than: usize) -> impl Iterator<Item = (usize, &Seat<O>)> {
        self.seats
            .iter()
            .enumerate()
            .filter(move |(index, _)| *index != than)
    }

    /// The index of the seat with this name.
    pub(super) fn named(&self, name: &NameKey) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The index of a connection's seat, unless another connection has taken it over.
    pub(super) fn index_of(&self, id: &SeatId) -> Option<usize> {
        let index = self.named(&id.key)?;
        let link = self.seats[index].link.as_ref()?;
        (link.connection == id.connection).then_some(index)
    }

    pub(super) fn outbox(&self, id: &SeatId) -> Option<&O> {
        let link = self.seats[self.index_of(id)?].link.as_ref()?;
        Some(&link.outbox)
    }

    /// Queues a frame about a stream, if the connection is still there. A version 1 connection is notified instead and
    /// looks at its streams.
    pub(super) fn send(&self, to: &SeatId, frame: Bytes) {
        let Some(index) = self.index_of(to) else { return };
        let seat = &self.seats[index];
        match (&seat.v1, &seat.link) {
            (Some(v1), _) => v1.notify(),
            (None, Some(link)) => {
                link.outbox.push(frame, FrameClass::Message);
            }
            (None, None) => {}
        }
    }

    /// Adds a seat and returns its index.
    pub(super) fn push(&mut self, seat: Seat<O>) -> usize {
        let index = self.seats.len();
        self.names.insert(seat.key.clone(), index);
        self.seats.push(seat);
        index
    }

    /// Removes a seat. The last one takes its index.
    pub(super) fn remove(&mut self, index: usize) -> Seat<O> {
        let seat = self.seats.swap_remove(index);
        self.names.remove(&seat.key);
        if let Some(moved) = self.seats.get(index) {
            self.names.insert(moved.key.clone(), index);
        }
        seat
    }

    /// Number of names, after checking that each leads to its seat.
    #[cfg(test)]
    pub(super) fn names(&self) -> usize {
        assert!(
            self.names
                .iter()
                .all(|(name, seat)| self.seats[*seat].key == *name)
        );
        self.names.len()
    }
}

impl<O> Index<usize> for Seats<O> {
    type Output = Seat<O>;

    fn index(&self, index: usize) -> &Seat<O> {
        &self.seats[index]
    }
}

impl<O> IndexMut<usize> for Seats<O> {
    fn index_mut(&mut self, index: usize) -> &mut Seat<O> {
        &mut self.seats[index]
    }
}
