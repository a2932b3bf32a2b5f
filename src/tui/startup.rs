//! The screen before all of the journal was read.

use std::{io, path::Path};

use jiff::tz::TimeZone;

use super::{
    state::{State, Tone},
    terminal::Surface,
    theme::Theme,
    view::{self, Layout, RenderContext},
};
use crate::{
    clock::now,
    config::Config,
    core::{Program, RoomId},
    tui::input::keymap::Keymap,
};

/// Draws the newest messages while the rest is being read: nothing can be done yet, and keys wait.
pub fn glimpse<S: Surface>(
    surface: &mut S,
    (program, room): &(Program, RoomId),
    config: &Config,
    folder: &Path,
) -> io::Result<()> {
    // What is wrong with a file is told by the screen itself.
    let keymap = Keymap::load(&config.keymap, &folder.join("keymaps"));
    let theme = Theme::load(&config.theme, &folder.join("themes"));
    let look = RenderContext {
        program,
        room: program.room(*room),
        relay: "",
        theme: &theme.unwrap_or_else(|_| Theme::built_in()),
        keymap: &keymap.unwrap_or_else(|_| Keymap::built_in()),
        now: now(),
        zone: &TimeZone::system(),
        links: false,
    };
    let mut state = State::default();
    state.say("Reading messages …", Tone::Good);
    let drawn = surface.terminal().draw(|frame| {
        let plan = Layout::new(&look, &state, frame.area());
        view::draw(&look, &state, &plan, frame);
    });
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    surface.terminal().backend_mut().show()
}
