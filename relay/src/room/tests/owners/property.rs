//! The table of owners behaves like a slow model of it.

use std::{cmp::Reverse, collections::BTreeMap};

use proptest::prelude::*;

use super::*;
use crate::room::seat::NameKey;

/// A model of the table that is not fast.
#[derive(Default)]
struct Model {
    now: u64,
    names: BTreeMap<(usize, usize), Bound>,
}

#[derive(Clone)]
struct Bound {
    owner: char,
    address: u8,
    spoke: bool,
    seen: u64,
    since: Option<u64>,
    here: Vec<(u64, u64)>,
}

const ROOM_LIMIT: usize = 4;
const TOTAL_LIMIT: usize = 6;

impl Model {
    fn is_expired(&self, one: &Bound) -> bool {
        one.since.is_none() && self.now - one.seen >= KEPT
    }

    fn is_protected(&self, one: &Bound, window: u64) -> bool {
        let open = one.since.map(|since| (since, self.now));
        // A present name counts from the start of its presence.
        let closed = one
            .here
            .iter()
            .map(|(from, to)| to.saturating_sub(*from.max(&window)));
        closed.sum::<u64>() + open.map_or(0, |(from, to)| to - from) > PROTECTED
    }

    fn evict(&mut self, room: Option<usize>) -> bool {
        let in_scope = |at: &(usize, usize)| room.is_none_or(|room| at.0 == room);
        let before = self.names.len();
        let expired: Vec<_> = self
            .names
            .iter()
            .filter(|(at, one)| in_scope(at) && self.is_expired(one))
            .map(|(at, _)| *at)
            .collect();
        expired.iter().for_each(|at| drop(self.names.remove(at)));
        if self.names.len() < before {
            return true;
        }
        // Whole days are counted, so that a name is never evicted too early.
        let window = (self.now / DAY).saturating_sub(7) * DAY;
        let bound = |address| self.names.values().filter(|one| one.address == address).count();
        let worst = self
            .names
            .iter()
            .filter(|(at, one)| in_scope(at) && !self.is_protected(one, window))
            .min_by_key(|(at, one)| {
                let seen = if one.since.is_some() { self.now } else { one.seen };
                (one.spoke, Reverse(bound(one.address)), one.address, seen, **at)
            });
        let Some(at) = worst.map(|(at, _)| *at) else {
            return false;
        };
        self.names.remove(&at).is_some()
    }

    fn arrive(&mut self, at: (usize, usize), owner: char, address: u8) -> bool {
        let now = self.now;
        if let Some(one) = self.names.get(&at).filter(|one| !self.is_expired(one)).cloned() {
            if one.owner == owner {
                let since = one.since.or(Some(now));
                self.names.insert(
                    at,
                    Bound {
                        since,
                        seen: now,
                        ..one
                    },
                );
            }
            return one.owner == owner;
        }
        self.names.remove(&at);
        let in_room = self.names.keys().filter(|(room, _)| *room == at.0).count();
        if in_room >= ROOM_LIMIT && !self.evict(Some(at.0)) {
            return false;
        }
        if self.names.len() >= TOTAL_LIMIT && !self.evict(None) {
            return false;
        }
        let one = Bound {
            owner,
            address,
            spoke: false,
            seen: now,
            since: Some(now),
            here: Vec::new(),
        };
        self.names.insert(at, one);
        true
    }
}

#[derive(Debug, Clone)]
enum Op {
    Arrive(usize, usize, char, u8),
    Depart(usize, usize),
    Spoke(usize, usize),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (room, name) = (0..3_usize, 0..6_usize);
    prop_oneof![
        8 => (room.clone(), name.clone(), prop_oneof![4 => Just('A'), 1 => Just('B')], 0..3_u8)
            .prop_map(|(room, name, owner, address)| Op::Arrive(room, name, owner, address)),
        4 => (room.clone(), name.clone()).prop_map(|(room, name)| Op::Depart(room, name)),
        2 => (room, name).prop_map(|(room, name)| Op::Spoke(room, name)),
        4 => prop_oneof![1..6 * MINUTE, 8..13 * MINUTE, Just(DAY), 1..8 * DAY].prop_map(Op::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_bounded_and_evicts_in_order(ops in proptest::collection::vec(op(), 1..120)) {
        let rooms = ["r0", "r1", "r2"].map(NameKey::new);
        let names = ["n0", "n1", "n2", "n3", "n4", "n5"].map(NameKey::new);
        let who = |owner: char| Owner::of(&[owner as u8; 32]);
        let (mut table, mut model) = (Owners::new(ROOM_LIMIT, TOTAL_LIMIT), Model::default());
        for op in ops {
            let now = model.now;
            match op {
                Op::Arrive(room, name, owner, address) => {
                    let from = Ipv4Addr::new(10, 0, 0, address).into();
                    let bound = table.arrive(&rooms[room], &names[name], who(owner), from, now);
                    prop_assert_eq!(bound, model.arrive((room, name), owner, address));
                }
                Op::Depart(room, name) => {
                    table.depart(&rooms[room], &names[name], who('A'), now);
                    if let Some(one) = model.names.get_mut(&(room, name)).filter(|one| one.owner == 'A')
                        && let Some(since) = one.since.take()
                    {
                        one.seen = now;
                        one.here.push((since, now));
                    }
                }
                Op::Spoke(room, name) => {
                    table.mark_spoken(&rooms[room], &names[name], who('A'));
                    if let Some(one) = model.names.get_mut(&(room, name)).filter(|one| one.owner == 'A') {
                        one.spoke = true;
                    }
                }
                Op::Wait(time) => model.now += time,
            }
            for (room, key) in rooms.iter().enumerate() {
                let mut bound = 0;
                for (name, name_key) in names.iter().enumerate() {
                    let one = model.names.get(&(room, name));
                    let expected = one.filter(|one| !model.is_expired(one)).map(|one| who(one.owner));
                    let found = table.owner(key, name_key, model.now);
                    prop_assert!(found == expected, "{} {}", key.as_str(), name_key.as_str());
                    bound += usize::from(found.is_some());
                }
                prop_assert!(bound <= ROOM_LIMIT);
            }
            prop_assert_eq!(table.sizes(), (model.names.len(), model.names.len()));
            prop_assert!(model.names.len() <= TOTAL_LIMIT);
        }
    }
}
