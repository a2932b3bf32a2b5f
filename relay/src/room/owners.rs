//! Ownership of names, which outlives the presence of the owner and the room.
//!
//! An owner's secret binds a name until [`KEPT`] after the name was last present. The table is bounded per room and in
//! total. When it is full it evicts, in this order: names that never sent a message, names bound by the address that
//! bound most, names that have been absent for longest. It never evicts a name that was present for more than
//! [`PROTECTED`] within [`KEPT`]; if only such names are left, a new name stays unbound.

use std::{cmp::Reverse, collections::HashMap, net::IpAddr};

use super::seat::{NameKey, Owner};

/// Time for which a name stays bound after it was last present, in milliseconds.
pub const KEPT: u64 = 7 * DAY;
/// A name that was present for longer than this within [`KEPT`] is not evicted, in milliseconds.
pub const PROTECTED: u64 = 10 * 60_000;
/// Maximum bound names per room.
pub const ROOM_LIMIT: usize = 10_000;
/// Maximum bound names of all rooms.
pub const TOTAL_LIMIT: usize = 100_000;

/// Milliseconds of a day.
const DAY: u64 = 24 * 3_600_000;
/// Days that are counted: today and the seven days before it.
const DAYS: u64 = 8;

/// The owners of all names. See the [module](self).
pub struct Owners {
    /// By the room's name in lower case.
    rooms: HashMap<NameKey, HashMap<NameKey, Binding>>,
    total: usize,
    /// Number of names bound by each address.
    by_address: HashMap<IpAddr, usize>,
    room_limit: usize,
    total_limit: usize,
}

/// The owner of a name, and what decides how long the name stays bound.
struct Binding {
    owner: Owner,
    /// The address that bound the name.
    address: IpAddr,
    spoke: bool,
    /// When it was last present.
    seen: u64,
    /// Start of its presence; `None` while absent.
    since: Option<u64>,
    presence: Presence,
}

/// The presence of a name, by day.
#[derive(Default)]
struct Presence {
    /// The newest day that is counted, in days since the Unix epoch.
    day: u64,
    /// Milliseconds of `day - n` at index `(day - n) % DAYS`.
    millis: [u32; DAYS as usize],
}

impl Default for Owners {
    fn default() -> Owners {
        Owners::new(ROOM_LIMIT, TOTAL_LIMIT)
    }
}

impl Owners {
    /// An empty table for at most this many names per room and in total.
    pub fn new(room_limit: usize, total_limit: usize) -> Owners {
        Owners {
            rooms: HashMap::new(),
            total: 0,
            by_address: HashMap::new(),
            room_limit,
            total_limit,
        }
    }

    /// The owner of a name at `now`.
    pub(super) fn owner(&self, room: &NameKey, name: &NameKey, now: u64) -> Option<Owner> {
        let binding = self.rooms.get(room)?.get(name)?;
        (!binding.is_expired(now)).then_some(binding.owner)
    }

    /// Records that an owner has joined under a name, and binds the name if it is free and there is space. Returns whether
    /// the name is bound to this owner.
    pub(super) fn arrive(
        &mut self,
        room: &NameKey,
        name: &NameKey,
        owner: Owner,
        address: IpAddr,
        now: u64,
    ) -> bool {
        match self.binding(room, name) {
            Some(binding) if !binding.is_expired(now) => {
                let owns = binding.owner == owner;
                if owns {
                    binding.since.get_or_insert(now);
                    binding.seen = binding.seen.max(now);
                }
                return owns;
            }
            Some(_) => self.remove(room, name),
            None => {}
        }
        let in_room = self.rooms.get(room).map_or(0, HashMap::len);
        if in_room >= self.room_limit && !self.evict(Some(room), now) {
            return false;
        }
        if self.total >= self.total_limit && !self.evict(None, now) {
            return false;
        }
        let binding = Binding {
            owner,
            address,
            spoke: false,
            seen: now,
            since: Some(now),
            presence: Presence::default(),
        };
        self.rooms
            .entry(room.clone())
            .or_default()
            .insert(name.clone(), binding);
        *self.by_address.entry(address).or_default() += 1;
        self.total += 1;
        true
    }

    /// Records that an owner's connection has ended.
    pub(super) fn depart(&mut self, room: &NameKey, name: &NameKey, owner: Owner, now: u64) {
        if let Some(binding) = self.binding(room, name)
            && binding.owner == owner
            && let Some(since) = binding.since.take()
        {
            binding.seen = binding.seen.max(now);
            binding.presence.add(since, now);
        }
    }

