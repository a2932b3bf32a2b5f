//! Where one writes. The only module that knows the text area.

use std::cell::RefCell;

use ratatui::{Frame, layout::Rect, style::Style};
use tui_textarea::{CursorMove, CursorRenderMode, TextArea, WrapMode};
use unicode_segmentation::UnicodeSegmentation;

use crate::tui::input::action::Action;

/// Lines that the composer grows to.
const MOST_ROWS: u16 = 8;
/// Lines of history that are remembered.
const HISTORY: usize = 200;
/// A paste of more lines, or of more bytes, is folded.
const FOLDED: (usize, usize) = (20, 4_000);

/// A growing field for text.
pub struct Composer {
    /// Measuring a text area fills its cache, for which it wants to be mutable; a layout only reads the state.
    area: RefCell<TextArea<'static>>,
    history: Vec<String>,
    /// Which line of history is shown, counted from the newest, and what was there before.
    recalled: Option<(usize, String)>,
    /// The marks of folded pastes in the text, each with its paste.
    folded: Vec<(String, String)>,
}

impl Default for Composer {
    fn default() -> Self {
        Self {
            area: RefCell::new(empty()),
            history: Vec::new(),
            recalled: None,
            folded: Vec::new(),
        }
    }
}

fn empty() -> TextArea<'static> {
    let mut area = TextArea::default();
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_cursor_render_mode(CursorRenderMode::Hidden);
    area.set_cursor_line_style(Style::new());
    area.set_min_rows(1);
    area.set_max_rows(MOST_ROWS);
    area
}

impl Composer {
    /// The text, with folded pastes in full.
    pub fn whole(&self) -> String {
        let unfold = |text: String, (mark, paste): &(String, String)| text.replacen(mark, paste, 1);
        self.folded.iter().fold(self.text(), unfold)
    }

    /// The text as it is shown.
    pub fn text(&self) -> String {
        self.area.borrow().lines().join("\n")
    }

    pub fn is_empty(&self) -> bool {
        self.area.borrow().is_empty()
    }

