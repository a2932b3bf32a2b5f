//! The rooms of a relay. A room is made by its first member and removed some time after its last.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    connection::queue::Queue,
    limits::HeldSeats,
    protocol::{Code, ErrorFrame},
    random,
    room::{JoinRequest, Owners, Room, Rules, SeatId},
};

/// Interval at which an empty room is checked. A room without pending messages is removed at the first check.
const EMPTY_CHECK: Duration = Duration::from_secs(60);
/// Time for which an empty room with pending messages is kept. Their senders keep them too.
const KEEP_PENDING: Duration = Duration::from_secs(24 * 3600);

pub struct Hub {
    rules: Arc<Rules>,
    max_rooms: usize,
    /// Time for which the seat of an away member is held.
    grace_period: Duration,
    held_seats: Arc<HeldSeats>,
    /// Cancelled when the relay shuts down. From then on, leaving members are not announced.
    shutdown: CancellationToken,
    /// By name in lower case.
    rooms: Mutex<HashMap<String, Arc<RoomSlot>>>,
    /// The owners of names in all rooms; outlives the rooms.
    owners: Arc<Mutex<Owners>>,
}

/// A room and its lock. Nothing is awaited while it is locked.
struct RoomSlot {
    key: String,
    state: Mutex<SlotState>,
}

struct SlotState {
    room: Room<Arc<Queue>>,
    /// Whether the hub has removed the room. If so, look its name up again.
    removed: bool,
}

/// A connection's membership in its room.
#[derive(Clone)]
pub struct Membership {
    hub: Arc<Hub>,
    slot: Arc<RoomSlot>,
    seat: SeatId,
    /// The client's address; an IPv6 address stands for its network.
    address: IpAddr,
}

impl Hub {
    pub fn new(
        rules: Rules,
        max_rooms: usize,
        grace_period: Duration,
        held_seats: HeldSeats,
        shutdown: CancellationToken,
    ) -> Hub {
        Hub {
            rules: Arc::new(rules),
            max_rooms,
            grace_period,
            held_seats: Arc::new(held_seats),
            shutdown,
            rooms: Mutex::default(),
            owners: Arc::default(),
        }
    }

    /// Admits a member to its room. The welcome is then in `queue`. Fails with `name_taken` or `full`.
    pub fn join(self: &Arc<Hub>, request: JoinRequest, queue: &Arc<Queue>) -> Result<Membership, ErrorFrame> {
        loop {
            let slot = self.slot_for(&request)?;
            let mut state = lock(&slot.state);
            if state.removed {
                continue;
            }
            let address = request.address;
            let joined = state.room.join(request, Arc::clone(queue), unix_ms());
            drop(state);
            return match joined {
                Ok(seat) => Ok(Membership {
                    hub: Arc::clone(self),
                    slot,
                    seat,
                    address,
                }),
                Err(error) => {
                    self.remove_when_empty(&slot);
                    Err(error)
                }
            };
        }
    }

    /// Number of rooms and of members.
    pub fn count(&self) -> (usize, usize) {
        let slots: Vec<_> = lock(&self.rooms).values().cloned().collect();
        let members = slots.iter().map(|slot| lock(&slot.state).room.members());
        (slots.len(), members.sum())
    }

