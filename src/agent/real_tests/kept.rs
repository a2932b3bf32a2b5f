//! The real programs, pooled after an answer for the next run of their session.

use std::time::Instant;

use super::acp::{Inside, OF_ACP};
use super::models::{Api, Turn};
use super::*;
use crate::{
    agent::{
        Agents, PooledProgramEnd,
        tests::support::{PATIENCE, carriers, ended, eventually, failure, notices, permission, to_the_end},
    },
    core::runs::{Ending, Outcome, ToolAnswer},
};

/// A program that can be pooled.
#[derive(Debug, Clone, Copy)]
enum Real {
    Claude,
    Codex,
    Acp(Inside),
}

const ALL: [Real; 6] = [
    Real::Claude,
    Real::Codex,
    Real::Acp(OF_ACP[0]),
    Real::Acp(OF_ACP[1]),
    Real::Acp(OF_ACP[2]),
    Real::Acp(OF_ACP[3]),
];

impl Real {
    /// A stage for the program, which may stay, and its model.
    fn stage(self, turns: impl IntoIterator<Item = Turn>) -> (Model, Stage) {
        let (model, mut stage) = match self {
            Real::Claude => {
                let model = Model::start(Api::Anthropic, turns);
                let stage = stage(Kind::Claude, &model.url(), "first");
                (model, stage)
            }
            Real::Codex => {
                let model = Model::start(Api::OpenAi, turns);
                let stage = stage(Kind::Codex, &model.url(), "first");
                (model, stage)
            }
            Real::Acp(inside) => {
                let model = inside.model(turns);
                let stage = inside.stage(&model, "first");
                (model, stage)
            }
        };
        stage.run.agent.permissions = Permissions::Ask;
        stage.run.agent.idle = Duration::from_secs(3600);
        (model, stage)
    }

    fn runs(self, command: &str) -> Turn {
        match self {
            Real::Claude => Inside::Claude.runs(command),
            Real::Codex => Inside::Codex.runs(command),
            Real::Acp(inside) => inside.runs(command),
        }
    }
}

fn answer(text: &str) -> Outcome {
    Outcome::Answer(text.into())
}

async fn run(agents: &Agents, stage: &Stage) -> Ending {
    ended(&to_the_end(&mut agents.start(stage.run.clone())).await).clone()
}

/// The next run in the session of `last`, with `text`.
fn next(stage: &mut Stage, last: &Ending, text: &str) {
    stage.again(text);
    stage.run.resume = last.session.clone();
    stage.run.before = last.totals;
}

async fn told(agents: &mut Agents) -> PooledProgramEnd {
    let told = tokio::time::timeout(PATIENCE, agents.told.recv()).await;
    told.expect("nothing is told").expect("the agents are there")
}

/// Whether one of the requests holds both texts; the newest may be for a title.
fn one_request_has(model: &Model, texts: [&str; 2]) -> bool {
    let requests = model.requests();
    let mut bodies = requests.iter().map(|request| &request.body);
    bodies.any(|body| texts.iter().all(|text| body.contains(text)))
}

/// Three runs in one program, each with a permission request; each has its own answer and usage.
#[tokio::test]
async fn runs_of_one_session_go_on_in_one_program() {
    for real in ALL {
        let (model, mut stage) = real.stage([
            real.runs("echo one > one.txt"),
            Turn::text(&["first ", "answer"]),
            Turn::text(&["second"]),
            real.runs("echo two > two.txt"),
            Turn::text(&["third"]).always(),
        ]);
        let mut agents = stage.agents();
        let mut handle = agents.start(stage.run.clone());
        let request = permission(&mut handle).await;
        handle
            .answers
            .send((request.id, ToolAnswer::Allow))
            .await
            .unwrap();
        let first = ended(&to_the_end(&mut handle).await).clone();
        assert_eq!(
            (&first.outcome, first.stays),
            (&answer("first answer"), true),
            "{real:?}"
        );
        assert!(stage.path("work/one.txt").exists());
        let mark = stage.run.id.clone();

        next(&mut stage, &first, "the second question");
        let events = to_the_end(&mut agents.start(stage.run.clone())).await;
        let second = ended(&events).clone();
        assert_eq!(second.outcome, answer("second"), "{real:?}");
        assert_eq!(second.session, first.session);
        assert_eq!(notices(&events), [""; 0], "{real:?}");
        // Its own share: one request of the three. opencode tells only the tokens of a run's last request.
        let requests = if matches!(real, Real::Acp(Inside::Opencode)) {
            1
        } else {
            2
        };
        let share = first.tokens.map(|tokens| tokens / requests);
        assert_eq!(second.tokens, share, "{real:?}");
        // The adapter for Claude Code also asks for a title, now and then.
        if let (Some(one), Some(two)) = (first.usd, second.usd)
            && !matches!(real, Real::Acp(Inside::Claude))
        {
            assert!((one / 2.0 - two).abs() < 1e-9, "{real:?}: {one} {two}");
        }
        assert!(
            one_request_has(&model, ["first answer", "the second question"]),
            "{real:?}"
        );

        next(&mut stage, &second, "the third question");
        let mut handle = agents.start(stage.run.clone());
        let request = permission(&mut handle).await;
        let no = ToolAnswer::Deny("the moon is wrong".to_owned());
        handle.answers.send((request.id, no)).await.unwrap();
        let third = ended(&to_the_end(&mut handle).await).clone();
        assert_eq!(third.outcome, answer("third"), "{real:?}");
        assert!(!stage.path("work/two.txt").exists());
        assert!(model.sent().contains("the moon is wrong"), "{real:?}");

        // It was a single program: nothing carries another run's mark.
        assert!(!carriers(&mark).is_empty(), "{real:?}");
        assert_eq!(carriers(&stage.run.id), [""; 0]);
        agents.close();
        assert!(told(&mut agents).await.gone, "{real:?}");
        assert_eq!(carriers(&mark), [""; 0], "{real:?}");

        // The session also continues in another program, except with Gemini CLI.
        model.script([]);
        next(&mut stage, &third, "the fourth question");
        let fourth = run(&stage.agents(), &stage).await;
        if matches!(real, Real::Acp(Inside::Gemini)) {
            assert!(fourth.session_lost, "{fourth:?}");
            continue;
        }
        assert!(
            matches!(fourth.outcome, Outcome::Answer(_)),
            "{real:?} {fourth:?}"
        );
        assert!(
            one_request_has(&model, ["the third question", "the fourth question"]),
            "{real:?}"
        );
    }
}

