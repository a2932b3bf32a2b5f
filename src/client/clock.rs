//! The steady clock, read from the machine.

use std::time::Duration;

use crate::{
    clock::now,
    core::{ClockReading, Effect, Millis, Room, Steady},
};

/// The longest sleep: the timers of the runtime may stand still while the machine sleeps, the steady clock does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The steady clock of a session.
#[derive(Debug, Clone)]
pub(super) struct Clock(ClockReading);

impl Clock {
    /// Goes on where the session before left off, and notes that in the room.
    pub fn start(room: &mut Room) -> (Self, Vec<Effect>) {
        let (earlier, latest) = room.last_reading();
        let reading = ClockReading::new(earlier, latest, boot(), uptime(), now());
        let effects = room.clock_read(reading.clone());
        (Self(reading), effects)
    }

    /// How late it is.
    pub fn now(&self) -> Steady {
        self.0.at(uptime())
    }

    /// Sleeps until that time, or a while; forever if there is none.
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

/// Milliseconds since the machine was started, sleep included where the system counts it.
#[cfg(unix)]
fn uptime() -> Millis {
    use rustix::time::{ClockId, clock_gettime};

    // Linux's monotonic clock stands still while the machine sleeps; on the others it does not.
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    // Neither is negative.
    time.tv_sec as Millis * 1000 + time.tv_nsec as Millis / 1_000_000
}

/// Milliseconds since this program first asked.
#[cfg(not(unix))]
fn uptime() -> Millis {
    static FIRST: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed().as_millis() as Millis
}

/// Which start of the machine this is, where the system says so.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
