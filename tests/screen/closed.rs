//! A closed terminal.

use std::{io::Read, sync::mpsc};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::*;
use crate::support::PATIENCE;

/// Issue 16, 29: if the signal for it was ignored, the program ran forever, at half a core.
#[test]
fn a_program_whose_terminal_is_closed_ends() {
    let relay = Relay::start();
    // Close it at once, while the program still queries the terminal; and once the room is on the screen.
    for shown in [false, true] {
        let bob = Home::new(if shown { "bob" } else { "ben" }, &relay, "");
        let mut command = CommandBuilder::new("/bin/sh");
        let run = format!("trap '' HUP; exec {}", env!("CARGO_BIN_EXE_nexscope-tui"));
        command.args(["-c", run.as_str()]);
        command.env_clear();
        bob.variables()
            .into_iter()
            .for_each(|(name, value)| command.env(name, value));
        command.cwd(bob.work());
        let pty = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let mut writer = pty.master.take_writer().unwrap();
        let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
        let has = |seen: &[u8], words: &str| String::from_utf8_lossy(seen).contains(words);
        while !has(&seen, "\x1b[c") || shown && !has(&seen, "lobby") {
            let length = reader.read(&mut bytes).unwrap();
            assert!(length > 0, "it has ended: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&bytes[..length]);
            if shown && has(&bytes[..length], "\x1b[c") {
                std::io::Write::write_all(&mut writer, b"\x1b[?62;22c").unwrap();
            }
        }
        drop((reader, writer, pty.master));
        let mut killer = child.clone_killer();
        let (tell, ended) = mpsc::channel();
        std::thread::spawn(move || tell.send(child.wait()));
        let waited = ended.recv_timeout(PATIENCE);
        if waited.is_err() {
            let _ = killer.kill();
        }
        assert!(waited.is_ok(), "it goes on without its terminal, shown: {shown}");
        // Its seat is free again.
        let again = bob.screen(100, 24);
        again.wait_for("● ws://");
    }
}
