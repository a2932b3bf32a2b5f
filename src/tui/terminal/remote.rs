//! The screen on a terminal at the other end of the control socket.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, Write},
    path::Path,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use crossterm::event::Event;
use futures_util::Stream;
use ratatui::{Terminal, layout::Size};
use tokio::sync::mpsc;

use super::backend::{AnsiBackend, TtySink};
use crate::{
    control::{Attach, ExternalProgram, FromTerminal, Line, ToTerminal},
    tui::Surface,
};

pub struct Remote {
    terminal: Terminal<AnsiBackend<Wire>>,
    wire: Wire,
    end: Rc<RefCell<End>>,
}

#[derive(Clone)]
pub struct Events(Rc<RefCell<End>>);

struct End {
    from: mpsc::Receiver<FromTerminal>,
    size: Size,
}

impl End {
    fn heed(&mut self, event: &Event) {
        if let Event::Resize(columns, rows) = event {
            self.size = Size::new(*columns, *rows);
        }
    }
}

/// Where its bytes go.
#[derive(Clone)]
pub struct Wire {
    to: mpsc::Sender<ToTerminal>,
    /// The bytes that are written and not sent.
    written: Rc<RefCell<Vec<u8>>>,
    end: Rc<RefCell<End>>,
}

impl Remote {
    /// A terminal as it has said that it is. Fails never, but for a mistake of the drawing library's.
    pub fn new(attach: &Attach, line: Line) -> io::Result<Self> {
        let end = End {
            from: line.from,
            size: Size::new(attach.columns, attach.rows),
        };
        let end = Rc::new(RefCell::new(end));
        let wire = Wire {
            to: line.to,
            written: Rc::default(),
            end: end.clone(),
        };
        let terminal = Terminal::new(AnsiBackend::on(wire.clone(), &attach.abilities))?;
        Ok(Self { terminal, wire, end })
    }

    /// Its input from now on.
    pub fn events(&self) -> Events {
        Events(self.end.clone())
    }

    /// Says that it is over, and why.
    pub fn end(self, why: &str) {
        // One that takes nothing more learns it from the connection's end.
        let _ = self.wire.to.try_send(ToTerminal::End(why.to_owned()));
    }
}

impl Surface for Remote {
    type TtySink = Wire;

    fn terminal(&mut self) -> &mut Terminal<AnsiBackend<Wire>> {
        &mut self.terminal
    }

    fn raw(&mut self) -> &mut dyn Write {
        &mut self.wire
    }

    /// A terminal that is slow, or stopped, gets fewer pictures; nothing waits for it.
    fn is_ready(&self) -> bool {
        self.wire.to.capacity() == self.wire.to.max_capacity() || self.wire.to.is_closed()
    }

    async fn ready(&self) {
        // Closed: the events say so.
        let _ = self.wire.to.reserve_many(self.wire.to.max_capacity()).await;
    }

    async fn lend(&mut self, errand: &ExternalProgram, _folder: &Path) -> io::Result<String> {
        let gone = || io::Error::other("the terminal is gone");
        let told = ToTerminal::Lend(errand.clone());
        self.wire.to.send(told).await.map_err(|_| gone())?;
        self.terminal.backend_mut().forget();
        loop {
            let next = poll_fn(|context| self.end.borrow_mut().from.poll_recv(context)).await;
            match next.ok_or_else(gone)? {
                FromTerminal::Back(Ok(text)) => return Ok(crate::text::clean(&text).text.into()),
                FromTerminal::Back(Err(why)) => return Err(io::Error::other(why)),
                FromTerminal::Event(event) => self.end.borrow_mut().heed(&event),
            }
        }
    }

    fn copy(&mut self, text: String) -> io::Result<()> {
        self.wire
            .to
            .try_send(ToTerminal::Copy(text))
            .map_err(io::Error::other)
    }
}

impl Stream for Events {
    type Item = io::Result<Event>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut end = self.0.borrow_mut();
        loop {
            match std::task::ready!(end.from.poll_recv(context)) {
                None => return Poll::Ready(None),
                Some(FromTerminal::Event(event)) => {
                    end.heed(&event);
                    return Poll::Ready(Some(Ok(event)));
                }
                // Nobody has asked.
                Some(FromTerminal::Back(_)) => {}
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Sends what is written; where the way is full it stays, and goes with the next.
    fn flush(&mut self) -> io::Result<()> {
        let written = std::mem::take(&mut *self.written.borrow_mut());
        if written.is_empty() {
            return Ok(());
        }
        match self.to.try_reserve() {
            Ok(place) => {
                // Only whole characters are drawn.
                let bytes = String::from_utf8_lossy(&written).into_owned();
                place.send(ToTerminal::Draw(bytes));
            }
            Err(mpsc::error::TrySendError::Full(())) => *self.written.borrow_mut() = written,
            // Closed: the events say so.
            Err(mpsc::error::TrySendError::Closed(())) => {}
        }
        Ok(())
    }
}

impl TtySink for Wire {
    fn size(&self) -> io::Result<Size> {
        Ok(self.end.borrow().size)
    }
}
