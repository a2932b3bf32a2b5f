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
    protocol::{
        Code, ErrorFrame, Post, StreamClose, StreamCredit, StreamOpen, Update,
        v1::{Attachment, Msg},
    },
    queue::Queue,
    random,
    room::{Entry, Feed, FileFault, Owners, Room, Rules, StreamFault, Ticket, Walked},
};

/// How long an empty room is kept where nothing waits in it; then it is looked at again and again.
const LINGER: Duration = Duration::from_secs(60);
/// How long one is kept where something waits for somebody. Its sender keeps it too.
const LINGER_WAITING: Duration = Duration::from_secs(24 * 3600);

/// See the [module](self).
pub struct Hub {
    rules: Arc<Rules>,
    max_rooms: usize,
    /// How long the seat of a member is held who is away.
    seat: Duration,
    /// Cancelled when the relay shuts down: nobody is told any more who leaves.
    shutdown: CancellationToken,
    /// By name in lower case.
    rooms: Mutex<HashMap<String, Arc<Cell>>>,
    /// Whose the names of all rooms are; outlives the rooms.
    owners: Arc<Mutex<Owners>>,
}

/// A room and its lock. Nothing is awaited under it.
struct Cell {
    key: String,
    room: Mutex<Kept>,
}

struct Kept {
    room: Room<Arc<Queue>>,
    /// Whether the hub has let the room go; whoever finds it so looks the name up again.
    gone: bool,
}

/// A connection's place in its room. The seat is given up when the last clone was dropped or `bye` said.
#[derive(Clone)]
pub struct Place {
    hub: Arc<Hub>,
    cell: Arc<Cell>,
    ticket: Ticket,
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
    pub fn join(self: &Arc<Hub>, entry: Entry, queue: &Arc<Queue>) -> Result<Place, ErrorFrame> {
        let mut entry = Some(entry);
        loop {
            let cell = self.cell(&entry)?;
            let mut kept = lock(&cell.room);
            if kept.gone {
                continue;
            }
            // Taken once: every way on from here leaves the loop.
            let Some(entry) = entry.take() else {
                return Err(full());
            };
            return match kept.room.join(entry, Arc::clone(queue), unix_ms()) {
                Ok(ticket) => {
                    drop(kept);
                    Ok(Place {
                        hub: Arc::clone(self),
                        cell,
                        ticket,
                    })
                }
                Err(error) => {
                    drop(kept);
                    self.emptied(&cell);
                    Err(error)
                }
            };
        }
    }

    /// How many rooms and members there are.
    pub fn count(&self) -> (usize, usize) {
        let cells: Vec<_> = lock(&self.rooms).values().cloned().collect();
        (
            cells.len(),
            cells.iter().map(|cell| lock(&cell.room).room.members()).sum(),
        )
    }

    /// The room that an entry is for, made where it is new.
    fn cell(&self, entry: &Option<Entry>) -> Result<Arc<Cell>, ErrorFrame> {
        let Some(entry) = entry else { return Err(full()) };
        let key = entry.greeting.room.to_ascii_lowercase();
        let mut rooms = lock(&self.rooms);
        if let Some(cell) = rooms.get(&key) {
            return Ok(Arc::clone(cell));
        }
        if entry.crowded {
            return Err(full());
        }
        if self.max_rooms > 0 && rooms.len() >= self.max_rooms {
            // An empty room makes way, at first one in which nothing waits; what waits is with its senders too.
            let state = |cell: &Arc<Cell>| {
                let kept = lock(&cell.room);
                (kept.room.members() == 0).then(|| kept.room.waits())
            };
            let empty = rooms.values().filter_map(|cell| Some((state(cell)?, cell)));
            let empty = empty
                .min_by_key(|(waits, _)| *waits)
                .map(|(_, cell)| Arc::clone(cell));
            let empty = empty.ok_or_else(full)?;
            let mut kept = lock(&empty.room);
            if kept.room.members() > 0 {
                return Err(full());
            }
            kept.gone = true;
            rooms.remove(&empty.key);
        }
        let epoch = random::id().map_err(|_| full())?;
        let room = Room::new(
            &entry.greeting.room,
            epoch,
            Arc::clone(&self.rules),
            Arc::clone(&self.owners),
        );
        let cell = Arc::new(Cell {
            key: key.clone(),
            room: Mutex::new(Kept { room, gone: false }),
        });
        rooms.insert(key, Arc::clone(&cell));
        Ok(cell)
    }

    /// Lets a room go that is empty and stays so for a while. One in which nobody ever was goes at once.
    fn emptied(self: &Arc<Hub>, cell: &Arc<Cell>) {
        let joins = {
            let kept = lock(&cell.room);
            if kept.room.members() > 0 || kept.gone {
                return;
            }
            kept.room.joins()
        };
        if joins == 0 {
            self.remove(cell, joins);
            return;
        }
        let (hub, cell) = (Arc::clone(self), Arc::clone(cell));
        tokio::spawn(async move {
            let mut kept = Duration::ZERO;
            loop {
                tokio::select! {
                    () = hub.shutdown.cancelled() => return,
                    () = tokio::time::sleep(LINGER) => kept += LINGER,
                }
                let stays = {
                    let cell = lock(&cell.room);
                    if cell.gone || cell.room.joins() != joins {
                        return;
                    }
                    cell.room.waits() && kept < LINGER_WAITING
                };
                if !stays {
                    hub.remove(&cell, joins);
                    return;
                }
            }
        });
    }

