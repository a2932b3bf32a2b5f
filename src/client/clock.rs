//! A monotonic clock, read from the system.

use std::time::Duration;

use crate::{
    clock::now,
    core::{ClockReading, Effects, Millis, Program, RoomId, Steady},
};

/// The longest sleep: the runtime's timers may stop while the machine sleeps, but this clock does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The monotonic clock of a session.
#[derive(Debug, Clone)]
pub(super) struct Clock(ClockReading);

impl Clock {
    /// Continues from the previous session's time, and records that in the room.
    pub fn start(program: &mut Program, room: RoomId) -> (Self, Effects) {
        let (earlier, latest) = program.last_reading();
        let reading = ClockReading::new(earlier, latest, boot(), uptime(), now());
        let effects = program.clock_read(room, reading.clone());
        (Self(reading), effects)
    }

    /// The current time.
    pub fn now(&self) -> Steady {
        self.0.at(uptime())
    }

    /// Sleeps until that time, or a shorter while; forever if there is none.
    pub async fn sleep_until(&self, time: Option<Steady>) {
        match time {
            Some(time) => {
                let left = Duration::from_millis(time.since(self.now()));
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Milliseconds since the machine booted, including sleep where the system counts it.
#[cfg(unix)]
fn uptime() -> Millis {
    use rustix::time::{ClockId, clock_gettime};

    // Linux's monotonic clock stops while the machine sleeps; others do not.
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    // Neither is negative.
    time.tv_sec as Millis * 1000 + time.tv_nsec as Millis / 1_000_000
}

/// Milliseconds since the first call in this program.
#[cfg(not(unix))]
fn uptime() -> Millis {
    static FIRST: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed().as_millis() as Millis
}

/// The id of the current boot, if the system provides one.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
