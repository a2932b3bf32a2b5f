//! Letters that are typed where nothing takes them: whoever types them thinks that they are writing.

use std::time::{Duration, Instant};

use super::gate::TYPING;

/// Letters that are further apart than this are not typed in a row.
const ROW: Duration = Duration::from_secs(2);

/// Letters that were typed in a row outside of every field.
#[derive(Debug, Default)]
pub struct Stray {
    typed: String,
    /// So many of the last ones did nothing.
    idle: usize,
    last: Option<Instant>,
}

impl Stray {
    /// A letter was typed. `useful` tells whether the pane does something by it; `undone` that it made text of the
    /// letter before it, which had seemed to be a decision. Two in a row of no use are text: gives back all that was
    /// typed.
    pub fn letter(&mut self, c: char, useful: bool, undone: bool, now: Instant) -> Option<String> {
        let since = self
            .last
            .replace(now)
            .map(|last| now.saturating_duration_since(last));
        if since.is_none_or(|since| since >= ROW || since >= TYPING && self.idle == 0) {
            self.typed.clear();
            self.idle = 0;
        }
        self.typed.push(c);
        if undone {
            self.idle += 1;
        }
        self.idle = if useful { 0 } else { self.idle + 1 };
        let writes = self.idle >= 2;
        writes.then(|| std::mem::take(self).typed)
    }

    pub fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_no_use_become_text_with_what_was_typed_before_them() {
        let start = Instant::now();
        // (letter, useful, undone, milliseconds since the start) -> what goes to the composer
        type Row = (char, bool, bool, u64, Option<&'static str>);
        let typed: &[&[Row]] = &[
            &[('a', true, false, 0, None), ('l', false, true, 100, Some("al"))],
            &[('x', false, false, 0, None), ('q', false, false, 900, Some("xq"))],
            &[('x', false, false, 0, None), ('q', false, false, 5000, None)],
            &[
                ('y', true, false, 0, None),
                ('e', false, false, 90, None),
                ('s', false, false, 180, Some("yes")),
            ],
            &[
                ('y', true, false, 0, None),
                ('e', false, false, 900, None),
                ('s', false, false, 990, Some("es")),
            ],
            &[
                ('j', true, false, 0, None),
                ('j', true, false, 90, None),
                ('k', true, false, 180, None),
            ],
        ];
        for row in typed {
            let mut stray = Stray::default();
            for (c, useful, undone, at, expected) in *row {
                let text = stray.letter(*c, *useful, *undone, start + Duration::from_millis(*at));
                assert_eq!(text.as_deref(), *expected, "{c} of {row:?}");
            }
        }
    }
}
