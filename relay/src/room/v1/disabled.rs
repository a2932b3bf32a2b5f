//! Stands in for version 1 in a build without it: no seat can be a version 1 member's, so none of this ever runs.

use bytes::Bytes;
use uuid::Uuid;

use super::{
    JoinRequest, Outbox, Room, Rules,
    messages::MessageFrame,
    seat::{NameKey, SeatId},
    streams::Stream,
};
use crate::protocol::{Post, PresenceEvent, StreamOpen};

/// Cannot be made.
pub enum V1Seat {}

/// Cannot be made.
pub(super) enum OutgoingFile {}

pub(super) enum V1Rendering {
    Translated,
}

#[derive(Default)]
pub(super) struct V1Frames {}

#[derive(Default)]
pub(super) struct State {
    /// Always 0.
    pub(super) members: usize,
}

pub struct V1Room<'a, O>(pub(super) &'a mut Room<O>);

impl V1Seat {
    pub(super) fn notify(&self) {
        match *self {}
    }
}

impl OutgoingFile {
    pub(super) fn end(&self) -> Bytes {
        match *self {}
    }

    pub(super) fn incomplete(&self) -> Bytes {
        match *self {}
    }
}

impl V1Frames {
    pub(super) fn for_member(&self, _named: bool) -> Option<&Bytes> {
        None
    }
}

impl State {
    pub(super) fn is_full(&self, _request: &JoinRequest, _rules: &Rules) -> bool {
        false
    }

    pub(super) fn render(&mut self, rendering: V1Rendering, _message: &MessageFrame) -> V1Frames {
        match rendering {
            V1Rendering::Translated => V1Frames {},
        }
    }

    pub(super) fn translate(&mut self, _frame: &Bytes, _reader: &NameKey) -> Option<Bytes> {
        None
    }
}

impl<O: Outbox> V1Room<'_, O> {
    pub(super) fn welcome(&self, _index: usize) -> Option<Bytes> {
        None
    }

    pub(super) fn announce(&self, _event: PresenceEvent, _index: usize) {}

    pub(super) fn sent(&mut self, _sender: usize, _post: &Post, _now: u64) {}

    pub(super) fn open_stream(
        &mut self,
        _from: &SeatId,
        to: &SeatId,
        _id: Uuid,
        _open: &StreamOpen,
    ) -> Result<Stream, &'static str> {
        let seat = self.0.seats.index_of(to).map(|index| &self.0.seats[index]);
        match seat.and_then(|seat| seat.v1.as_deref()) {
            Some(v1) => match *v1 {},
            None => Err("The receiver is not here."),
        }
    }

    pub(super) fn abort_file(&mut self, _seat_id: &SeatId, _message: &str) {}
}
