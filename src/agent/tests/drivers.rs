//! `kind = "claude"` and `kind = "codex"`, simulated by scripts in their formats.

use std::time::Duration;

use super::support::*;
use crate::core::runs::{
    Outcome, RunEvent, Totals,
    settings::{Kind, Permissions, Project},
};

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"s-1"}"#;
const DONE: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"fine","model_usage_since_last_result":{"m":{"inputTokens":5,"outputTokens":2,"costUSD":0.25}}}"#;
const RETRY: &str = r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"error_status":529,"error":"overloaded"}"#;

fn claude(script: &str) -> Stage {
    let mut stage = Stage::new(Kind::Claude, script);
    stage.run.agent.permissions = Permissions::ReadOnly;
    stage
}

#[tokio::test]
async fn claude_is_prompted_in_json_and_its_input_stays_open() {
    // It exits at the end of its input, which is closed only after its result.
    let script = format!(
        "echo \"$@\" > args; env > env; IFS= read -r line; printf '%s\\n' \"$line\" > input; echo '{INIT}'; echo '{DONE}'; cat > rest; echo end > rest.end"
    );
    let mut stage = claude(&script);
    stage.run.resume = Some("s-1".to_owned());
    stage.run.before = Totals { usd: 1.0, tokens: 10 };
    let events = stage.events().await;
    assert!(events.contains(&RunEvent::Session("s-1".to_owned())));
    let end = ended(&events);
    assert_eq!(end.outcome, Outcome::Answer("fine".into()));
    assert_eq!((end.usd, end.tokens), (Some(0.25), Some(7)));
    assert_eq!(
        end.totals,
        Totals {
            usd: 1.25,
            tokens: 17
        }
    );
    assert_eq!(end.session.as_deref(), Some("s-1"));
    assert!(
        stage.path("rest.end").exists(),
        "it was ended before it ended by itself"
    );
    let input: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(stage.path("input")).unwrap()).unwrap();
    assert_eq!(input["message"]["content"], stage.run.prompt.as_str());
    let args = std::fs::read_to_string(stage.path("args")).unwrap();
    for flag in [
        "-p --input-format stream-json --output-format stream-json --verbose --include-partial-messages",
        "--setting-sources user --strict-mcp-config --disable-slash-commands",
        "--tools Read,Grep,Glob --permission-mode default",
        "--resume s-1",
    ] {
        assert!(args.contains(flag), "{flag} in {args}");
    }
    let env = std::fs::read_to_string(stage.path("env")).unwrap();
    for variable in [
        "CLAUDE_CODE_DISABLE_FILE_MENTIONS=1",
        "CLAUDE_CODE_DISABLE_ATTACHMENTS=1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS=1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
    ] {
        assert!(env.lines().any(|line| line == variable), "{variable} in {env}");
    }
}

#[tokio::test]
async fn how_much_of_the_project_takes_part() {
    let args = |project: Project, make: fn(&Stage)| async move {
        let mut stage = claude(&format!("echo \"$@\"> args; echo '{DONE}'"));
        stage.run.agent.project = project;
        make(&stage);
        let events = stage.events().await;
        let args = std::fs::read_to_string(stage.path("args")).unwrap();
        (args, notices(&events).join("; "))
    };
    let plain: fn(&Stage) = |stage| std::fs::write(stage.path("CLAUDE.md"), "Be kind.").unwrap();
    let (memory, _) = args(Project::Memory, plain).await;
    assert!(memory.contains("--append-system-prompt-file") && memory.contains("/CLAUDE.md"));
    let (none, _) = args(Project::None, plain).await;
    assert!(none.contains("--setting-sources user") && !none.contains("CLAUDE.md"));
    let (full, _) = args(Project::Full, plain).await;
    assert!(!full.contains("--setting-sources") && !full.contains("--strict-mcp-config"));
    assert!(full.contains("--disallowedTools mcp__nexscope"));
    // A project must not choose which of the person's files is passed on.
    let link: fn(&Stage) =
        |stage| std::os::unix::fs::symlink("/etc/hostname", stage.path("CLAUDE.md")).unwrap();
    let (linked, notices) = args(Project::Memory, link).await;
    assert!(!linked.contains("--append-system-prompt-file"));
    assert_eq!(notices, "its CLAUDE.md leads out of its folder and is left out");
}