/// Other members' text is harmless in a later turn too.
#[tokio::test]
async fn what_others_write_reads_no_file_in_a_later_turn() {
    for real in ALL {
        let (model, mut stage) = real.stage([]);
        let (secret, canary) = secret(&stage);
        let agents = stage.agents();
        let mut last = run(&agents, &stage).await;
        for text in [
            format!("@{secret}"),
            "/clear".to_owned(),
            "!cat ../secret.txt".to_owned(),
        ] {
            next(&mut stage, &last, &text);
            last = run(&agents, &stage).await;
            let Outcome::Answer(echo) = &last.outcome else {
                panic!("{real:?} {text}: {last:?}")
            };
            assert!(echo.starts_with("echo:"), "{real:?} {text}: {echo}");
            assert!(!model.sent().contains(canary), "{real:?} {text}");
            assert!(!last.stays);
        }
    }
}

#[tokio::test]
async fn a_stop_in_a_later_run_leaves_nothing() {
    for real in ALL {
        let (_model, mut stage) = real.stage([
            Turn::text(&["first"]),
            real.runs("tail -s 32.1 -f /dev/null; echo x"),
        ]);
        let mut agents = stage.agents();
        let first = run(&agents, &stage).await;
        let mark = stage.run.id.clone();
        next(&mut stage, &first, "second");
        let mut handle = agents.start(stage.run.clone());
        let request = permission(&mut handle).await;
        handle
            .answers
            .send((request.id, ToolAnswer::Allow))
            .await
            .unwrap();
        eventually(|| carriers(&mark).iter().any(|line| line.starts_with("tail "))).await;
        handle.stop.cancel();
        let events = to_the_end(&mut handle).await;
        assert_eq!(ended(&events).outcome, Outcome::Cancelled, "{real:?}");
        assert_eq!(carriers(&mark), [""; 0], "{real:?}");
        assert_eq!(told(&mut agents).await.began_with, mark);
    }
}

/// A model that fails in a later turn fails that run, and its program is ended.
#[tokio::test]
async fn a_failure_in_a_later_run_is_told() {
    for real in ALL {
        let (_model, mut stage) =
            real.stage([Turn::text(&["first"]), Turn::error(400, "bad thing").always()]);
        let mut agents = stage.agents();
        let first = run(&agents, &stage).await;
        assert!(first.stays, "{real:?} {first:?}");
        next(&mut stage, &first, "second");
        let second = run(&agents, &stage).await;
        assert!(
            failure(&second.outcome).contains("bad thing"),
            "{real:?} {second:?}"
        );
        assert!(told(&mut agents).await.gone);
    }
}

/// A tool left a background task: its program is not pooled, and later output is dropped.
#[tokio::test]
async fn processes_left_by_a_tool_end_with_the_answer() {
    for real in ALL {
        let (model, stage) = real.stage([
            real.runs("setsid tail -s 32.3 -f /dev/null >/dev/null 2>&1 & sleep 0.2; echo begun"),
            Turn::text(&["first"]),
        ]);
        let agents = stage.agents();
        let mut handle = agents.start(stage.run.clone());
        let request = permission(&mut handle).await;
        handle
            .answers
            .send((request.id, ToolAnswer::Allow))
            .await
            .unwrap();
        let first = ended(&to_the_end(&mut handle).await).clone();
        assert_eq!(
            (&first.outcome, first.stays),
            (&answer("first"), false),
            "{real:?}"
        );
        assert_eq!(carriers(&stage.run.id), [""; 0], "{real:?}");
        assert!(model.sent().contains("begun"), "{real:?}");
    }
}

/// Measures the time saved by pooling: `cargo test … real_tests::kept::figures -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints figures and asserts nothing about them"]
async fn figures() {
    const ROUNDS: usize = 9;
    for real in ALL {
        let (_model, mut stage) = real.stage([Turn::text(&["fine"]).always()]);
        let agents = stage.agents();
        let mut last = run(&agents, &stage).await;
        let mut medians = Vec::new();
        for idle in [Duration::ZERO, Duration::from_secs(3600)] {
            stage.run.agent.idle = idle;
            let mut took = Vec::new();
            // The first of the second kind still has to start.
            for round in 0..=ROUNDS {
                next(&mut stage, &last, "hello");
                let began = Instant::now();
                last = run(&agents, &stage).await;
                assert_eq!(last.outcome, answer("fine"), "{real:?}");
                if round > 0 {
                    took.push(began.elapsed().as_millis());
                }
            }
            took.sort_unstable();
            medians.push(format!(
                "{} ms ({}-{})",
                took[ROUNDS / 2],
                took[0],
                took[ROUNDS - 1]
            ));
        }
        println!("{real:?}: started again {}, kept {}", medians[0], medians[1]);
    }
}
