//! What the terminal sends, none of it left lying.

use std::{
    io::{self, stdin},
    pin::Pin,
    task::{Context, Poll},
};

use crossterm::event::{Event, EventStream};
use futures_util::{Stream, StreamExt};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

/// The events of the terminal.
///
/// crossterm waits for the terminal edge-triggered, and forgets that there is more where it has read a part, or where
/// the terminal's size changes at the same moment: such keys would be seen with the next one only.
#[derive(Debug)]
pub struct Events(EventStream);

impl Events {
    /// From now on.
    #[expect(clippy::new_without_default, reason = "it takes hold of the terminal")]
    pub fn new() -> Self {
        Self(EventStream::new())
    }
}

impl Stream for Events {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.0.poll_next_unpin(context);
        if polled.is_pending() && there_is_more() {
            wake_readers();
        }
        polled
    }
}

/// Whether the terminal has bytes that nobody has read.
fn there_is_more() -> bool {
    let stdin = stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut terminal, Some(&at_once)).is_ok_and(|ready| ready > 0)
        && terminal[0].revents().contains(PollFlags::IN)
}

/// Setting what is set already makes the system say again, to whoever waits for the terminal, that it can be read.
fn wake_readers() {
    let stdin = stdin();
    if let Ok(settings) = tcgetattr(&stdin) {
        // A terminal that is gone has no keys either.
        let _ = tcsetattr(&stdin, OptionalActions::Now, &settings);
    }
}