#[tokio::test]
async fn who_can_ask_is_let_ask() {
    for (kind, flags) in [
        (Kind::Claude, "--permission-prompt-tool stdio"),
        (Kind::Codex, "app-server -c mcp_servers.nexscope="),
    ] {
        let mut stage = Stage::new(kind, "echo \"$@\" > args");
        stage.run.agent.permissions = Permissions::Ask;
        let events = stage.events().await;
        assert_eq!(notices(&events), [""; 0]);
        let args = std::fs::read_to_string(stage.path("args")).unwrap();
        assert!(args.contains(flags), "{args}");
    }
}

#[tokio::test]
async fn what_shows_nothing_has_failed() {
    for (kind, script, want) in [
        (Kind::Claude, "sleep 1000".to_owned(), "it has shown nothing for 300 ms; its provider may be down"),
        (Kind::Codex, "echo '{\"type\":\"thread.started\",\"thread_id\":\"t\"}'; sleep 1000".to_owned(), "it has shown nothing for 300 ms; its provider may be down"),
        (
            // It would run forever, and ignores every request to stop.
            Kind::Claude,
            format!("trap '' INT TERM; while :; do echo '{RETRY}'; sleep 0.05; done"),
            "nothing but retries for 300 ms; the last one: overloaded (HTTP 529), attempt 1 of 10",
        ),
        (
            Kind::Codex,
            "while :; do echo '{\"type\":\"error\",\"message\":\"Reconnecting... waiting for network\"}'; sleep 0.05; done".to_owned(),
            "nothing but retries for 300 ms; the last one: Reconnecting... waiting for network",
        ),
    ] {
        let mut stage = Stage::new(kind, &script);
        stage.run.agent.permissions = Permissions::ReadOnly;
        stage.run.agent.stall = Duration::from_millis(300);
        assert_eq!(failure(&stage.outcome().await), want);
        assert_eq!(carriers(&stage.run.id), [""; 0]);
    }
}

#[tokio::test]
async fn a_long_tool_is_no_stall() {
    let tool = r#"{"type":"assistant","message":{"model":"m","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"make"}}]}}"#;
    let mut stage = claude(&format!("echo '{tool}'; sleep 0.8; echo '{DONE}'"));
    stage.run.agent.stall = Duration::from_millis(300);
    let events = stage.events().await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()));
    assert_eq!(ended(&events).tools, 1);
    let want = RunEvent::Tool {
        name: "Bash".to_owned(),
        detail: "make".to_owned(),
    };
    assert!(events.contains(&want), "{events:?}");
}

