//! A room to try everything in, on its own relay on this computer, with two teammates simulated over the real
//! protocol. Nothing is written outside a temporary folder, which is deleted at the end.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Read, stdin, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use nexscope_relay::protocol::Mode;

use super::{Failure, start};
use crate::{
    client::{Client, fresh_token},
    config::{self, Agent, Config, Flags, Paths},
    core::{
        Command, Connection, Decision, Intent, Person, Shown, Token, leading_names,
        runs::settings::{Kind, Permissions},
    },
};

/// The pause between two actions of the teammates.
const BEAT: Duration = Duration::from_millis(700);

/// Opens the demo; without a terminal, prints it as lines.
pub(super) fn run() -> Result<ExitCode, Failure> {
    let dir = tempfile::tempdir().map_err(Failure::Input)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::Runtime)?;
    let code = runtime.block_on(play(dir.path()));
    runtime.shutdown_background();
    code
}

/// Prints the answer of the demo's agent.
pub(super) fn answer() -> Result<(), Failure> {
    let mut prompt = String::new();
    // The answer is printed even if the prompt cannot be read.
    let _ = stdin().take(1 << 20).read_to_string(&mut prompt);
    super::say(
        "I had a look (this is the demo's agent, so I only say so).\n\n\
         - `refresh()` is called by two requests at once, and **both** ask for a new token.\n\
         - A lock around it fixes that:\n\n\
         ```rust\nlet _held = self.refreshing.lock().await;\n```",
    )
}

fn paths(dir: &Path, name: &str) -> Result<Paths, Failure> {
    let root = dir.join(name);
    std::fs::create_dir_all(&root).map_err(Failure::Input)?;
    Ok(Paths {
        config: root.join("config"),
        state: root.join("state"),
        runtime: None,
        here: root,
    })
}

/// The settings of a demo member; the person's own settings are not read.
fn member(paths: &Paths, name: &str, agent: &str) -> Result<Config, Failure> {
    let program = std::env::current_exe().map_err(Failure::Input)?;
    let mut config = config::load(paths, |_| None, &Flags::default())?;
    config.name = Some(name.to_owned());
    config.files.dir = paths.here.join("files");
    config.agents = BTreeMap::from([(
        agent.to_owned(),
        Agent {
            command: vec![program.to_string_lossy().into_owned(), "demo-agent".into()],
            permissions: Permissions::ReadOnly,
            ..Agent::new(Kind::Command)
        },
    )]);
    Ok(config)
}

async fn play(dir: &Path) -> Result<ExitCode, Failure> {
    let token = Token(fresh_token());
    let mine = paths(dir, "alice")?;
    let mut config = member(&mine, "alice", "claude")?;
    config.host = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    config.token = Some(token.clone().into());
    let mut session = Client::start(config.clone(), &mine).await?;
    let relay = session.invite.target.clone();
    session.room_mut().tell_person(
        "Demo: bob and carol are simulated, and nothing leaves this computer. Requests for your agent appear above the input: accept with Alt-a, reject with Alt-r. F1 shows help, Ctrl-c twice quits.",
        crate::clock::now(),
    );
    let join = |name: &'static str, mode: Mode| {
        let (relay, token) = (relay.clone(), token.clone());
        async move {
            let paths = paths(dir, name)?;
            let mut config = member(&paths, name, "codex")?;
            (config.relay, config.token, config.mode) = (Some(relay), Some(token.into()), mode);
            Ok::<_, Failure>(Client::start(config, &paths).await?)
        }
    };
    let (bob, carol) = (join("bob", Mode::Auto).await?, join("carol", Mode::Manual).await?);
    let sample = dir.join("auth.rs");
    std::fs::write(&sample, SAMPLE).map_err(Failure::Input)?;
    let play = tokio::spawn(teammates(bob, carol, sample));
    let code = match stdin().is_terminal() && stdout().is_terminal() {
        true => start::show(session, &config, &mine).await,
        false => start::print(session, false, start::stopped()).await,
    };
    play.abort();
    // Wait until the sessions of bob and carol have ended.
    let _ = play.await;
    code
}

const SAMPLE: &str = "pub async fn refresh(&self) -> Token {\n    if self.token().expired() {\n        self.ask_for_new().await\n    } else {\n        self.token()\n    }\n}\n";

/// Simulates the teammates bob and carol.
async fn teammates(mut bob: Client, mut carol: Client, sample: PathBuf) {
    online(&mut bob).await;
    online(&mut carol).await;
    // bob has allowed auto mode to answer both.
    for name in ["alice", "carol"] {
        while bob.room().chat.members().get(name).is_none() {
            bob.step().await;
        }
        let intent = Intent::Trust(name.to_owned());
        let shown = Shown::written(&intent);
        let checked = bob.check(Decision::new(intent, shown));
        let decided = checked.and_then(|decision| bob.decide(decision, Person::through_program()));
        if let Err(error) = decided {
            tracing::warn!(%error, "the demo");
        }
    }
    let lines: [(bool, &str, Vec<PathBuf>); 3] = [
        // bob is in auto mode, so his agent answers automatically.
        (false, "@bob why do people get logged out at night?", vec![]),
        (
            true,
            "@alice can you review this? I think that the refresh races.",
            vec![],
        ),
        (true, "@alice and this is the file", vec![sample]),
    ];
    for (by_bob, line, files) in lines {
        let who = if by_bob { &mut bob } else { &mut carol };
        let (to, text) = match leading_names(line) {
            Ok((to, text)) => (to, text.to_owned()),
            Err(_) => (Vec::new(), line.to_owned()),
        };
        let said = who.perform(Command::Say {
            to,
            text,
            thread: None,
            public: files.is_empty(),
            note: !files.is_empty(),
            files,
            force: false,
        });
        if let Err(error) = said {
            tracing::warn!(%error, "the demo");
        }
        let pause = tokio::time::sleep(BEAT);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                () = bob.step() => {}
                () = carol.step() => {}
            }
        }
    }
    loop {
        tokio::select! {
            () = bob.step() => {}
            () = carol.step() => {}
        }
    }
}

async fn online(session: &mut Client) {
    while session.room().connection != Connection::Online {
        session.step().await;
    }
}