    /// Records that an owner has sent a message.
    pub(super) fn mark_spoken(&mut self, room: &NameKey, name: &NameKey, owner: Owner) {
        if let Some(binding) = self.binding(room, name)
            && binding.owner == owner
        {
            binding.spoke = true;
        }
    }

    fn binding(&mut self, room: &NameKey, name: &NameKey) -> Option<&mut Binding> {
        self.rooms.get_mut(room)?.get_mut(name)
    }

    fn remove(&mut self, room: &NameKey, name: &NameKey) {
        let Some(names) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(binding) = names.remove(name) else { return };
        if names.is_empty() {
            self.rooms.remove(room);
        }
        self.total -= 1;
        if let Some(count) = self.by_address.get_mut(&binding.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&binding.address);
            }
        }
    }

    /// Makes space in one room, or in total. Returns false if only protected names are left.
    fn evict(&mut self, room: Option<&NameKey>, now: u64) -> bool {
        let (mut expired, mut evictable) = (Vec::new(), Vec::new());
        for (room, name, binding) in self.bindings(room) {
            if binding.is_expired(now) {
                expired.push((room.clone(), name.clone()));
            } else if !binding.is_protected(now) {
                let bound = self.by_address.get(&binding.address).copied().unwrap_or(0);
                let class = (binding.spoke, Reverse(bound), binding.address);
                evictable.push((class, binding.last_seen(now), room, name));
            }
        }
        if expired.is_empty() {
            let Some(worst) = evictable.iter().map(|(class, ..)| *class).min() else {
                return false;
            };
            evictable.retain(|(class, ..)| *class == worst);
            evictable.sort_unstable_by_key(|(_, seen, room, name)| (*seen, room.as_str(), name.as_str()));
            // Evict several at once, so that a flood of names does not scan the whole table for each.
            let limit = if room.is_some() {
                self.room_limit
            } else {
                self.total_limit
            };
            let victims = evictable.iter().take((limit / 100).max(1));
            expired.extend(victims.map(|(.., room, name)| ((*room).clone(), (*name).clone())));
        }
        for (room, name) in expired {
            self.remove(&room, &name);
        }
        true
    }

    /// Number of bound names, counted by room and by address, for tests.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let in_rooms = self.rooms.values().map(HashMap::len).sum();
        assert_eq!(self.total, in_rooms);
        assert!(self.rooms.values().all(|names| !names.is_empty()));
        (in_rooms, self.by_address.values().sum())
    }

    /// All bindings of one room, or of all rooms.
    fn bindings(&self, room: Option<&NameKey>) -> impl Iterator<Item = (&NameKey, &NameKey, &Binding)> {
        let one = room.and_then(|room| self.rooms.get_key_value(room));
        let all = room.is_none().then_some(&self.rooms);
        let rooms = one.into_iter().chain(all.into_iter().flatten());
        rooms.flat_map(|(room, names)| names.iter().map(move |(name, binding)| (room, name, binding)))
    }
}

impl Binding {
    fn is_expired(&self, now: u64) -> bool {
        self.since.is_none() && now.saturating_sub(self.seen) >= KEPT
    }

    fn is_protected(&self, now: u64) -> bool {
        let present = self.since.map_or(0, |since| now.saturating_sub(since));
        present.saturating_add(self.presence.total(now)) > PROTECTED
    }

    fn last_seen(&self, now: u64) -> u64 {
        if self.since.is_some() { now } else { self.seen }
    }
}

impl Presence {
    /// Adds the time between two moments to the days that it covers.
    fn add(&mut self, from: u64, to: u64) {
        self.forget(to / DAY);
        // Ignore what is before the counted days.
        let mut from = from.max((self.day + 1).saturating_sub(DAYS) * DAY);
        while from < to {
            let end = to.min((from / DAY + 1) * DAY);
            let millis = &mut self.millis[(from / DAY % DAYS) as usize];
            // The milliseconds of a day fit into a u32.
            *millis = millis.saturating_add(u32::try_from(end - from).unwrap_or(u32::MAX));
            from = end;
        }
    }

    fn total(&self, now: u64) -> u64 {
        let oldest = (now / DAY + 1).saturating_sub(DAYS);
        let days = (self.day + 1).saturating_sub(DAYS)..=self.day;
        days.filter(|day| *day >= oldest)
            .map(|day| u64::from(self.millis[(day % DAYS) as usize]))
            .sum()
    }

    /// Moves to a later day.
    fn forget(&mut self, day: u64) {
        if day <= self.day {
            return;
        }
        for skipped in (self.day + 1..=day).rev().take(DAYS as usize) {
            self.millis[(skipped % DAYS) as usize] = 0;
        }
        self.day = day;
    }
}
