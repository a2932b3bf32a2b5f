//! The rooms of a relay: made by their first member, gone some time after their last.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use crate::{
    connection::queue::Queue,
    protocol::{
        Code, ErrorFrame, Post, StreamClose, StreamCredit, StreamOpen, Update,
        v1::{Attachment, Msg},
    },
    random,
    room::{FileError, JoinRequest, Owners, ReadAllowance, ReplayStep, Room, Rules, SeatId, StreamError},
};

/// How long an empty room is kept where nothing waits in it; then it is looked at again and again.
const EMPTY_CHECK: Duration = Duration::from_secs(60);
/// How long one is kept where something waits for somebody. Its sender keeps it too.
const KEEP_PENDING: Duration = Duration::from_secs(24 * 3600);

/// See the [module](self).
pub struct Hub {
    rules: Arc<Rules>,
    max_rooms: usize,
    /// How long the seat of a member is held who is away.
    seat: Duration,
    /// Cancelled when the relay shuts down: nobody is told any more who leaves.
    shutdown: CancellationToken,
    /// By name in lower case.
    rooms: Mutex<HashMap<String, Arc<RoomSlot>>>,
    /// Whose the names of all rooms are; outlives the rooms.
    owners: Arc<Mutex<Owners>>,
}

/// A room and its lock. Nothing is awaited under it.
struct RoomSlot {
    key: String,
    room: Mutex<SlotState>,
}

struct SlotState {
    room: Room<Arc<Queue>>,
    /// Whether the hub has let the room go; whoever finds it so looks the name up again.
    removed: bool,
}

/// A connection's place in its room. The seat is given up when the last clone was dropped or `bye` said.
#[derive(Clone)]
pub struct Membership {
    hub: Arc<Hub>,
    slot: Arc<RoomSlot>,
    seat: SeatId,
}

impl Hub {
    /// No rooms yet.
    pub fn new(rules: Rules, max_rooms: usize, seat: Duration, shutdown: CancellationToken) -> Hub {
        Hub {
            rules: Arc::new(rules),
            max_rooms,
            seat,
            shutdown,
            rooms: Mutex::default(),
            owners: Arc::default(),
        }
    }

    /// Lets somebody in, whose welcome is then in `queue`. Fails with `name_taken` or `full`.
    pub fn join(self: &Arc<Hub>, request: JoinRequest, queue: &Arc<Queue>) -> Result<Membership, ErrorFrame> {
        let mut request = Some(request);
        loop {
            let slot = self.slot_for(&request)?;
            let mut state = lock(&slot.room);
            if state.removed {
                continue;
            }
            // Taken once: every way on from here leaves the loop.
            let Some(request) = request.take() else {
                return Err(full());
            };
            return match state.room.join(request, Arc::clone(queue), unix_ms()) {
                Ok(seat) => {
                    drop(state);
                    Ok(Membership {
                        hub: Arc::clone(self),
                        slot,
                        seat,
                    })
                }
                Err(error) => {
                    drop(state);
                    self.remove_when_empty(&slot);
                    Err(error)
                }
            };
        }
    }

    /// How many rooms and members there are.
    pub fn count(&self) -> (usize, usize) {
        let slots: Vec<_> = lock(&self.rooms).values().cloned().collect();
        (
            slots.len(),
            slots.iter().map(|slot| lock(&slot.room).room.members()).sum(),
        )
    }

