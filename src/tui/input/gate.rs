//! When a key may decide.
//!
//! PURE. A key decides an item only after all of it has been on the screen for a while, so that no key that was on
//! its way when the item appeared can hit it; a letter only where it was typed alone, with the focus on the item.
//! Where the terminal cannot tell Alt from an Esc with a key behind it, an Alt key counts only on its own.

use std::time::{Duration, Instant};

use crate::core::{ItemId, Shown};

/// How long an item must have been on the screen, whole.
const WHOLE: Duration = Duration::from_millis(250);
/// Letters that are closer together are typed text.
pub const TYPING: Duration = Duration::from_millis(300);
/// Input that is closer together has come in one piece: a paste, a dictation, a program.
pub const BURST: Duration = Duration::from_millis(50);
/// How long no other key may have been pressed before an ambiguous Alt key.
const QUIET: Duration = Duration::from_secs(1);

/// How a decision is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A key that would type a character somewhere else.
    Letter,
    Alt,
    /// Any other key: F2, Enter.
    Other,
}

impl Press {
    /// How long it must stay alone before it takes effect.
    pub fn settles_in(self) -> Duration {
        match self {
            Press::Letter => TYPING,
            Press::Alt | Press::Other => BURST,
        }
    }
}

/// Why a key does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The item has not been on the screen, whole, for long enough.
    NotWhole,
    /// The item came after the person turned to where it is.
    CameLater,
    /// It is one of several letters that were typed.
    Typing,
    /// It came in one piece with other input.
    Burst,
    /// It may have been Esc and a letter.
    UnclearAlt,
}

/// The last moment at which something came, and the one before it.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    this: Option<Instant>,
    before: Option<Instant>,
}

impl Last {
    fn came(&mut self, now: Instant) {
        self.before = self.this.replace(now);
    }

    /// Whether the one before the last came within `time` before `now`.
    fn within(&self, time: Duration, now: Instant) -> bool {
        self.before
            .is_some_and(|before| now.saturating_duration_since(before) < time)
    }
}

/// The items on the screen, and the times of the last input.
#[derive(Debug, Default)]
pub struct Gate {
    whole: Option<(Shown, Instant)>,
    /// Since when each item is known.
    came: Vec<(ItemId, Instant)>,
    /// When the person turned to what has the keys now.
    focused: Option<Instant>,
    inputs: Last,
    letters: Last,
    pasted: Option<Instant>,
    /// The terminal tells Alt from Esc (the kitty keyboard protocol).
    pub alt_is_certain: bool,
}

impl Gate {
    /// The screen was drawn, and has all of these items on it.
    pub fn drawn(&mut self, whole: Shown, now: Instant) {
        let none = whole.items().next().is_none();
        match &self.whole {
            _ if none => self.whole = None,
            Some((shown, _)) if *shown == whole => {}
            _ => self.whole = Some((whole, now)),
        }
    }

    /// The items that wait now. Those that were not there before have come now.
    pub fn waiting(&mut self, ids: impl IntoIterator<Item = ItemId>, now: Instant) {
        let known = std::mem::take(&mut self.came);
        let since = |id: ItemId| {
            known
                .iter()
                .find(|(one, _)| *one == id)
                .map_or(now, |(_, at)| *at)
        };
        self.came = ids.into_iter().map(|id| (id, since(id))).collect();
    }

    /// With what came last the person turned to something else: a pane, another item.
    pub fn focused(&mut self) {
        self.focused = self.inputs.this;
    }

    /// Another key of a sequence that has begun came: they count as one.
    pub fn continues(&mut self, now: Instant) {
        self.inputs.this = Some(now);
    }

    /// Something came from the terminal: a key that types a character, or anything else.
    pub fn input(&mut self, letter: bool, now: Instant) {
        self.inputs.came(now);
        if letter {
            self.letters.came(now);
        }
    }

    pub fn pasted(&mut self, now: Instant) {
        self.pasted = Some(now);
    }

    /// Whether what comes now is still part of what was pasted.
    pub fn is_in_paste(&self, now: Instant) -> bool {
        self.pasted
            .is_some_and(|pasted| now.saturating_duration_since(pasted) < BURST)
    }

    /// Whether what was just pressed came in one piece with what was before it.
    pub fn is_in_burst(&self, now: Instant) -> bool {
        self.inputs.within(BURST, now)
    }

    /// Whether the letter that was just pressed is one of several.
    pub fn is_typing(&self, now: Instant) -> bool {
        self.letters.within(TYPING, now)
    }

    /// Whether what was just pressed may decide these items, and what the person sees of them. Fails where it only
    /// opens them.
    pub fn permits(&self, ids: &[ItemId], press: Press, now: Instant) -> Result<Shown, Refusal> {
        let whole = self.whole.as_ref().filter(|(shown, since)| {
            shown.is_of(ids) && !ids.is_empty() && now.saturating_duration_since(*since) >= WHOLE
        });
        let came_later = ids.iter().any(|id| {
            let came = self.came.iter().find(|(one, _)| one == id);
            came.is_some_and(|(_, came)| self.focused.is_none_or(|focused| focused < *came))
        });
        match (whole, press) {
            (None, _) => Err(Refusal::NotWhole),
            _ if self.is_in_burst(now) => Err(Refusal::Burst),
            (_, Press::Letter) if self.is_typing(now) => Err(Refusal::Typing),
            (_, Press::Letter) if came_later => Err(Refusal::CameLater),
            (_, Press::Alt) if !self.alt_is_certain && self.inputs.within(QUIET, now) => {
                Err(Refusal::UnclearAlt)
            }
            (Some((shown, _)), _) => Ok(shown.clone()),
        }
    }

