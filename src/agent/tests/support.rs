//! Shared support for the tests of runs.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::time::timeout;

use super::super::{Agents, Handle, Run};
use crate::{
    agent::run::{runner, tail::TailLimits},
    config::Agent,
    core::runs::{
        Ending, Outcome, Prompt, RunEvent, ToolRequest, Totals,
        ask::{Approved, Ask, Speaker},
        settings::Kind,
    },
};

/// Far longer than anything takes; a test that waits this long has failed.
pub(in super::super) const PATIENCE: Duration = Duration::from_secs(30);

/// A request from bob, with `text`.
pub(in super::super) fn ask(text: &str) -> Ask {
    Ask {
        alone: false,
        files: vec![],
        run: format!("test-{}", uuid::Uuid::now_v7()),
        agent: "helper".to_owned(),
        me: "alice".to_owned(),
        room: "lobby".to_owned(),
        from: Speaker {
            member: "bob".to_owned(),
            agent: None,
        },
        text: Approved::for_test(text),
        instructions: None,
        earlier: Vec::new(),
        audience: None,
        resume: None,
    }
}

/// A folder for a run, with the program that it runs.
pub(in super::super) struct Stage {
    pub dir: TempDir,
    pub run: Run,
    pub env: Vec<(String, String)>,
    pub waits: TailLimits,
}

impl Stage {
    /// A run of `script`, an `sh` script, driven as `kind`; bob's request is `hello`.
    pub fn new(kind: Kind, script: &str) -> Self {
        Self::asking(kind, script, "hello")
    }

    pub fn asking(kind: Kind, script: &str, text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("agent");
        fs::write(&program, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut agent = Agent::new(kind);
        // Through sh, not by the script's own first line: a file that another thread's fork still holds open
        // for writing cannot be executed (ETXTBSY), but it can be read.
        agent.command = vec!["/bin/sh".to_owned(), program.display().to_string()];
        // Nothing is pooled unless a test is about the pool.
        agent.idle = Duration::ZERO;
        let ask = ask(text);
        let run = Run {
            id: ask.run.clone(),
            name: ask.agent.clone(),
            agent,
            dir: dir.path().to_owned(),
            prompt: Prompt::new(&ask),
            resume: None,
            files: vec![],
            before: Totals::default(),
        };
        let env = vec![("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())];
        Self {
            dir,
            run,
            env,
            waits: TailLimits::default(),
        }
    }

    /// The next run of the same stage, with `text`.
    pub fn again(&mut self, text: &str) {
        let ask = ask(text);
        self.run.id = ask.run.clone();
        self.run.prompt = Prompt::new(&ask);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Agents in the stage's environment.
    pub fn agents(&self) -> Agents {
        let env = self
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Agents::within(runner::HostEnvironment {
            env,
            grace: Duration::from_millis(200),
            waits: self.waits,
        })
    }

    pub fn start(&self) -> Handle {
        self.agents().start(self.run.clone())
    }

    /// Runs it to its end and returns its events.
    pub async fn events(&self) -> Vec<RunEvent> {
        let mut handle = self.start();
        to_the_end(&mut handle).await
    }

    pub async fn ending(&self) -> Ending {
        ended(&self.events().await).clone()
    }

    pub async fn outcome(&self) -> Outcome {
        self.ending().await.outcome
    }
}

/// All events until the channel closes; the last one must be the only end.
pub(in super::super) async fn to_the_end(handle: &mut Handle) -> Vec<RunEvent> {
    let mut events = Vec::new();
    let all = async {
        while let Some(event) = handle.events.recv().await {
            events.push(event);
        }
    };
    timeout(PATIENCE, all).await.expect("it does not end");
    let ends = events
        .iter()
        .filter(|event| matches!(event, RunEvent::Ended(_)))
        .count();
    assert_eq!(ends, 1, "{events:#?}");
    assert!(matches!(events.last(), Some(RunEvent::Ended(_))), "{events:#?}");
    events
}

/// Waits for an event for which `wanted` returns a value, and returns that.
pub(in super::super) async fn until(handle: &mut Handle, wanted: impl Fn(&RunEvent) -> bool) -> RunEvent {
    loop {
        let event = timeout(PATIENCE, handle.events.recv())
            .await
            .expect("no event came")
            .expect("it ended before the event came");
        if wanted(&event) {
            return event;
        }
        assert!(!matches!(event, RunEvent::Ended(_)), "{event:?}");
    }
}

/// The next request of the run.
pub(in super::super) async fn permission(handle: &mut Handle) -> ToolRequest {
    match until(handle, |event| matches!(event, RunEvent::Permission(_))).await {
        RunEvent::Permission(request) => request,
        other => panic!("{other:?}"),
    }
}

pub(in super::super) fn ended(events: &[RunEvent]) -> &Ending {
    match events.last() {
        Some(RunEvent::Ended(ending)) => ending,
        other => panic!("{other:?}"),
    }
}

pub(in super::super) fn notices(events: &[RunEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Notice(text) => Some(&**text),
            _ => None,
        })
        .collect()
}

pub(in super::super) fn failure(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(failed) => &failed.details,
        other => panic!("{other:?}"),
    }
}

/// The processes whose environment contains the run's mark, found independently of the tested code.
pub(in super::super) fn carriers(run: &str) -> Vec<String> {
    let mark = format!("NEXSCOPE_RUN_ID={run}\0");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            fs::read(entry.path().join("environ"))
                .is_ok_and(|environ| String::from_utf8_lossy(&environ).contains(&mark))
        })
        .map(|entry| {
            fs::read_to_string(entry.path().join("cmdline"))
                .unwrap_or_default()
                .replace('\0', " ")
        })
        .collect()
}

/// Whether the process whose pid is in `file` runs and is not a zombie.
pub(in super::super) fn lives(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap();
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// Waits for a condition that no event reports.
pub(in super::super) async fn eventually(holds: impl Fn() -> bool) {
    let looks = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, looks).await.expect("it never came to be");
}
