//! The limit on what one member may make us keep without addressing us.

use std::collections::{HashMap, VecDeque};

use crate::core::{Millis, Steady};

const MINUTE: Millis = 60_000;
/// The length of the sliding window, in minutes.
const MINUTES: Millis = 10;
/// The highest number of bytes from one member within the window.
const BYTES: u64 = 20_000_000;

/// The size of recent messages that are not addressed to us, by sender in lower case.
///
/// Everybody in the room receives them, and keeps each one twice on disk and once in memory. Messages to us are not
/// counted: dropping one would lose a request, and they have limits of their own.
#[derive(Debug, Default)]
pub(in crate::core) struct BroadcastLimit(HashMap<String, Recent>);

#[derive(Debug, Default)]
struct Recent {
    /// Bytes by the minute in which they were received, oldest first.
    minutes: VecDeque<(Millis, u64)>,
    last_dropped: Option<Steady>,
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Verdict {
    Keep,
    /// Drop it. `first` is set for the first one in ten minutes or more.
    Drop {
        first: bool,
    },
}

impl Recent {
    fn forget_before(&mut self, minute: Millis) {
        while self.minutes.front().is_some_and(|(old, _)| *old <= minute) {
            self.minutes.pop_front();
        }
    }
}

impl BroadcastLimit {
    /// Counts a message of that many bytes, and decides about it.
    pub fn take(&mut self, from: &str, bytes: usize, now: Steady) -> Verdict {
        let minute = now.since(Steady::default()) / MINUTE;
        // The current minute is only partly over, so ten whole ones before it count.
        let over = minute.checked_sub(MINUTES + 1);
        let from = from.to_ascii_lowercase();
        if !self.0.contains_key(&from) {
            // Senders choose their names, so those who have stopped sending are forgotten.
            self.0.retain(|_, recent| {
                over.into_iter().for_each(|over| recent.forget_before(over));
                !recent.minutes.is_empty()
            });
        }
        let recent = self.0.entry(from).or_default();
        over.into_iter().for_each(|over| recent.forget_before(over));
        let total: u64 = recent.minutes.iter().map(|(_, bytes)| bytes).sum();
        let bytes = bytes as u64;
        if total.saturating_add(bytes) > BYTES {
            let before = recent.last_dropped.replace(now);
            let first = before.is_none_or(|before| now.since(before) >= MINUTES * MINUTE);
            return Verdict::Drop { first };
        }
        match recent.minutes.back_mut() {
            Some((last, sum)) if *last == minute => *sum += bytes,
            _ => recent.minutes.push_back((minute, bytes)),
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1_000_000;

    #[test]
    fn twenty_megabytes_in_ten_minutes_from_one_member() {
        let mut limit = BroadcastLimit::default();
        let mut take = |from: &str, megabytes, minute| {
            limit.take(from, megabytes * MEGABYTE, Steady::new(minute * MINUTE))
        };
        assert_eq!(take("bob", 19, 100), Verdict::Keep);
        assert_eq!(take("BOB", 1, 101), Verdict::Keep);
        assert_eq!(take("bob", 1, 102), Verdict::Drop { first: true });
        assert_eq!(take("bob", 1, 110), Verdict::Drop { first: false });
        assert_eq!(take("carol", 20, 110), Verdict::Keep);
        // The window slides: the first 19 are over.
        assert_eq!(take("bob", 19, 111), Verdict::Keep);
        assert_eq!(take("bob", 1, 111), Verdict::Drop { first: false });
        assert_eq!(take("bob", 21, 121), Verdict::Drop { first: true });
    }

    #[test]
    fn silent_members_are_forgotten() {
        let mut limit = BroadcastLimit::default();
        for number in 0..100 {
            limit.take(&format!("m{number}"), MEGABYTE, Steady::new(0));
        }
        limit.take("bob", 1, Steady::new(11 * MINUTE));
        assert_eq!(limit.0.len(), 1);
    }
}
