//! Moving through the messages: by lines, to an end, to a message.

use super::{At, Pages};
use crate::core::What;

impl Pages<'_, '_> {
    /// Moves by some lines; to what is older where negative.
    pub fn by(&mut self, lines: isize) {
        let last = self.blocks();
        if last == 0 || self.width == 0 {
            return self.scroll.go_to_end();
        }
        let (mut block, mut line) = match self.scroll.bottom {
            Some((block, line)) => (block.min(last - 1), line),
            None => (last - 1, self.lines_of(last - 1)),
        };
        let mut left = lines.unsigned_abs();
        if lines < 0 {
            while left > 0 {
                if line > left {
                    line -= left;
                    break;
                }
                left -= line;
                if block == 0 {
                    line = 0;
                    break;
                }
                block -= 1;
                line = self.lines_of(block);
            }
            // The first message stays at the top of the screen, and no further.
            let least = self.top_page();
            (block, line) = (block, line).max(least);
        } else {
            while left > 0 {
                let here = self.lines_of(block);
                if line + left <= here {
                    line += left;
                    break;
                }
                left -= here.saturating_sub(line);
                if block + 1 >= last {
                    return self.scroll.go_to_end();
                }
                (block, line) = (block + 1, 0);
            }
        }
        let at_end = block + 1 >= last && line >= self.lines_of(last - 1);
        self.scroll.bottom = if at_end { None } else { Some((block, line)) };
    }

    /// The message before or behind the selected one, of those that are shown; the newest where none is.
    pub fn next_post(&self, by: isize) -> Option<u32> {
        let room = self.look.room;
        let shown = |nth: usize| match &room.chat.timeline().entries().get(self.reading.place(nth)?)?.what {
            What::Post(post) if self.reading.shows(room, post) => Some(post.number),
            _ => None,
        };
        let count = self.reading.len(room);
        let selected = self
            .selection
            .post
            .and_then(|number| room.chat.timeline().place_of(number));
        let at = selected.map_or(count, |place| self.reading.nth_at(place));
        if selected.is_none() || by < 0 {
            return (0..at).rev().find_map(shown);
        }
        (at + 1..count).find_map(shown)
    }

    pub fn go_to_start(&mut self) {
        let least = self.top_page();
        let last = self.blocks();
        let fits = last == 0 || least == (last - 1, self.lines_of(last - 1));
        self.scroll.bottom = if fits { None } else { Some(least) };
    }

    /// To where the part from 0 to 1 of all messages stands above the screen.
    pub fn go_to(&mut self, part: f64) {
        let last = self.blocks();
        let block = (part * last as f64) as usize;
        if block >= last {
            return self.scroll.go_to_end();
        }
        self.scroll.bottom = Some((block, 0));
        self.by(self.height as isize);
    }

    /// So far that the message with that number can be seen.
    pub fn show(&mut self, number: u32) {
        let Some(place) = self.look.room.chat.timeline().place_of(number) else {
            return;
        };
        let block = self.reading.nth_at(place);
        if self.reading.place(block) != Some(place) {
            return;
        }
        let (top, bottom) = self.window();
        let lines = self.lines_of(block);
        if (block, 0) < top {
            // Its first line to the top of the screen.
            self.scroll.bottom = Some((block, 0));
            self.by(self.height as isize);
        } else if (block, lines) > bottom {
            self.scroll.bottom = Some((block, lines));
            self.by(0);
        }
    }

    /// The first and the last line that are on the screen.
    fn window(&self) -> (At, At) {
        let last = self.blocks();
        if last == 0 {
            return ((0, 0), (0, 0));
        }
        let bottom = match self.scroll.bottom {
            Some(bottom) => bottom,
            None => (last - 1, self.lines_of(last - 1)),
        };
        let (mut block, mut line, mut left) = (bottom.0, bottom.1, self.height as usize);
        while left > line && block > 0 {
            left -= line;
            block -= 1;
            line = self.lines_of(block);
        }
        ((block, line.saturating_sub(left)), bottom)
    }

    /// The bottom of the page that begins with the first message.
    fn top_page(&self) -> At {
        let mut left = self.height as usize;
        let last = self.blocks();
        for block in 0..last {
            let lines = self.lines_of(block);
            if lines >= left || block + 1 == last {
                return (block, lines.min(left));
            }
            left -= lines;
        }
        (0, 0)
    }
}