    /// The room that an entry is for, made where it is new.
    fn slot_for(&self, request: &Option<JoinRequest>) -> Result<Arc<RoomSlot>, ErrorFrame> {
        let Some(request) = request else {
            return Err(full());
        };
        let key = request.greeting.room.to_ascii_lowercase();
        let mut rooms = lock(&self.rooms);
        if let Some(slot) = rooms.get(&key) {
            return Ok(Arc::clone(slot));
        }
        if request.over_limit {
            return Err(full());
        }
        if self.max_rooms > 0 && rooms.len() >= self.max_rooms {
            // An empty room makes way, at first one in which nothing waits; what waits is with its senders too.
            let state = |slot: &Arc<RoomSlot>| {
                let state = lock(&slot.room);
                (state.room.members() == 0).then(|| state.room.has_pending())
            };
            let empty = rooms.values().filter_map(|slot| Some((state(slot)?, slot)));
            let empty = empty
                .min_by_key(|(has_pending, _)| *has_pending)
                .map(|(_, slot)| Arc::clone(slot));
            let empty = empty.ok_or_else(full)?;
            let mut state = lock(&empty.room);
            if state.room.members() > 0 {
                return Err(full());
            }
            state.removed = true;
            rooms.remove(&empty.key);
        }
        let epoch = random::id().map_err(|_| full())?;
        let room = Room::new(
            &request.greeting.room,
            epoch,
            Arc::clone(&self.rules),
            Arc::clone(&self.owners),
        );
        let slot = Arc::new(RoomSlot {
            key: key.clone(),
            room: Mutex::new(SlotState { room, removed: false }),
        });
        rooms.insert(key, Arc::clone(&slot));
        Ok(slot)
    }

    /// Lets a room go that is empty and stays so for a while. One in which nobody ever was goes at once.
    fn remove_when_empty(self: &Arc<Hub>, slot: &Arc<RoomSlot>) {
        let joins = {
            let state = lock(&slot.room);
            if state.room.members() > 0 || state.removed {
                return;
            }
            state.room.joins()
        };
        if joins == 0 {
            self.remove(slot, joins);
            return;
        }
        let (hub, slot) = (Arc::clone(self), Arc::clone(slot));
        tokio::spawn(async move {
            let mut state = Duration::ZERO;
            loop {
                tokio::select! {
                    () = hub.shutdown.cancelled() => return,
                    () = tokio::time::sleep(EMPTY_CHECK) => state += EMPTY_CHECK,
                }
                let stays = {
                    let slot = lock(&slot.room);
                    if slot.removed || slot.room.joins() != joins {
                        return;
                    }
                    slot.room.has_pending() && state < KEEP_PENDING
                };
                if !stays {
                    hub.remove(&slot, joins);
                    return;
                }
            }
        });
    }

    fn remove(&self, slot: &Arc<RoomSlot>, joins: u64) {
        let mut rooms = lock(&self.rooms);
        let mut state = lock(&slot.room);
        if !state.removed && state.room.members() == 0 && state.room.joins() == joins {
            state.removed = true;
            rooms.remove(&slot.key);
        }
    }
}

impl Membership {
    /// See [`Room::message`].
    pub fn message(&self, post: &Post) -> Result<usize, ErrorFrame> {
        lock(&self.slot.room).room.message(&self.seat, post, unix_ms())
    }

    /// See [`Room::broadcast`].
    pub fn broadcast(&self, posts: &[Post]) -> usize {
        lock(&self.slot.room).room.broadcast(&self.seat, posts, unix_ms())
    }

    /// See [`Room::signal`].
    pub fn signal(&self, post: &Post) -> Result<usize, ErrorFrame> {
        lock(&self.slot.room).room.signal(&self.seat, post)
    }

    /// See [`Room::update`].
    pub fn update(&self, update: Update) {
        lock(&self.slot.room).room.update(&self.seat, update);
    }

    /// See [`Room::stream_open`].
    pub fn stream_open(&self, open: &StreamOpen) -> Result<(), StreamError> {
        lock(&self.slot.room).room.stream_open(&self.seat, open)
    }

    /// See [`Room::is_small_credit`].
    pub fn is_small_credit(&self, credit: &StreamCredit) -> bool {
        lock(&self.slot.room).room.is_small_credit(&self.seat, credit)
    }

    /// See [`Room::stream_credit`].
    pub fn stream_credit(&self, credit: &StreamCredit) -> Result<(), StreamError> {
        lock(&self.slot.room).room.stream_credit(&self.seat, credit)
    }

