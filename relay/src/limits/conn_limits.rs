//! How many connections there are, in all and from one address, and who presents wrong tokens.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Connections over a limit that are still heard, so that they can be told that it is `full`.
const REFUSAL_SLOTS: usize = 64;
/// Wrong tokens that an address may present in [`ATTEMPT_WINDOW`] and be answered at once.
const FREE_ATTEMPTS: u32 = 10;
const ATTEMPT_WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose guesses are remembered; when there are more, the old ones are dropped.
const MAX_TRACKED: usize = 10_000;

/// Counts connections. Shared by all of a relay's.
pub struct ConnectionLimits {
    max: usize,
    per_address: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: usize,
    over_limit: usize,
    by_address: HashMap<IpAddr, usize>,
    wrong_tokens: HashMap<IpAddr, (Instant, u32)>,
}

/// A connection's place; given back when dropped.
pub struct ConnectionPermit {
    addresses: Arc<ConnectionLimits>,
    /// Unknown yet where it comes through a proxy.
    address: Option<IpAddr>,
    over_limit: bool,
}

impl ConnectionLimits {
    /// At most `max` connections, and `per_address` from each address; 0 is no limit.
    pub fn new(max: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits {
            max,
            per_address,
            state: Mutex::default(),
        }
    }

    /// A place for a connection from this address, where it is known yet. `None` where so many are over a limit
    /// that this one cannot even be told.
    pub fn admit(self: &Arc<ConnectionLimits>, address: Option<IpAddr>) -> Option<ConnectionPermit> {
        let address = address.map(network_of);
        let mut state = self.lock();
        let over_limit = is_reached(self.max, state.total) || self.is_address_full(&state, address);
        if over_limit {
            if state.over_limit >= REFUSAL_SLOTS {
                return None;
            }
            state.over_limit += 1;
        } else {
            state.total += 1;
            if let Some(address) = address {
                *state.by_address.entry(address).or_default() += 1;
            }
        }
        Some(ConnectionPermit {
            addresses: Arc::clone(self),
            address,
            over_limit,
        })
    }

    fn is_address_full(&self, state: &State, address: Option<IpAddr>) -> bool {
        let here = address.and_then(|address| state.by_address.get(&address).copied());
        is_reached(self.per_address, here.unwrap_or(0))
    }

    /// Open connections.
    pub fn count(&self) -> usize {
        let state = self.lock();
        state.total + state.over_limit
    }

    /// Counts a wrong token from an address. True where it has presented so many that it must wait.
    pub fn record_wrong_token(&self, address: IpAddr, now: Instant) -> bool {
        let mut state = self.lock();
        if state.wrong_tokens.len() >= MAX_TRACKED {
            state
                .wrong_tokens
                .retain(|_, (since, _)| now.duration_since(*since) < ATTEMPT_WINDOW);
            if state.wrong_tokens.len() >= MAX_TRACKED {
                state.wrong_tokens.clear();
            }
        }
        let (since, count) = state.wrong_tokens.entry(network_of(address)).or_insert((now, 0));
        if now.duration_since(*since) >= ATTEMPT_WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > FREE_ATTEMPTS
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionPermit {
    /// A proxy has said whom the connection is for.
    pub fn set_address(&mut self, address: IpAddr) {
        if self.address.is_some() {
            return;
        }
        let address = network_of(address);
        self.address = Some(address);
        if self.over_limit {
            return;
        }
        let mut state = self.addresses.lock();
        if self.addresses.is_address_full(&state, self.address) {
            self.over_limit = true;
            state.total -= 1;
            state.over_limit += 1;
        } else {
            *state.by_address.entry(address).or_default() += 1;
        }
    }

    /// Whether a limit was reached when it was given: its connection is to be told so, and to go.
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.addresses.lock();
        if self.over_limit {
            state.over_limit -= 1;
            return;
        }
        state.total -= 1;
        if let Some(address) = self.address
            && let Some(count) = state.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                state.by_address.remove(&address);
            }
        }
    }
}

/// Whether a limit is reached; 0 is none.
fn is_reached(limit: usize, count: usize) -> bool {
    limit > 0 && count >= limit
}

/// Whoever has an IPv6 address has the /64 around it.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_come_back() {
        let addresses = Arc::new(ConnectionLimits::new(3, 2));
        let a = addresses.admit(Some(ip("2001:db8::1"))).expect("a place");
        let b = addresses.admit(Some(ip("2001:db8::ffff:1"))).expect("a place");
        assert!(!a.is_over_limit() && !b.is_over_limit());
        assert!(
            addresses
                .admit(Some(ip("2001:db8::2")))
                .is_some_and(|p| p.is_over_limit()),
            "one /64"
        );
        let c = addresses.admit(Some(ip("10.0.0.1"))).expect("a place");
        assert!(
            !c.is_over_limit()
                && addresses
                    .admit(Some(ip("10.0.0.2")))
                    .is_some_and(|p| p.is_over_limit())
        );
        assert_eq!(addresses.count(), 3);
        drop(a);
        assert!(
            addresses
                .admit(Some(ip("2001:db8::2")))
                .is_some_and(|p| !p.is_over_limit())
        );
        drop((b, c));
        assert_eq!((addresses.count(), addresses.lock().by_address.len()), (0, 0));
    }

    #[test]
    fn behind_a_proxy_others_count() {
        let addresses = Arc::new(ConnectionLimits::new(0, 1));
        let mut permits: Vec<_> = (0..3).filter_map(|_| addresses.admit(None)).collect();
        for (permit, (address, over_limit)) in
            permits
                .iter_mut()
                .zip([("10.0.0.1", false), ("10.0.0.1", true), ("10.0.0.2", false)])
        {
            permit.set_address(ip(address));
            permit.set_address(ip("10.0.0.9"));
            assert_eq!(permit.is_over_limit(), over_limit);
        }
        assert_eq!(addresses.count(), 3);
        drop(permits);
        assert_eq!((addresses.count(), addresses.lock().by_address.len()), (0, 0));
    }

    #[test]
    fn the_spare_places_are_few() {
        let addresses = Arc::new(ConnectionLimits::new(0, 1));
        let all: Vec<_> = (0..100)
            .map_while(|_| addresses.admit(Some(ip("::ffff:10.0.0.1"))))
            .collect();
        assert_eq!(all.len(), 1 + REFUSAL_SLOTS);
    }

    #[test]
    fn guesses_slow_down() {
        let addresses = ConnectionLimits::new(0, 0);
        let now = Instant::now();
        assert!((0..10).all(|_| !addresses.record_wrong_token(ip("10.0.0.1"), now)));
        assert!(
            addresses.record_wrong_token(ip("::ffff:10.0.0.1"), now)
                && !addresses.record_wrong_token(ip("10.0.0.2"), now)
        );
        assert!(!addresses.record_wrong_token(ip("10.0.0.1"), now + ATTEMPT_WINDOW));
    }
}
