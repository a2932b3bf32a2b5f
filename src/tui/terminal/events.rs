//! The terminal's events, none of them left unread.

use std::{
    io::{self, stdin},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
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

use tokio::time::{Sleep, sleep_until};

use super::{hangup, replies::Replies};

/// The events of the terminal.
///
/// crossterm waits for the terminal edge-triggered, and forgets that there is more where it has read a part, or where
/// the terminal's size changes at the same moment: such keys would be seen with the next one only.
///
/// They end when the terminal is gone.
pub struct Events {
    stream: EventStream,
    replies: Replies,
    /// Ends when a key that may begin a reply of the terminal turns out to be one.
    held: Option<Pin<Box<Sleep>>>,
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
            replies: Replies::default(),
            held: None,
            gone: gone.boxed().fuse(),
            over: false,
        }
    }
}

impl Events {
    /// Waits until a key that is held back, if there is one, is known to be a key.
    fn held_key_is_one(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.replies.deadline() else {
            self.held = None;
            return Poll::Pending;
        };
        let held = self
            .held
            .get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        held.as_mut().reset(deadline.into());
        ready!(held.as_mut().poll(context));
        self.replies.expire(Instant::now());
        Poll::Ready(())
    }
}

impl Stream for Events {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.over |= self.gone.poll_unpin(context).is_ready();
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            if let Some(event) = self.replies.next() {
                return Poll::Ready(Some(Ok(event)));
            }
            match self.stream.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(event))) => self.replies.take(event, Instant::now()),
                Poll::Ready(other) => return Poll::Ready(other),
                Poll::Pending => {
                    if there_is_more() {
                        wake_readers();
                    }
                    ready!(self.held_key_is_one(context));
                }
            }
        }
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