    /// The slot of the requested room, created if it is new.
    fn slot_for(&self, request: &JoinRequest) -> Result<Arc<RoomSlot>, ErrorFrame> {
        let key = request.greeting.room.to_ascii_lowercase();
        let mut rooms = lock(&self.rooms);
        if let Some(slot) = rooms.get(&key) {
            return Ok(Arc::clone(slot));
        }
        if request.over_limit {
            return Err(full());
        }
        if self.max_rooms > 0 && rooms.len() >= self.max_rooms {
            evict_empty(&mut rooms)?;
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
            state: Mutex::new(SlotState { room, removed: false }),
        });
        rooms.insert(key, Arc::clone(&slot));
        Ok(slot)
    }

    /// Removes a room once it has been empty for a while. A room that nobody ever joined is removed at once.
    fn remove_when_empty(self: &Arc<Hub>, slot: &Arc<RoomSlot>) {
        let joins = {
            let state = lock(&slot.state);
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
            let mut kept = Duration::ZERO;
            loop {
                tokio::select! {
                    () = hub.shutdown.cancelled() => return,
                    () = tokio::time::sleep(EMPTY_CHECK) => kept += EMPTY_CHECK,
                }
                let stays = {
                    let state = lock(&slot.state);
                    if state.removed || state.room.joins() != joins {
                        return;
                    }
                    state.room.has_pending() && kept < KEEP_PENDING
                };
                if !stays {
                    hub.remove(&slot, joins);
                    return;
                }
            }
        });
    }

    /// Removes a room that has been empty since it had this number of joins.
    fn remove(&self, slot: &Arc<RoomSlot>, joins: u64) {
        let mut rooms = lock(&self.rooms);
        let mut state = lock(&slot.state);
        if !state.removed && state.room.members() == 0 && state.room.joins() == joins {
            state.removed = true;
            rooms.remove(&slot.key);
        }
    }
}

impl Membership {
    /// Calls `f` with the locked room and this member's seat.
    pub(crate) fn with_room<T>(&self, f: impl FnOnce(&mut Room<Arc<Queue>>, &SeatId) -> T) -> T {
        f(&mut lock(&self.slot.state).room, &self.seat)
    }

    /// Leaves the room for good.
    pub fn leave(&self) {
        self.with_room(|room, seat| {
            room.advance_clock(unix_ms());
            room.leave(seat);
        });
        info!(member = ?self.seat, room = self.slot.key, "left");
        self.hub.remove_when_empty(&self.slot);
    }

    /// Reports the end of the connection. The seat is held for a while, unless it was given up or taken over.
    pub fn connection_lost(&self) {
        if self.hub.shutdown.is_cancelled() {
            return;
        }
        let grace_period = self.with_room(|room, seat| {
            room.advance_clock(unix_ms());
            room.mark_away(seat)
        });
        let Some(grace_period) = grace_period else {
            // A version 1 member leaves at once and may have been the last one.
            return self.hub.remove_when_empty(&self.slot);
        };
        info!(member = ?self.seat, room = self.slot.key, "away");
        let membership = self.clone();
        let held = self.hub.held_seats.hold(self.address);
        tokio::spawn(async move {
            tokio::select! {
                () = membership.hub.shutdown.cancelled() => return,
                () = held.released() => {}
                () = tokio::time::sleep(membership.hub.grace_period) => {}
            }
            membership.with_room(|room, _| {
                room.advance_clock(unix_ms());
                room.expire(&grace_period);
            });
            membership.hub.remove_when_empty(&membership.slot);
        });
    }

    /// The member and the room, for the log.
    pub fn describe(&self) -> (String, String) {
        (format!("{:?}", self.seat), self.slot.key.clone())
    }
}

/// Removes an empty room, preferably one without pending messages: their senders have those too.
fn evict_empty(rooms: &mut HashMap<String, Arc<RoomSlot>>) -> Result<(), ErrorFrame> {
    let has_pending = |slot: &Arc<RoomSlot>| {
        let state = lock(&slot.state);
        (state.room.members() == 0).then(|| state.room.has_pending())
    };
    let empty = rooms.values().filter_map(|slot| Some((has_pending(slot)?, slot)));
    let empty = empty.min_by_key(|(has_pending, _)| *has_pending);
    let empty = empty.map(|(_, slot)| Arc::clone(slot)).ok_or_else(full)?;
    let mut state = lock(&empty.state);
    if state.room.members() > 0 {
        return Err(full());
    }
    state.removed = true;
    rooms.remove(&empty.key);
    Ok(())
}

fn full() -> ErrorFrame {
    ErrorFrame::new(Code::Full, "The relay is full. Try again later.")
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Ignores poisoning: a panic in one connection must not end the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
