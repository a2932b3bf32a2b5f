//! A program in a pseudo-terminal, and its screen.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Instant,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::{Home, PATIENCE};

/// A terminal with a program in it.
pub struct Term {
    shared: Arc<Shared>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser,
    /// Everything that the program has written.
    raw: Vec<u8>,
    /// The number of bytes before the newest ones, and the time at which those arrived.
    first_after: Option<(usize, Instant)>,
    /// The time of the last byte.
    last: Instant,
    ended: bool,
}

fn prompt(screen: &vt100::Screen) -> String {
    let contents = screen.contents();
    let typed = contents.rsplit_once('›').map_or("", |(_, behind)| behind);
    // On a wide screen, a border follows.
    let lines = typed
        .lines()
        .map(|line| line.trim_end_matches(['│', ' ']).trim_start());
    lines.collect::<Vec<_>>().join("\n")
}

/// Queries that a program sends to its terminal, and the answers of an ordinary one.
const ANSWERS: [(&[u8], &[u8]); 2] = [(b"\x1b[c", b"\x1b[?62;22c"), (b"\x1b[6n", b"\x1b[1;1R")];

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

impl Term {
    /// Starts `nexscope-tui` with these arguments, in a home.
    pub fn spawn(home: &Home, arguments: &[&str], columns: u16, rows: u16) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_nexscope-tui"));
        Self::spawn_program(home, program, arguments, columns, rows)
    }

    /// Starts any program with these arguments, in a home.
    pub fn spawn_program(home: &Home, program: &Path, arguments: &[&str], columns: u16, rows: u16) -> Self {
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        home.variables()
            .into_iter()
            .for_each(|(name, value)| command.env(name, value));
        command.cwd(home.work());

        let pty = native_pty_system().openpty(size(columns, rows)).unwrap();
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let writer = Arc::new(Mutex::new(pty.master.take_writer().unwrap()));
        let state = State {
            parser: vt100::Parser::new(cells(rows), cells(columns), 0),
            raw: Vec::new(),
            first_after: None,
            last: Instant::now(),
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });

        let (seen, replies) = (shared.clone(), writer.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 16 * 1024];
            // On Linux, reading fails when the program has ended.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                for (question, answer) in ANSWERS {
                    if bytes[..length]
                        .windows(question.len())
                        .any(|window| window == question)
                    {
                        let _ = replies.lock().unwrap().write_all(answer);
                    }
                }
                // A failing test poisons the lock, and reports the failure itself.
                let came = Instant::now();
                let Ok(mut state) = seen.state.lock() else { return };
                state.parser.process(&bytes[..length]);
                state.last = came;
                state.first_after = Some((state.raw.len(), state.last));
                state.raw.extend_from_slice(&bytes[..length]);
                seen.changed.notify_all();
            }
            if let Ok(mut state) = seen.state.lock() {
                state.ended = true;
            }
            seen.changed.notify_all();
        });
        Self {
            shared,
            writer,
            master: pty.master,
            child,
        }
    }

    /// The text on the screen.
    pub fn screen(&self) -> String {
        self.shared.state.lock().unwrap().parser.screen().contents()
    }

    /// Waits until this text is underlined.
    #[track_caller]
    pub fn wait_for_underlined(&self, expected: &str) {
        self.wait_for_screen(&format!("{expected:?}, underlined"), |screen| {
            let (rows, columns) = screen.size();
            let places = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
            let cells = places.filter_map(|(row, column)| screen.cell(row, column));
            let underlined: String = cells
                .filter(|cell| cell.underline())
                .map(vt100::Cell::contents)
                .collect();
            underlined == expected
        });
    }

    /// Waits until the program has written some bytes.
    #[track_caller]
    pub fn wait_for_bytes(&self, expected: &str) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while !String::from_utf8_lossy(&state.raw).contains(expected) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !state.ended,
                "waited for the bytes {expected:?}"
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// A picture of the screen.
    pub fn picture(&self, page: &super::svg::Page) -> String {
        super::svg::picture(self.shared.state.lock().unwrap().parser.screen(), page)
    }

    /// The background colour of the first cell.
    pub fn background(&self) -> vt100::Color {
        let state = self.shared.state.lock().unwrap();
        state
            .parser
            .screen()
            .cell(0, 0)
            .map_or(vt100::Color::Default, vt100::Cell::bgcolor)
    }

    /// Waits until the screen is as expected.
    #[track_caller]
    pub fn wait_until(&self, what: &str, expected: impl Fn(&str) -> bool) -> String {
        self.wait_for_screen(what, |screen| expected(&screen.contents()))
    }

    /// Waits until the page has a colour.
    #[track_caller]
    pub fn wait_for_background(&self, color: vt100::Color) {
        self.wait_for_screen(&format!("{color:?}"), |screen| {
            screen.cell(0, 0).is_some_and(|cell| cell.bgcolor() == color)
        });
    }

    /// Waits until the program uses the alternate screen, or has returned to the shell's.
    #[track_caller]
    pub fn wait_for_full_screen(&self, full: bool) {
        self.wait_for_screen(&format!("a full screen: {full}"), |screen| {
            screen.alternate_screen() == full && screen.bracketed_paste() == full
        });
    }

    #[track_caller]
    fn wait_for_screen(&self, what: &str, expected: impl Fn(&vt100::Screen) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            let screen = state.parser.screen();
            let contents = screen.contents();
            if expected(screen) {
                return contents;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !state.ended,
                "waited for {what}; the screen is\n{contents}"
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits until a text is no longer on the screen.
    #[track_caller]
    pub fn wait_gone(&self, text: &str) -> String {
        self.wait_until(&format!("no {text:?}"), |screen| !screen.contains(text))
    }

    /// Types keys.
    pub fn send(&self, keys: &str) {
        self.writer.lock().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and sends it.
    pub fn say(&self, line: &str) {
        self.send(line);
        self.send("\r");
    }

    /// Types a command that decides, and sends it separately: input that arrives at once decides nothing.
    #[track_caller]
    pub fn command(&self, line: &str) {
        self.settle(std::time::Duration::from_millis(300));
        self.send(line);
        let end: String = line
            .chars()
            .rev()
            .take(12)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        self.wait_for(&end);
        self.settle(std::time::Duration::from_millis(100));
        self.send("\r");
    }

    /// Types a command that decides on an item. An item that is not completely visible is opened, and another key
    /// decides.
    #[track_caller]
    pub fn decide(&self, line: &str) {
        self.command(line);
        let opened = |screen: &str| screen.contains("─ end ─");
        let seen = self.wait_until("it is opened or decided", |screen| {
            opened(screen) || !screen.contains(line)
        });
        if opened(&seen) {
            self.press_until_is("\x1bOQ", "it is decided", |screen| !opened(screen));
        }
    }

    /// Presses a deciding key repeatedly until the decision is visible: the first press may arrive before the item
    /// has been on the screen for long enough.
    #[track_caller]
    pub fn press_until(&self, key: &str, text: &str) -> String {
        self.press_until_is(key, &format!("{text:?}"), |screen| screen.contains(text))
    }

    /// The same, until a mention is accepted: a fast agent has answered before anybody sees that it was.
    #[track_caller]
    pub fn press_until_accepted(&self, key: &str) -> String {
        let accepted = |screen: &str| screen.contains("accepted for") || screen.contains("· answered");
        self.press_until_is(key, "accepted", accepted)
    }

    /// The same, until the screen is as expected.
    #[track_caller]
    pub fn press_until_is(&self, key: &str, what: &str, expected: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            self.send(key);
            let mut state = self.shared.state.lock().unwrap();
            let again = Instant::now() + std::time::Duration::from_millis(800);
            loop {
                let screen = state.parser.screen().contents();
                if expected(&screen) {
                    return screen;
                }
                assert!(
                    Instant::now() < until,
                    "pressed {key:?} for {what}; the screen is\n{screen}"
                );
                let left = again.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.shared.changed.wait_timeout(state, left).unwrap().0;
            }
        }
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let mut state = self.shared.state.lock().unwrap();
        state.parser.screen_mut().set_size(cells(rows), cells(columns));
        drop(state);
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Bytes that the program has written so far.
    pub fn written(&self) -> usize {
        self.shared.state.lock().unwrap().raw.len()
    }

    /// Everything that the program has written.
    pub fn raw(&self) -> Vec<u8> {
        self.shared.state.lock().unwrap().raw.clone()
    }

    /// Waits until more than this number of bytes has been written, and returns the time at which they arrived.
    #[track_caller]
    pub fn wait_for_more(&self, than: usize) -> Instant {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while state.raw.len() <= than {
            assert!(!state.ended && Instant::now() < until, "nothing was written");
            state = self.shared.changed.wait_timeout(state, PATIENCE).unwrap().0;
        }
        // The time of bytes that arrived after the first ones is reported too late, never too early.
        state
            .first_after
            .filter(|(before, _)| *before <= than)
            .map_or_else(Instant::now, |(_, at)| at)
    }

    /// Waits until nothing has been written for a while, and returns the time of the last byte.
    pub fn last_byte_after(&self, quiet: std::time::Duration) -> Instant {
        self.settle(quiet);
        self.shared.state.lock().unwrap().last
    }

    /// The text after the prompt.
    pub fn prompt(&self) -> String {
        prompt(self.shared.state.lock().unwrap().parser.screen())
    }

    /// Waits until the text after the prompt is longer, and returns the time at which it was.
    #[track_caller]
    pub fn wait_for_prompt_beyond(&self, length: usize) -> Instant {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while prompt(state.parser.screen()).len() == length {
            assert!(
                !state.ended && Instant::now() < until,
                "nothing new behind the prompt"
            );
            state = self.shared.changed.wait_timeout(state, PATIENCE).unwrap().0;
        }
        state.last
    }

    /// Waits until nothing has been written for a while, at most for the usual time limit.
    pub fn settle(&self, quiet: std::time::Duration) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            let before = state.raw.len();
            state = self.shared.changed.wait_timeout(state, quiet).unwrap().0;
            if state.raw.len() == before || Instant::now() > until {
                return;
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits until the program has been stopped, which is not visible in its terminal.
    #[track_caller]
    pub fn wait_until_stopped(&self) {
        let until = Instant::now() + PATIENCE;
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        while !stat().rsplit(')').next().unwrap().starts_with(" T") {
            assert!(Instant::now() < until, "it goes on: {}", stat());
            std::thread::yield_now();
        }
    }

    /// Processor time that the program has used, in ticks of 10 ms.
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Waits for the program's end. Returns its exit code and the remaining state of the terminal.
    #[track_caller]
    pub fn end(mut self) -> (u32, Ended) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            let screen = state.parser.screen().contents();
            assert!(
                !left.is_zero(),
                "the program does not end; the screen is\n{screen}"
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        let screen = state.parser.screen();
        let ended = Ended {
            screen: screen.contents(),
            alternate: screen.alternate_screen(),
            bracketed_paste: screen.bracketed_paste(),
            hidden_cursor: screen.hide_cursor(),
            mouse: screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
        };
        drop(state);
        (self.child.wait().unwrap().exit_code(), ended)
    }
}

/// The terminal after the program's end.
#[derive(Debug, PartialEq)]
pub struct Ended {
    pub screen: String,
    pub alternate: bool,
    pub bracketed_paste: bool,
    pub hidden_cursor: bool,
    pub mouse: bool,
}

impl Ended {
    /// Whether the terminal is in its original state.
    pub fn is_restored(&self) -> bool {
        !(self.alternate || self.bracketed_paste || self.hidden_cursor || self.mouse)
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        // The last screen of a failed test is more useful than its line.
        if std::thread::panicking()
            && let Ok(state) = self.shared.state.lock()
        {
            eprintln!("The screen at the end:\n{}", state.parser.screen().contents());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
