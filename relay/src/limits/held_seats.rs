//! A limit on the seats that are held for absent members of one address.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// The seats that are held, by the address of their members. If an address has too many, its oldest are released.
///
/// Otherwise one address could fill a room, or all rooms, with members that joined and went away.
pub struct HeldSeats {
    /// 0 is no limit.
    per_address: usize,
    by_address: Mutex<HashMap<IpAddr, VecDeque<CancellationToken>>>,
}

/// Counts a held seat until it is dropped.
pub struct HeldSeat {
    seats: Arc<HeldSeats>,
    address: IpAddr,
    released: CancellationToken,
}

impl HeldSeats {
    pub fn new(per_address: usize) -> HeldSeats {
        HeldSeats {
            per_address,
            by_address: Mutex::default(),
        }
    }

    /// Counts a seat that is held from now on, and releases the address's oldest if that is one too many.
    pub fn hold(self: &Arc<HeldSeats>, address: IpAddr) -> HeldSeat {
        let released = CancellationToken::new();
        let mut by_address = self.lock();
        let held = by_address.entry(address).or_default();
        held.push_back(released.clone());
        if self.per_address > 0
            && held.len() > self.per_address
            && let Some(oldest) = held.pop_front()
        {
            oldest.cancel();
        }
        HeldSeat {
            seats: Arc::clone(self),
            address,
            released,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, VecDeque<CancellationToken>>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldSeat {
    /// Waits until the address has too many seats and must give this one up.
    pub async fn released(&self) {
        self.released.cancelled().await;
    }
}

impl Drop for HeldSeat {
    fn drop(&mut self) {
        // From now on, a cancelled token is one that is not counted any more.
        self.released.cancel();
        let mut by_address = self.seats.lock();
        if let Some(held) = by_address.get_mut(&self.address) {
            held.retain(|token| !token.is_cancelled());
            if held.is_empty() {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_oldest_seats_of_an_address_are_released() {
        let seats = Arc::new(HeldSeats::new(2));
        let [here, there] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last).into());
        let elsewhere = seats.hold(there);
        let mut held: Vec<_> = (0..3).map(|_| seats.hold(here)).collect();
        let released = |held: &[HeldSeat]| -> Vec<bool> {
            held.iter().map(|seat| seat.released.is_cancelled()).collect()
        };
        assert_eq!(released(&held), [true, false, false]);
        // A seat that was given up, or whose time is over, makes space.
        held.truncate(2);
        held.push(seats.hold(here));
        assert_eq!(released(&held), [true, false, false]);
        assert!(!elsewhere.released.is_cancelled());
        drop((held, elsewhere));
        assert!(seats.lock().is_empty());
    }

    #[test]
    fn zero_is_no_limit() {
        let seats = Arc::new(HeldSeats::new(0));
        let held: Vec<_> = (0..1000)
            .map(|_| seats.hold(Ipv4Addr::LOCALHOST.into()))
            .collect();
        assert!(held.iter().all(|seat| !seat.released.is_cancelled()));
    }
}