    fn remove(&self, cell: &Arc<Cell>, joins: u64) {
        let mut rooms = lock(&self.rooms);
        let mut kept = lock(&cell.room);
        if !kept.gone && kept.room.members() == 0 && kept.room.joins() == joins {
            kept.gone = true;
            rooms.remove(&cell.key);
        }
    }
}

impl Place {
    /// See [`Room::message`].
    pub fn message(&self, post: &Post) -> Result<usize, ErrorFrame> {
        lock(&self.cell.room).room.message(&self.ticket, post, unix_ms())
    }

    /// See [`Room::broadcast`].
    pub fn broadcast(&self, posts: &[Post]) -> usize {
        lock(&self.cell.room)
            .room
            .broadcast(&self.ticket, posts, unix_ms())
    }

    /// See [`Room::signal`].
    pub fn signal(&self, post: &Post) -> Result<usize, ErrorFrame> {
        lock(&self.cell.room).room.signal(&self.ticket, post)
    }

    /// See [`Room::update`].
    pub fn update(&self, update: Update) {
        lock(&self.cell.room).room.update(&self.ticket, update);
    }

    /// See [`Room::stream_open`].
    pub fn stream_open(&self, open: &StreamOpen) -> Result<(), StreamFault> {
        lock(&self.cell.room).room.stream_open(&self.ticket, open)
    }

    /// See [`Room::is_small_credit`].
    pub fn is_small_credit(&self, credit: &StreamCredit) -> bool {
        lock(&self.cell.room).room.is_small_credit(&self.ticket, credit)
    }

    /// See [`Room::stream_credit`].
    pub fn stream_credit(&self, credit: &StreamCredit) -> Result<(), StreamFault> {
        lock(&self.cell.room).room.stream_credit(&self.ticket, credit)
    }

    /// See [`Room::stream_chunk`].
    pub fn stream_chunk(&self, frame: Bytes) -> Result<(), StreamFault> {
        lock(&self.cell.room).room.stream_chunk(&self.ticket, frame)
    }

    /// See [`Room::stream_close`].
    pub fn stream_close(&self, close: &StreamClose) -> Result<(), StreamFault> {
        lock(&self.cell.room).room.stream_close(&self.ticket, close)
    }

    /// See [`Room::v1_message`].
    pub fn v1_message(&self, msg: &Msg) -> usize {
        lock(&self.cell.room)
            .room
            .v1_message(&self.ticket, msg, unix_ms())
    }

    /// See [`Room::v1_file_start`].
    pub fn v1_file_start(&self, msg: &Msg, attachment: &Attachment) -> Result<usize, FileFault> {
        let now = (unix_ms(), Instant::now());
        lock(&self.cell.room)
            .room
            .v1_file_start(&self.ticket, msg, attachment, Uuid::new_v4, now)
    }

    /// See [`Room::v1_file_feed`].
    pub fn v1_file_feed(&self, stall: Duration) -> Feed {
        lock(&self.cell.room)
            .room
            .v1_file_feed(&self.ticket, stall, Instant::now())
    }

    /// See [`Room::v1_file_chunk`].
    pub fn v1_file_chunk(&self, data: &Bytes) -> Result<(), FileFault> {
        lock(&self.cell.room).room.v1_file_chunk(&self.ticket, data)
    }

    /// See [`Room::v1_file_end`].
    pub fn v1_file_end(&self, msg_id: &str) -> Result<(), FileFault> {
        lock(&self.cell.room).room.v1_file_end(&self.ticket, msg_id)
    }

    /// See [`Room::v1_file_abort`].
    pub fn v1_file_abort(&self, message: &str) {
        lock(&self.cell.room).room.v1_file_abort(&self.ticket, message);
    }

    /// See [`Room::v1_moved`].
    pub fn v1_moved(&self) {
        lock(&self.cell.room).room.v1_moved(&self.ticket);
    }

    /// See [`Room::walk`].
    pub fn walk(&self, budget: usize, out: &mut impl Extend<Bytes>) -> Walked {
        lock(&self.cell.room).room.walk(&self.ticket, budget, out)
    }

    /// The member leaves for good.
    pub fn bye(&self) {
        {
            let mut kept = lock(&self.cell.room);
            kept.room.tell_time(unix_ms());
            kept.room.bye(&self.ticket);
        }
        info!(member = ?self.ticket, room = self.cell.key, "left");
        self.hub.emptied(&self.cell);
    }

    /// The connection has ended: its seat is held for a while, unless it was given up or taken over.
    pub fn lost(&self) {
        if self.hub.shutdown.is_cancelled() {
            return;
        }
        let absence = {
            let mut kept = lock(&self.cell.room);
            kept.room.tell_time(unix_ms());
            kept.room.lost(&self.ticket)
        };
        let Some(absence) = absence else {
            // A version 1 member leaves at once; it may have been the last.
            return self.hub.emptied(&self.cell);
        };
        info!(member = ?self.ticket, room = self.cell.key, "away");
        let place = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = place.hub.shutdown.cancelled() => return,
                () = tokio::time::sleep(place.hub.seat) => {}
            }
            {
                let mut kept = lock(&place.cell.room);
                kept.room.tell_time(unix_ms());
                kept.room.expire(&absence);
            }
            place.hub.emptied(&place.cell);
        });
    }

    /// For the log: who it is and where.
    pub fn describe(&self) -> (String, String) {
        (format!("{:?}", self.ticket), self.cell.key.clone())
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
