//! The terminal's events, none of them left unread.

use std::{
    io::{self, stdin},
    pin::Pin,
    task::{Context, Poll},
};

use crossterm::event::{Event, EventStream};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, Fuse},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

use super::hangup;

/// The events of the terminal.
///
/// crossterm waits for the terminal edge-triggered, and forgets that there is more where it has read a part, or where
/// the terminal's size changes at the same moment: such keys would be seen with the next one only.
///
/// They end when the terminal is gone.
pub struct Events {
    stream: EventStream,
    gone: Fuse<BoxFuture<'static, ()>>,
    over: bool,
}

impl Events {
    pub fn new() -> Self {
        let mut gone = hangup::gone();
        let gone = async move {
            if gone.wait_for(|gone| *gone).await.is_err() {
                // Nobody watches it.
                std::future::pending().await
            }
        };
        Self {
            stream: EventStream::new(),
            gone: gone.boxed().fuse(),
            over: false,
        }
    }
}

impl Stream for Events {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.over |= self.gone.poll_unpin(context).is_ready();
        if self.over {
            return Poll::Ready(None);
        }
        let polled = self.stream.poll_next_unpin(context);
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