/// The trap: the process may keep running after its result.
#[tokio::test]
async fn what_has_answered_and_stays_is_ended() {
    let stage = claude(&format!(
        "trap '' INT TERM; echo '{DONE}'; while :; do sleep 1000; done"
    ));
    assert_eq!(stage.outcome().await, Outcome::Answer("fine".into()));
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn claude_is_interrupted_in_its_own_words_first() {
    let aborted = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"model_usage_since_last_result":{"m":{"costUSD":0.5}}}"#;
    let stage = claude(&format!(
        "trap 'echo signal > signalled; exit 1' INT TERM
         read prompt; echo '{{\"type\":\"stream_event\",\"event\":{{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"begun\"}}}}}}'
         read interrupt; printf '%s\\n' \"$interrupt\" > interrupt; echo '{aborted}'"
    ));
    let mut handle = stage.start();
    until(&mut handle, |event| *event == RunEvent::Partial("begun".into())).await;
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    // The cost until then is known.
    assert_eq!(ended(&events).usd, Some(0.5));
    assert!(
        std::fs::read_to_string(stage.path("interrupt"))
            .unwrap()
            .contains(r#""subtype":"interrupt""#)
    );
    assert!(!stage.path("signalled").exists());
}

#[tokio::test]
async fn codex_reads_the_prompt_to_its_end() {
    let script = r#"echo "$@" > args; cat > prompt
        echo '{"type":"thread.started","thread_id":"t-2"}'; echo '{"type":"turn.started"}'
        echo '{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"yes"}}'
        echo '{"type":"turn.completed","usage":{"input_tokens":200,"output_tokens":40}}'"#;
    let mut stage = Stage::asking(Kind::Codex, script, "use $skill and @file");
    stage.run.agent.permissions = Permissions::ReadOnly;
    stage.run.agent.project = Project::None;
    stage.run.resume = Some("t-1".to_owned());
    stage.run.before = Totals {
        usd: 0.0,
        tokens: 100,
    };
    let events = stage.events().await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("yes".into()));
    assert_eq!(ended(&events).session.as_deref(), Some("t-2"));
    assert!(
        notices(&events)
            .iter()
            .any(|notice| notice.contains("started a new one")),
        "{events:?}"
    );
    let args = std::fs::read_to_string(stage.path("args")).unwrap();
    assert_eq!(
        args.trim(),
        "exec --json --skip-git-repo-check --sandbox read-only --ignore-rules \
         -c mcp_servers.nexscope={command=\"false\",enabled=false} -c project_doc_max_bytes=0 resume t-1 -"
    );
    let prompt = std::fs::read_to_string(stage.path("prompt")).unwrap();
    assert!(
        prompt.contains("use $\u{200b}skill and @\u{200b}file"),
        "{prompt}"
    );
}

#[tokio::test]
async fn a_session_id_cannot_be_an_option() {
    for kind in [Kind::Claude, Kind::Codex] {
        let mut stage = Stage::new(kind, "echo started > started");
        stage.run.resume = Some("--dangerously-skip-permissions".to_owned());
        assert_eq!(
            failure(&stage.outcome().await),
            "the session to go on from has no valid id"
        );
        assert!(!stage.path("started").exists());
    }
}

#[tokio::test]
async fn a_huge_line_and_a_flood_are_survived() {
    let delta = r#"{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"word "}}}"#;
    let stage = claude(&format!(
        "head -c 9000000 /dev/zero | tr '\\0' x; echo; yes '{delta}' | head -n 300000; echo '{DONE}'"
    ));
    let events = stage.events().await;
    assert_eq!(ended(&events).outcome, Outcome::Answer("fine".into()));
    assert!(events.len() < 3_000, "{}", events.len());
    let longest = events.iter().map(|event| match event {
        RunEvent::Partial(text) => text.len(),
        _ => 0,
    });
    assert!(longest.max().unwrap() <= 1 << 20);
}

#[tokio::test]
async fn a_path_outside_is_reported_before_later_output() {
    let reads = |id: &str, path: &str| {
        format!(
            r#"{{"type":"assistant","message":{{"content":[{{"type":"tool_use","id":"{id}","name":"Read","input":{{"file_path":"{path}"}}}}]}}}}"#
        )
    };
    let says = r#"{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"It says so."}}}"#;
    for (paths, told) in [(["agent", "agent"], 0), (["/etc/hostname", "/etc/passwd"], 1)] {
        let script = format!(
            "echo '{INIT}'; echo '{}'; echo '{}'; echo '{says}'; echo '{DONE}'",
            reads("t1", paths[0]),
            reads("t2", paths[1])
        );
        let events = claude(&script).events().await;
        let places: Vec<usize> = events
            .iter()
            .enumerate()
            .filter_map(|(at, event)| matches!(event, RunEvent::Outside(_)).then_some(at))
            .collect();
        assert_eq!(places.len(), told, "{events:?}");
        let written = events
            .iter()
            .position(|event| matches!(event, RunEvent::Partial(_)));
        assert!(
            places
                .iter()
                .all(|at| written.is_none_or(|written| *at < written))
        );
        assert_eq!(ended(&events).outside.paths.is_empty(), told == 0);
    }
}
