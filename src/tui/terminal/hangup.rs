//! Notices that the terminal is gone.
//!
//! crossterm reads a terminal that was closed again and again, without an end and without telling anybody, and the
//! signal for it may be ignored (`nohup`).

use std::{io::stdin, sync::OnceLock, thread, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::sync::watch;

/// So long the program may take to leave its room once the terminal is gone. It keeps nothing that a sudden end could
/// lose.
const GRACE: Duration = Duration::from_secs(5);

/// Becomes true when the terminal is gone. It is watched from the first call on; a program that has not ended by
/// itself a while later is ended.
pub(crate) fn gone() -> watch::Receiver<bool> {
    static GONE: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    let watch = || {
        let (tell, gone) = watch::channel(false);
        let started = thread::Builder::new().name("terminal".into()).spawn(move || {
            if let Err(error) = wait_for_hangup() {
                return tracing::warn!(%error, "the terminal is not watched");
            }
            tell.send_replace(true);
            thread::sleep(GRACE);
            tracing::error!("the terminal is gone, and the program did not end by itself");
            std::process::exit(1);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "the terminal is not watched");
        }
        gone
    };
    GONE.get_or_init(watch).clone()
}

fn wait_for_hangup() -> Result<(), Errno> {
    let stdin = stdin();
    // These are told without being asked for.
    let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    loop {
        let mut terminal = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut terminal, None) {
            Ok(_) if terminal[0].revents().intersects(over) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
