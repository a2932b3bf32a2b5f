//! Limits on what one connection and one address may do.

mod bucket;
mod conn_limits;
mod faults;
mod held_seats;

pub use bucket::TokenBucket;
pub(crate) use conn_limits::{ConnectionLimits, ConnectionPermit, network_of};
pub(crate) use faults::FaultCounter;
pub(crate) use held_seats::HeldSeats;

/// Milliseconds of a delay, rounded up.
pub(crate) fn to_millis(delay: std::time::Duration) -> u64 {
    u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