    /// See [`Room::stream_chunk`].
    pub fn stream_chunk(&self, frame: Bytes) -> Result<(), StreamError> {
        lock(&self.slot.room).room.stream_chunk(&self.seat, frame)
    }

    /// See [`Room::stream_close`].
    pub fn stream_close(&self, close: &StreamClose) -> Result<(), StreamError> {
        lock(&self.slot.room).room.stream_close(&self.seat, close)
    }

    /// See [`Room::v1_message`].
    pub fn v1_message(&self, msg: &Msg) -> usize {
        lock(&self.slot.room).room.v1_message(&self.seat, msg, unix_ms())
    }

    /// See [`Room::v1_file_start`].
    pub fn v1_file_start(&self, msg: &Msg, attachment: &Attachment) -> Result<usize, FileError> {
        let now = (unix_ms(), Instant::now());
        lock(&self.slot.room)
            .room
            .v1_file_start(&self.seat, msg, attachment, Uuid::new_v4, now)
    }

    /// See [`Room::v1_file_allowance`].
    pub fn v1_file_allowance(&self, stall: Duration) -> ReadAllowance {
        lock(&self.slot.room)
            .room
            .v1_file_allowance(&self.seat, stall, Instant::now())
    }

    /// See [`Room::v1_file_chunk`].
    pub fn v1_file_chunk(&self, data: &Bytes) -> Result<(), FileError> {
        lock(&self.slot.room).room.v1_file_chunk(&self.seat, data)
    }

    /// See [`Room::v1_file_end`].
    pub fn v1_file_end(&self, msg_id: &str) -> Result<(), FileError> {
        lock(&self.slot.room).room.v1_file_end(&self.seat, msg_id)
    }

    /// See [`Room::v1_file_abort`].
    pub fn v1_file_abort(&self, message: &str) {
        lock(&self.slot.room).room.v1_file_abort(&self.seat, message);
    }

    /// See [`Room::v1_grant_credit`].
    pub fn v1_grant_credit(&self) {
        lock(&self.slot.room).room.v1_grant_credit(&self.seat);
    }

    /// See [`Room::replay`].
    pub fn replay(&self, budget: usize, out: &mut impl Extend<Bytes>) -> ReplayStep {
        lock(&self.slot.room).room.replay(&self.seat, budget, out)
    }

    /// The member leaves for good.
    pub fn leave(&self) {
        {
            let mut state = lock(&self.slot.room);
            state.room.advance_clock(unix_ms());
            state.room.leave(&self.seat);
        }
        info!(member = ?self.seat, room = self.slot.key, "left");
        self.hub.remove_when_empty(&self.slot);
    }

    /// The connection has ended: its seat is held for a while, unless it was given up or taken over.
    pub fn connection_lost(&self) {
        if self.hub.shutdown.is_cancelled() {
            return;
        }
        let grace_period = {
            let mut state = lock(&self.slot.room);
            state.room.advance_clock(unix_ms());
            state.room.mark_away(&self.seat)
        };
        let Some(grace_period) = grace_period else {
            // A version 1 member leaves at once; it may have been the last.
            return self.hub.remove_when_empty(&self.slot);
        };
        info!(member = ?self.seat, room = self.slot.key, "away");
        let membership = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = membership.hub.shutdown.cancelled() => return,
                () = tokio::time::sleep(membership.hub.seat) => {}
            }
            {
                let mut state = lock(&membership.slot.room);
                state.room.advance_clock(unix_ms());
                state.room.expire(&grace_period);
            }
            membership.hub.remove_when_empty(&membership.slot);
        });
    }

    /// For the log: who it is and where.
    pub fn describe(&self) -> (String, String) {
        (format!("{:?}", self.seat), self.slot.key.clone())
    }
}

fn full() -> ErrorFrame {
    ErrorFrame::new(Code::Full, "The relay is full; try again later.")
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A panic in one connection does not end the others: a room goes on after it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