    /// Whether something that was opened then has been on the screen for long enough.
    pub fn settled(opened: Instant, now: Instant) -> bool {
        now.saturating_duration_since(opened) >= WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Intent;

    fn ms(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    const ITEM: ItemId = ItemId::Mention(7);

    /// What the last key does to an item that came at 500, that the person turned to at `focused`, and that is drawn
    /// whole from 1000 on. Letters came at `letters`, other keys at `others`.
    fn pressed(
        letters: &[u64],
        others: &[u64],
        focused: u64,
        press: Press,
        certain: bool,
    ) -> Option<Refusal> {
        let start = Instant::now();
        let mut gate = Gate {
            alt_is_certain: certain,
            ..Gate::default()
        };
        gate.waiting([ITEM], ms(start, 500));
        gate.focused = Some(ms(start, focused));
        gate.drawn(Shown::test(ITEM, "as it was"), ms(start, 1000));
        let mut keys: Vec<(u64, bool)> = letters.iter().map(|at| (*at, true)).collect();
        keys.extend(others.iter().map(|at| (*at, false)));
        keys.sort_unstable();
        keys.iter()
            .for_each(|(at, letter)| gate.input(*letter, ms(start, *at)));
        let last = keys.last().map_or(0, |(at, _)| *at);
        gate.permits(&[ITEM], press, ms(start, last)).err()
    }

    #[test]
    fn table() {
        use Press::*;
        // (letters, other keys, turned to it at, pressed, the terminal tells Alt from Esc) -> why it does not decide
        type Row<'a> = (&'a [u64], &'a [u64], u64, Press, bool, Option<Refusal>);
        let table: &[Row] = &[
            (&[1249], &[], 900, Letter, true, Some(Refusal::NotWhole)),
            (&[1250], &[], 900, Letter, true, None),
            (&[1250], &[], 400, Letter, true, Some(Refusal::CameLater)),
            (&[], &[1250], 400, Other, true, None),
            (&[], &[1250], 400, Alt, false, None),
            (&[1000, 1299], &[], 900, Letter, true, Some(Refusal::Typing)),
            (&[1000, 1300], &[], 900, Letter, true, None),
            (&[1300], &[1251], 900, Letter, true, Some(Refusal::Burst)),
            (&[1300], &[1250], 900, Letter, true, None),
            (&[1280], &[1300], 900, Other, true, Some(Refusal::Burst)),
            (&[1200], &[1300], 900, Other, true, None),
            (&[900], &[1300], 900, Alt, false, Some(Refusal::UnclearAlt)),
            (&[900], &[1300], 900, Alt, true, None),
            (&[900], &[1900], 900, Alt, false, None),
        ];
        for (letters, others, focused, press, certain, expected) in table {
            let refused = pressed(letters, others, *focused, *press, *certain);
            assert_eq!(
                refused, *expected,
                "{letters:?} {others:?} {focused} {press:?} {certain}"
            );
        }
    }

    #[test]
    fn only_what_is_shown_and_only_while_it_is_as_it_was() {
        let start = Instant::now();
        let mut gate = Gate::default();
        let (one, two) = (ItemId::Mention(1), ItemId::Mention(2));
        gate.waiting([one, two], start);
        gate.focused = Some(start);
        gate.drawn(Shown::test(one, "a"), start);
        gate.drawn(Shown::test(two, "b"), ms(start, 300));
        let permits = |gate: &Gate, id, at| gate.permits(&[id], Press::Other, ms(start, at)).is_ok();
        assert!(!permits(&gate, one, 400) && !permits(&gate, two, 400));
        assert!(permits(&gate, two, 550));
        gate.drawn(Shown::written(&Intent::Auto), ms(start, 560));
        assert!(!permits(&gate, two, 900));
        gate.drawn(Shown::test(two, "b"), ms(start, 900));
        assert!(!permits(&gate, two, 1000));
        assert!(permits(&gate, two, 1200));
        // It is another version now, under the same id.
        gate.drawn(Shown::test(two, "the new text"), ms(start, 1210));
        assert!(!permits(&gate, two, 1400));
        assert!(permits(&gate, two, 1460));
        assert!(gate.permits(&[two, one], Press::Other, ms(start, 1460)).is_err());
    }

    #[test]
    fn input_right_after_a_paste_belongs_to_it() {
        let start = Instant::now();
        let mut gate = Gate::default();
        assert!(!gate.is_in_paste(start));
        gate.pasted(start);
        assert!(gate.is_in_paste(ms(start, 49)) && !gate.is_in_paste(ms(start, 50)));
    }
}