    /// Takes what is written, and remembers it.
    pub fn take(&mut self) -> String {
        let text = self.whole();
        self.area = RefCell::new(empty());
        self.recalled = None;
        self.folded.clear();
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
            if self.history.len() > HISTORY {
                self.history.remove(0);
            }
        }
        text
    }

    /// The sent lines, oldest first.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Remembers what was written in an earlier life of the program, oldest first.
    pub fn remember(&mut self, history: Vec<String>) {
        self.history = history;
    }

    /// The text before the cursor in its line.
    pub fn before_cursor(&self) -> String {
        let (row, column) = self.position();
        self.area.borrow().lines()[row].chars().take(column).collect()
    }

    /// Whether the cursor is in the first line.
    pub fn is_in_first_line(&self) -> bool {
        self.position().0 == 0
    }

    /// Writes something in the place of some characters before the cursor.
    pub fn replace_before_cursor(&mut self, characters: usize, text: &str) {
        for _ in 0..characters {
            self.area.get_mut().delete_char();
        }
        self.area.get_mut().insert_str(text);
    }

    /// Writes something else instead, with the cursor behind it.
    pub fn set(&mut self, text: &str) {
        self.area = RefCell::new(empty());
        self.folded.clear();
        self.area.get_mut().insert_str(text);
    }

    /// A character that was typed.
    pub fn insert(&mut self, c: char) {
        self.recalled = None;
        self.area.get_mut().insert_char(c);
    }

    /// A text that was pasted; it never sends.
    pub fn paste(&mut self, text: &str) {
        self.recalled = None;
        let text: String = crate::text::clean(text).text.into();
        let lines = text.split('\n').count();
        if lines <= FOLDED.0 && text.len() <= FOLDED.1 {
            self.area.get_mut().insert_str(text);
            return;
        }
        let mark = format!(
            "[paste {}: {lines} lines, {} characters]",
            self.folded.len() + 1,
            text.chars().count()
        );
        self.area.get_mut().insert_str(&mark);
        self.folded.push((mark, text));
    }

    /// Carries out an action of editing. Returns whether it was one.
    pub fn edit(&mut self, action: Action) -> bool {
        let moves = match action {
            Action::Left => Some(CursorMove::Back),
            Action::Right => Some(CursorMove::Forward),
            Action::WordLeft => Some(CursorMove::WordBack),
            Action::WordRight => Some(CursorMove::WordForward),
            Action::LineStart => Some(CursorMove::Head),
            Action::LineEnd => Some(CursorMove::End),
            _ => None,
        };
        if let Some(moves) = moves {
            self.area.get_mut().move_cursor(moves);
            return true;
        }
        match action {
            Action::NewLine => self.area.get_mut().insert_newline(),
            Action::DeleteLeft => self.delete_left(),
            Action::DeleteRight => self.delete_right(),
            Action::DeleteWord => _ = self.area.get_mut().delete_word(),
            Action::DeleteToStart => _ = self.area.get_mut().delete_line_by_head(),
            Action::DeleteToEnd => _ = self.area.get_mut().delete_line_by_end(),
            Action::Undo => _ = self.area.get_mut().undo(),
            Action::Redo => _ = self.area.get_mut().redo(),
            Action::Up => self.up(),
            Action::Down => self.down(),
            _ => return false,
        }
        true
    }

    /// A `\` at the end of a line asks for a new line instead of sending. Returns whether it did.
    pub fn continues(&mut self) -> bool {
        let (row, column) = self.position();
        let area = self.area.get_mut();
        let line = &area.lines()[row];
        let at_end = column == line.chars().count();
        if !(at_end && line.ends_with('\\')) {
            return false;
        }
        area.delete_char();
        area.insert_newline();
        true
    }

    /// Rows that it wants at a width, in columns.
    pub fn rows(&self, width: u16) -> u16 {
        self.area.borrow_mut().measure(width.max(1)).preferred_rows
    }

    /// Draws it, and puts the terminal's own cursor where one writes, if one does.
    pub fn draw(&self, frame: &mut Frame, area: Rect, focused: bool) {
        let text = self.area.borrow();
        frame.render_widget(&*text, area);
        if focused && let Some(position) = text.rendered_cursor_position().filter(|at| area.contains(*at)) {
            frame.set_cursor_position(position);
        }
    }

    fn position(&self) -> (usize, usize) {
        self.area.borrow().cursor()
    }

    /// Deletes what a person sees as one character, however many code points it has.
    fn delete_left(&mut self) {
        let (row, column) = self.position();
        let before: String = self.area.borrow().lines()[row].chars().take(column).collect();
        let paste = self
            .folded
            .iter()
            .position(|(mark, _)| before.ends_with(mark.as_str()));
        let points = match paste {
            // A paste that was folded goes as one.
            Some(at) => self.folded.remove(at).0.chars().count(),
            None => before
                .graphemes(true)
                .next_back()
                .map_or(1, |grapheme| grapheme.chars().count()),
        };
        for _ in 0..points {
            self.area.get_mut().delete_char();
        }
    }

    fn delete_right(&mut self) {
        let (row, column) = self.position();
        let behind: String = self.area.borrow().lines()[row].chars().skip(column).collect();
        let points = behind
            .graphemes(true)
            .next()
            .map_or(1, |grapheme| grapheme.chars().count());
        for _ in 0..points {
            self.area.get_mut().delete_next_char();
        }
    }

    /// Up a line; in the first line of nothing, or of something recalled, back in history.
    fn up(&mut self) {
        let recalls = self.is_empty() || self.recalled.is_some();
        if !(recalls && self.position().0 == 0) {
            return self.area.get_mut().move_cursor(CursorMove::Up);
        }
        let (back, before) = match self.recalled.take() {
            Some((back, before)) => (back + 1, before),
            None => (0, self.text()),
        };
        let back = back.min(self.history.len().saturating_sub(1));
        if let Some(text) = self.history.iter().rev().nth(back).cloned() {
            self.set(&text);
            self.recalled = Some((back, before));
        }
    }

    fn down(&mut self) {
        let last_row = self.position().0 + 1 == self.area.borrow().lines().len();
        match self.recalled.take() {
            Some((0, before)) if last_row => self.set(&before),
            Some((back, before)) if last_row => {
                let text = self
                    .history
                    .iter()
                    .rev()
                    .nth(back - 1)
                    .cloned()
                    .unwrap_or_default();
                self.set(&text);
                self.recalled = Some((back - 1, before));
            }
            recalled => {
                self.recalled = recalled;
                self.area.get_mut().move_cursor(CursorMove::Down);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Composer {
        let mut composer = Composer::default();
        text.chars().for_each(|c| composer.insert(c));
        composer
    }

    #[test]
    fn backspace_takes_a_whole_grapheme() {
        for text in ["a👨‍👩‍👧‍👦", "ae\u{301}", "a🇩🇪", "a日"] {
            let mut composer = typed(text);
            composer.edit(Action::DeleteLeft);
            assert_eq!(composer.text(), "a", "{text}");
        }
    }

    #[test]
    fn history_comes_and_goes() {
        let mut composer = typed("first");
        composer.take();
        composer.paste("second\nof two");
        composer.take();
        let steps = [
            (Action::Up, "second\nof two"),
            (Action::Up, "second\nof two"),
            (Action::Up, "first"),
            (Action::Down, "second\nof two"),
            (Action::Down, ""),
        ];
        for (action, expected) in steps {
            composer.edit(action);
            assert_eq!(composer.text(), expected);
        }
        composer.insert('x');
        composer.edit(Action::Up);
        assert_eq!(composer.text(), "x");
    }

    #[test]
    fn a_backslash_at_the_end_continues() {
        let mut composer = typed("one\\");
        assert!(composer.continues());
        assert_eq!(composer.text(), "one\n");
        assert!(!composer.continues());
    }

    #[test]
    fn a_large_paste_is_folded_and_sent_whole() {
        let paste = "line\n".repeat(100);
        let mut composer = typed("see ");
        composer.paste(&paste);
        composer.insert('!');
        assert!(
            composer.text().starts_with("see [paste 1: 101 lines"),
            "{}",
            composer.text()
        );
        assert_eq!(composer.whole(), format!("see {paste}!"));
        composer.edit(Action::DeleteLeft);
        composer.edit(Action::DeleteLeft);
        assert_eq!(composer.whole(), "see ");
        composer.paste(&"x".repeat(5_000));
        assert_eq!(composer.take().len(), 5_004);
        assert!(composer.is_empty());
    }

    #[test]
    fn pastes_are_cleaned() {
        let mut composer = Composer::default();
        composer.paste("a\x1b[31mb\r\nc\td");
        assert_eq!(composer.text(), "ab\nc   d");
    }
}
