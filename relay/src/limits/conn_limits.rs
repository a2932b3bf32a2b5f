//! Limits on connections, in total and per address, and on wrong tokens.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Connections beyond a limit that are accepted to be refused with `full`.
const REFUSAL_SLOTS: usize = 64;
/// Wrong tokens per address and [`ATTEMPT_WINDOW`] that are answered without a delay.
const FREE_ATTEMPTS: u32 = 10;
/// The time over which wrong tokens are counted.
const ATTEMPT_WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose wrong tokens are remembered. Beyond that, old ones are dropped.
const MAX_TRACKED: usize = 10_000;

/// Counts the connections of a relay.
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

/// Counts a connection until it is dropped.
pub struct ConnectionPermit {
    limits: Arc<ConnectionLimits>,
    /// `None` for a connection through a proxy, until the proxy has named the client.
    address: Option<IpAddr>,
    over_limit: bool,
}

impl ConnectionLimits {
    /// Allows `max` connections, and `per_address` from each address; 0 is no limit.
    pub fn new(max: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits {
            max,
            per_address,
            state: Mutex::default(),
        }
    }

    /// Counts a connection from an address, if that is known. Returns `None` if so many are beyond a limit that this one
    /// is closed without an answer.
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
            limits: Arc::clone(self),
            address,
            over_limit,
        })
    }

    fn is_address_full(&self, state: &State, address: Option<IpAddr>) -> bool {
        let here = address.and_then(|address| state.by_address.get(&address).copied());
        is_reached(self.per_address, here.unwrap_or(0))
    }

    pub fn count(&self) -> usize {
        let state = self.lock();
        state.total + state.over_limit
    }

    /// Counts a wrong token from an address. Returns whether the answer must be delayed.
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
    /// Sets the address of a client that a proxy has named.
    pub fn set_address(&mut self, address: IpAddr) {
        if self.address.is_some() {
            return;
        }
        let address = network_of(address);
        self.address = Some(address);
        if self.over_limit {
            return;
        }
        let mut state = self.limits.lock();
        if self.limits.is_address_full(&state, self.address) {
            self.over_limit = true;
            state.total -= 1;
            state.over_limit += 1;
        } else {
            *state.by_address.entry(address).or_default() += 1;
        }
    }

    /// Whether the connection is beyond a limit and must be refused.
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.limits.lock();
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

/// Whether a limit is reached; 0 is no limit.
fn is_reached(limit: usize, count: usize) -> bool {
    limit > 0 && count >= limit
}

/// The network that limits count as one address: the /64 of an IPv6 address.
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
    fn permits_come_back() {
        let limits = Arc::new(ConnectionLimits::new(3, 2));
        let a = limits.admit(Some(ip("2001:db8::1"))).expect("a permit");
        let b = limits.admit(Some(ip("2001:db8::ffff:1"))).expect("a permit");
        assert!(!a.is_over_limit() && !b.is_over_limit());
        assert!(
            limits
                .admit(Some(ip("2001:db8::2")))
                .is_some_and(|p| p.is_over_limit()),
            "one /64"
        );
        let c = limits.admit(Some(ip("10.0.0.1"))).expect("a permit");
        assert!(
            !c.is_over_limit()
                && limits
                    .admit(Some(ip("10.0.0.2")))
                    .is_some_and(|p| p.is_over_limit())
        );
        assert_eq!(limits.count(), 3);
        drop(a);
        assert!(
            limits
                .admit(Some(ip("2001:db8::2")))
                .is_some_and(|p| !p.is_over_limit())
        );
        drop((b, c));
        assert_eq!((limits.count(), limits.lock().by_address.len()), (0, 0));
    }

    #[test]
    fn behind_a_proxy_the_client_counts() {
        let limits = Arc::new(ConnectionLimits::new(0, 1));
        let mut permits: Vec<_> = (0..3).filter_map(|_| limits.admit(None)).collect();
        for (permit, (address, over_limit)) in
            permits
                .iter_mut()
                .zip([("10.0.0.1", false), ("10.0.0.1", true), ("10.0.0.2", false)])
        {
            permit.set_address(ip(address));
            permit.set_address(ip("10.0.0.9"));
            assert_eq!(permit.is_over_limit(), over_limit);
        }
        assert_eq!(limits.count(), 3);
        drop(permits);
        assert_eq!((limits.count(), limits.lock().by_address.len()), (0, 0));
    }

    #[test]
    fn refusal_slots_are_bounded() {
        let limits = Arc::new(ConnectionLimits::new(0, 1));
        let all: Vec<_> = (0..100)
            .map_while(|_| limits.admit(Some(ip("::ffff:10.0.0.1"))))
            .collect();
        assert_eq!(all.len(), 1 + REFUSAL_SLOTS);
    }

    #[test]
    fn wrong_tokens_slow_down() {
        let limits = ConnectionLimits::new(0, 0);
        let now = Instant::now();
        assert!((0..10).all(|_| !limits.record_wrong_token(ip("10.0.0.1"), now)));
        assert!(
            limits.record_wrong_token(ip("::ffff:10.0.0.1"), now)
                && !limits.record_wrong_token(ip("10.0.0.2"), now)
        );
        assert!(!limits.record_wrong_token(ip("10.0.0.1"), now + ATTEMPT_WINDOW));
    }
}
