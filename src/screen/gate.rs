//! No slip of a finger: when a deciding key may decide.
//!
//! PURE. A key decides an item only after the whole of what it decides has been on the screen for a
//! while, so that no key that was on its way when the item appeared can hit it. Where the terminal cannot
//! tell Alt from an Esc with a key behind it, an Alt key counts only on its own.

use std::time::{Duration, Instant};

use crate::room::ItemId;

/// How long an item must have been on the screen, whole.
const SHOWN: Duration = Duration::from_millis(250);
/// How long no other key may have been pressed before an ambiguous Alt key.
const QUIET: Duration = Duration::from_secs(1);

/// What is on the screen, and which keys came when.
#[derive(Debug, Default)]
pub struct Gate {
    whole: Option<(ItemId, Instant)>,
    last_key: Option<Instant>,
    before_that: Option<Instant>,
    /// The terminal tells Alt from Esc (the kitty keyboard protocol).
    pub alt_is_certain: bool,
}

impl Gate {
    /// The screen was drawn, and shows all of `whole`, if of any item.
    pub fn drawn(&mut self, whole: Option<ItemId>, now: Instant) {
        match (whole, self.whole) {
            (Some(id), Some((shown, _))) if id == shown => {}
            (Some(id), _) => self.whole = Some((id, now)),
            (None, _) => self.whole = None,
        }
    }

    /// What is shown has changed, and is to be seen anew.
    pub fn forget(&mut self) {
        self.whole = None;
    }

    /// A key was pressed.
    pub fn key(&mut self, now: Instant) {
        self.before_that = self.last_key.replace(now);
    }

    /// Whether the key that was just pressed, with Alt or without, may decide `item`.
    pub fn permits(&self, item: ItemId, alt: bool, now: Instant) -> bool {
        let shown = self
            .whole
            .is_some_and(|(id, since)| id == item && now.duration_since(since) >= SHOWN);
        let alone = self
            .before_that
            .is_none_or(|before| now.duration_since(before) >= QUIET);
        shown && (!alt || self.alt_is_certain || alone)
    }

    /// Whether something that was opened then has been on the screen for long enough.
    pub fn settled(opened: Instant, now: Instant) -> bool {
        now.duration_since(opened) >= SHOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    /// Keys at some times, the item drawn whole at 1000, and whether the last key decides it.
    fn decides(keys: &[u64], alt: bool, certain: bool) -> bool {
        let start = Instant::now();
        let mut gate = Gate {
            alt_is_certain: certain,
            ..Gate::default()
        };
        for key in keys.iter().filter(|key| **key < 1000) {
            gate.key(ms(start, *key));
        }
        gate.drawn(Some(ItemId::Mention(7)), ms(start, 1000));
        for key in keys.iter().filter(|key| **key >= 1000) {
            gate.drawn(Some(ItemId::Mention(7)), ms(start, *key));
            gate.key(ms(start, *key));
        }
        gate.permits(ItemId::Mention(7), alt, ms(start, *keys.last().unwrap()))
    }

    #[test]
    fn table() {
        // (keys, with Alt, the terminal tells Alt from Esc) -> decides
        let table: &[(&[u64], bool, bool, bool)] = &[
            (&[1249], false, true, false),
            (&[1250], false, true, true),
            (&[1250], true, false, true),
            (&[900, 1300], true, false, false),
            (&[900, 1300], true, true, true),
            (&[900, 1300], false, false, true),
            (&[900, 1901], true, false, true),
            (&[2000, 2001], true, false, false),
            (&[2000, 2001], false, false, true),
        ];
        for (keys, alt, certain, expected) in table {
            assert_eq!(
                decides(keys, *alt, *certain),
                *expected,
                "{keys:?} alt {alt} certain {certain}"
            );
        }
    }

    #[test]
    fn only_the_item_that_is_shown_and_only_while_it_is() {
        let start = Instant::now();
        let mut gate = Gate::default();
        gate.drawn(Some(ItemId::Mention(1)), start);
        gate.drawn(Some(ItemId::Mention(2)), ms(start, 300));
        gate.key(ms(start, 400));
        assert!(!gate.permits(ItemId::Mention(1), false, ms(start, 400)));
        assert!(!gate.permits(ItemId::Mention(2), false, ms(start, 400)));
        assert!(gate.permits(ItemId::Mention(2), false, ms(start, 550)));
        gate.drawn(None, ms(start, 560));
        assert!(!gate.permits(ItemId::Mention(2), false, ms(start, 900)));
        gate.drawn(Some(ItemId::Mention(2)), ms(start, 900));
        assert!(!gate.permits(ItemId::Mention(2), false, ms(start, 1000)));
        assert!(gate.permits(ItemId::Mention(2), false, ms(start, 1200)));
        // It is another one now, under the same name.
        gate.forget();
        gate.drawn(Some(ItemId::Mention(2)), ms(start, 1210));
        assert!(!gate.permits(ItemId::Mention(2), false, ms(start, 1400)));
        assert!(gate.permits(ItemId::Mention(2), false, ms(start, 1460)));
    }
}
