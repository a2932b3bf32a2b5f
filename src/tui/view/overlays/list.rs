//! Lists of which a part is on the screen: people, inbox, files.

use std::ops::Range;

use ratatui::{buffer::Buffer, layout::Rect, text::Line, widgets::Widget};

use crate::tui::view::hit_test::HitTarget;

/// Lines, each with what it is about.
#[derive(Default)]
pub(crate) struct List {
    lines: Vec<(Line<'static>, Option<HitTarget>)>,
    at_hand: Option<Range<usize>>,
}

impl List {
    /// Adds a line.
    pub fn push(&mut self, line: Line<'static>, spot: Option<HitTarget>) {
        self.lines.push((line, spot));
    }

    /// Adds lines of which those that are `at_hand` are to be on the screen.
    pub fn extend(
        &mut self,
        lines: impl IntoIterator<Item = Line<'static>>,
        spot: Option<HitTarget>,
        at_hand: bool,
    ) {
        let from = self.lines.len();
        self.lines.extend(lines.into_iter().map(|line| (line, spot)));
        if at_hand {
            self.at_hand = Some(from..self.lines.len());
        }
    }

    /// Keeps the part that `area` has room for, from the line `top` on, or nearer to the beginning where the
    /// list ends before. With `follows`, it is moved so far that what is at hand is among it.
    pub fn lay(mut self, area: Rect, mut top: usize, follows: bool) -> Laid {
        let height = area.height as usize;
        if let Some(at) = self.at_hand.filter(|_| follows) {
            top = top.max(at.end.saturating_sub(height)).min(at.start);
        }
        top = top.min(self.lines.len().saturating_sub(height));
        self.lines.drain(..top);
        self.lines.truncate(height);
        Laid {
            area,
            lines: self.lines,
            top,
        }
    }
}

/// The part of a list that is on the screen.
#[derive(Default)]
pub(crate) struct Laid {
    area: Rect,
    lines: Vec<(Line<'static>, Option<HitTarget>)>,
    /// Lines above it.
    pub top: usize,
}

impl Laid {
    fn rows(&self) -> impl Iterator<Item = (Rect, &Line<'static>, Option<HitTarget>)> {
        let ys = self.area.y..self.area.bottom();
        let row = |y| Rect {
            y,
            height: 1,
            ..self.area
        };
        let rows = self.lines.iter().zip(ys);
        rows.map(move |((line, spot), y)| (row(y), line, *spot))
    }

    pub fn spots(&self) -> impl Iterator<Item = (Rect, HitTarget)> {
        self.rows().filter_map(|(area, _, spot)| Some((area, spot?)))
    }

    pub fn draw(&self, buffer: &mut Buffer) {
        for (area, line, _) in self.rows() {
            line.render(area, buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_hand_is_on_the_screen_until_the_wheel_moves_it_away() {
        // (top, follows, at hand) -> the first line that is shown
        let table = [
            (0, true, 0, 0),
            (0, true, 3, 1),
            (0, true, 9, 7),
            (5, true, 2, 2),
            (4, true, 5, 4),
            (4, false, 0, 4),
            (90, false, 0, 7),
            (90, true, 8, 7),
        ];
        for (top, follows, at_hand, expected) in table {
            let mut list = List::default();
            for nth in 0..10 {
                let line = Line::raw(nth.to_string());
                list.extend([line], Some(HitTarget::File(nth)), nth == at_hand);
            }
            let laid = list.lay(Rect::new(0, 2, 5, 3), top, follows);
            let shown: Vec<_> = laid.spots().map(|(area, spot)| (area.y, spot)).collect();
            let wanted = (0..3).map(|nth| (2 + nth, HitTarget::File(expected + u32::from(nth))));
            assert_eq!(shown, wanted.collect::<Vec<_>>(), "{top} {follows} {at_hand}");
            assert_eq!(laid.top, expected as usize);
        }
    }
}
