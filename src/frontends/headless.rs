//! A headless session, such as an agent on a server. Its log is its only output, except for an attached
//! terminal.

use std::{
    cell::Cell,
    io::{Write, stdout},
    path::Path,
    rc::Rc,
};

use nexscope_relay::protocol::Code;

use crate::{
    client::Client,
    config::{Config, ConfigError},
    control::{Attach, Line},
    core::{Connection, What},
    tui::{Screen, terminal::remote::Remote},
};

/// Runs until `stop` completes, the relay refuses permanently, or an authorized caller ends it. An attached
/// terminal shows the screen with the files of `folder`, and the configuration that `reload` reads. Returns
/// the session, for the caller to leave, and whether all went well.
pub async fn run(
    mut session: Client,
    folder: &Path,
    reload: impl Fn() -> Result<Config, ConfigError> + 'static,
    stop: impl Future<Output = ()>,
) -> (Client, bool) {
    let reload = Rc::new(reload);
    let stopped = Cell::new(false);
    let mut stop = std::pin::pin!(async {
        stop.await;
        stopped.set(true);
    });
    let mut log = Log::new(&session);
    loop {
        log.write(&mut session);
        if let Connection::Refused { why, .. } = &session.room().connection {
            eprintln!("nexscope-tui: {why}");
            return (session, false);
        }
        if stopped.get() || session.end_asked() {
            return (session, true);
        }
        if let Some((attach, line)) = session.take_attach() {
            session = show(session, &attach, line, folder, &reload, &mut stop).await;
            continue;
        }
        tokio::select! {
            biased;
            () = &mut stop => {}
            () = session.step() => {}
        }
    }
}

/// Shows the session on a terminal until its person leaves, another one attaches, or the session ends.
async fn show(
    session: Client,
    attach: &Attach,
    line: Line,
    folder: &Path,
    reload: &Rc<impl Fn() -> Result<Config, ConfigError> + 'static>,
    stop: impl Future<Output = ()>,
) -> Client {
    let mut remote = match Remote::new(attach, line) {
        Ok(remote) => remote,
        Err(error) => {
            tracing::error!(%error, "attaching a terminal failed");
            return session;
        }
    };
    tracing::info!("a terminal is attached");
    let (config, reload) = (session.config().clone(), reload.clone());
    let mut screen = Screen::new(session, &config, folder, move || reload());
    screen.set_abilities(&attach.abilities);
    screen.set_attached();
    let events = remote.events();
    let (session, result) = screen.run(&mut remote, || events.clone(), stop).await;
    if let Err(error) = &result {
        tracing::warn!(%error, "the attached terminal");
    }
    tracing::info!("the terminal is detached");
    let me = &session.room().settings.me;
    let why = if session.attach_asked() {
        format!("Another terminal shows {me}'s session now.")
    } else if session.end_asked() {
        "The session has ended.".to_owned()
    } else {
        format!("{me}'s session goes on; nexscope-tui attach shows it again.")
    };
    remote.end(&why);
    session
}

/// The state of the log output.
struct Log {
    connection: Option<Connection>,
    entries: usize,
}

impl Log {
    fn new(session: &Client) -> Self {
        Self {
            connection: None,
            entries: session.room().chat.timeline().entries().len(),
        }
    }

    fn write(&mut self, session: &mut Client) {
        for warning in session.take_warnings() {
            tracing::warn!("{warning}");
            eprintln!("nexscope-tui: {warning}");
        }
        session.take_attention();
        let room = session.room();
        if self.connection.as_ref() != Some(&room.connection) {
            self.connection = Some(room.connection.clone());
            match &room.connection {
                Connection::Online => {
                    print(format_args!("in #{} as {}", room.settings.room, room.settings.me))
                }
                Connection::Waiting {
                    code: Some(Code::NameTaken),
                    ..
                } => {
                    let me = &room.settings.me;
                    print(format_args!(
                        "not connected, someone has that name ({me}); trying again; -n NAME joins under another one"
                    ));
                }
                Connection::Waiting { why, .. } => {
                    print(format_args!("not connected, {why}; trying again"));
                }
                Connection::Refused { .. } | Connection::Connecting => {}
            }
        }
        let entries = room.chat.timeline().entries();
        for entry in &entries[self.entries.min(entries.len())..] {
            match &entry.what {
                // Only the sender and the size: the text is in the room's own log, and nowhere else.
                What::Post(post) => print(format_args!(
                    "m{} from {}, {} bytes",
                    post.number,
                    post.from,
                    post.text.len()
                )),
                What::Presence { .. } | What::Note(_) => {}
            }
        }
        self.entries = entries.len();
    }
}

/// Prints a line; a closed output is ignored.
fn print(line: std::fmt::Arguments) {
    let _ = writeln!(stdout(), "{line}");
}
