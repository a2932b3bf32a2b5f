//! Shell commands, the control socket, a headless session, and the MCP server, with the real binary. A
//! program's request decides nothing, and no other member's text is shown to it.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    process::Stdio,
};

use serde_json::{Value, json};
use support::{
    Home, PATIENCE, Relay,
    mcp::Mcp,
    shell::{Running, agents_shell, ask, fails, program, shell},
};

/// Text that only the person may see before it is accepted.
const CANARY: &str = "canary-c0ffee";

fn socket(home: &Home) -> PathBuf {
    let run = home.path().join("state/nexscope/run");
    let mut files = std::fs::read_dir(run).unwrap().map(|file| file.unwrap().path());
    files
        .find(|path| path.extension().is_some_and(|end| end == "sock"))
        .unwrap()
}

/// alice headless, bob in plain mode, and a pending message from bob to alice.
fn waiting() -> (Relay, Home, Home, Running, Running) {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let seat = Running::headless(&alice);
    let mut lines = Running::start(&bob, &[]);
    lines.wait_for("-- in #lobby as bob");
    lines.say(&format!("@alice {CANARY} what now?"));
    seat.wait_for("m1 from bob");
    (relay, alice, bob, seat, lines)
}

#[test]
fn shell_commands_ask_the_session_and_decide_nothing() {
    let (_relay, alice, _bob, seat, lines) = waiting();
    let who = ask(&alice, &["who"]);
    assert_eq!(who["online"], json!(["alice", "bob"]));
    let inbox = ask(&alice, &["inbox"]);
    assert_eq!(inbox["pending"][0]["id"], "m1");
    assert_eq!(inbox["pending"][0]["from"], "bob");
    let asked = ask(&alice, &["accept", "m1"]);
    assert_eq!(asked["decided"], json!(false));
    for (arguments, says) in [
        (vec!["mode", "auto"], "Only a person at the screen"),
        (vec!["ask", "hi"], "Only a person at the screen"),
        (vec!["retry", "m1"], "Only a person at the screen"),
        (vec!["accept", "m99"], "m99 is not pending"),
    ] {
        let (code, said) = fails(&alice, &arguments);
        assert!(code == 1 && said.contains(says), "{arguments:?}: {said}");
    }
    for wrong in [
        vec!["accept", "nonsense"],
        vec!["say"],
        vec!["say", "@bob"],
        vec!["say", "@all", "hi"],
    ] {
        let (code, said) = fails(&alice, &wrong);
        assert_eq!(code, 2, "{wrong:?}: {said}");
    }
    let inbox = ask(&alice, &["inbox"]);
    assert_eq!(
        (&inbox["pending"][0]["id"], &inbox["pending"][0]["askedFor"]),
        (&json!("m1"), &json!(true))
    );
    // A program's message is an agent's, and waits as a draft.
    let said = ask(&alice, &["say", "hello from a script; $(id) `id` \"quoted\""]);
    assert_eq!(said["draft"], "d1");
    let chain = shell(&alice, &["audit", "show", "d1"]);
    let chain = String::from_utf8(chain.stdout).unwrap();
    assert!(
        chain.contains("draft d1 of ") && chain.contains("hello from a script"),
        "{chain}"
    );
    assert_eq!(ask(&alice, &["mode"])["mode"], "manual");
    let waited = shell(&alice, &["wait", "--for", "message", "--timeout", "1"]);
    assert_eq!(waited.status.code(), Some(1), "nothing came");
    drop((seat, lines));
}

#[test]
fn other_members_text_reaches_no_agent() {
    let (_relay, alice, bob, seat, mut lines) = waiting();
    lines.say(&format!("{CANARY} to all"));
    lines.say(&format!("/tell @alice {CANARY}"));
    // A file's name is chosen by its sender too.
    let file = bob.work().join(format!("{CANARY}.txt"));
    std::fs::write(&file, CANARY).unwrap();
    lines.say(&format!("/say @alice --note --file {} see", file.display()));
    seat.wait_for("m4 from bob");
    ask(&alice, &["watch", "--timeout", "20"]);
    let mut told = Vec::new();
    for arguments in [
        vec!["who"],
        vec!["inbox"],
        vec!["history"],
        vec!["poll"],
        vec!["status"],
        vec!["files"],
        vec!["update"],
        vec!["before-stop"],
        vec!["accept", "m1"],
        vec!["reject", "m1"],
        vec!["mode"],
    ] {
        let output = shell(&alice, &arguments);
        told.push(format!("{arguments:?} {output:?}"));
    }
    // Cancelling an unaccepted item would be the same as rejecting it.
    let (code, said) = fails(&alice, &["cancel", "f1"]);
    assert!(
        code == 1 && said.contains("only a person at the screen declines it"),
        "{said}"
    );
    told.push(said);
    let mut mcp = Mcp::start(&alice);
    told.push(mcp.request("tools/list", json!({})).to_string());
    for (tool, arguments) in [
        ("nexscope_who", json!({})),
        ("nexscope_inbox", json!({})),
        ("nexscope_history", json!({})),
        ("nexscope_poll", json!({})),
        ("nexscope_watch", json!({"timeoutSeconds": 1})),
        ("nexscope_update", json!({})),
        ("nexscope_before_stop", json!({})),
        ("nexscope_accept", json!({"threadId": "m1"})),
    ] {
        told.push(format!("{tool} {:?}", mcp.call(tool, arguments)));
    }
    for hook in ["prompt", "stop"] {
        told.push(format!("{:?}", shell(&alice, &["hook", hook])));
    }
    for one in &told {
        assert!(!one.contains("c0ffee"), "{one}");
    }
    for word in ["m1 from bob", "f1"] {
        assert!(
            told.iter().any(|one| one.contains(word)),
            "that something came is told: {told:#?}"
        );
    }
}

#[test]
fn every_tool_is_listed_and_wrong_arguments_say_why() {
    let (_relay, alice, _bob, _seat, _lines) = waiting();
    let mut mcp = Mcp::start(&alice);
    let tools = mcp.request("tools/list", json!({}));
    let names: Vec<&str> = tools["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names
            .iter()
            .map(|name| name.strip_prefix("nexscope_").unwrap())
            .collect::<Vec<_>>(),
        [
            "start",
            "say",
            "who",
            "inbox",
            "accept",
            "reject",
            "append",
            "mode",
            "history",
            "update",
            "poll",
            "watch",
            "before_stop",
            "stop"
        ]
    );
    for (tool, arguments, says) in [
        (
            "nexscope_say",
            json!({"txt": "hi"}),
            "there is no txt; it takes to,",
        ),
        ("nexscope_say", json!({}), "nothing to say"),
        (
            "nexscope_say",
            json!({"text": 7}),
            "Wrong arguments: text: expected a text, not 7.",
        ),
        (
            "nexscope_say",
            json!({"text": "hi", "to": "no name!"}),
            "is not a name",
        ),
        (
            "nexscope_say",
            json!({"text": "hi", "filePath": "/etc/hostname"}),
            "is not below",
        ),
        ("nexscope_accept", json!({}), "threadId is missing"),
        (
            "nexscope_accept",
            json!({"threadId": "t77"}),
            "Nothing is pending in t77",
        ),
        ("nexscope_watch", json!({"timeoutSeconds": 999}), "1 to 120"),
        ("nexscope_mode", json!({"mode": "auto"}), "Only a person"),
    ] {
        let (failed, text) = mcp.call(tool, arguments.clone());
        assert!(failed && text.contains(says), "{tool} {arguments}: {text}");
    }
    let (failed, text) = mcp.call(
        "nexscope_say",
        json!({"to": ["bob"], "text": "from a model", "role": "user"}),
    );
    assert!(!failed && text.contains("\"draft\":\"d1\""), "{text}");
    let (_, text) = mcp.call("nexscope_start", json!({}));
    assert!(text.contains("already running: alice"), "{text}");
}

/// alice, whose auto mode delegates mentions to her agent's session, and bob, whom she does not trust yet.
fn delegating() -> (Relay, Home, Home) {
    let relay = Relay::start();
    let alice = Home::new(
        "alice",
        &relay,
        "mode = \"auto\"\n[agents.claude]\nkind = \"session\"\n",
    );
    let bob = Home::new("bob", &relay, "");
    (relay, alice, bob)
}

#[test]
fn a_delegated_task_is_answered_by_the_sessions_message() {
    let (_relay, alice, bob) = delegating();
    let mut lines = Running::start(&bob, &[]);
    lines.wait_for("-- in #lobby as bob");
    alice.trusts("bob");
    let _seat = Running::headless(&alice);
    let mut mcp = Mcp::start(&alice);
    let (_, first) = mcp.call("nexscope_poll", json!({}));
    assert!(first.contains("\"auto_tasks\":[]"), "{first}");
    lines.say("@alice which port?");
    let (_, news) = mcp.call("nexscope_watch", json!({"timeoutSeconds": 20}));
    let mut news: Value = serde_json::from_str(&news).unwrap();
    while news["auto_tasks"].as_array().unwrap().is_empty() {
        news = serde_json::from_str(&mcp.call("nexscope_watch", json!({"timeoutSeconds": 20})).1).unwrap();
    }
    let task = &news["auto_tasks"][0];
    assert!(task["text"].as_str().unwrap().contains("> which port?"), "{task}");
    let (_, open) = mcp.call("nexscope_before_stop", json!({}));
    assert!(open.contains("\"can_stop\":false"), "{open}");
    let (failed, said) = mcp.call(
        "nexscope_say",
        json!({"text": "8080", "threadId": task["threadId"]}),
    );
    assert!(!failed && said.contains("\"answered\":true"), "{said}");
    lines.wait_for("alice·claude → bob: 8080");
    let (_, open) = mcp.call("nexscope_before_stop", json!({}));
    assert!(open.contains("\"can_stop\":true"), "{open}");
}

/// alice's `hook wake`, as an idle Claude Code session runs it at each stop. Returns its exit code.
fn wakes(alice: &Home) -> std::process::Child {
    let mut hook = program(alice, &["hook", "wake"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    hook.stdin
        .take()
        .unwrap()
        .write_all(b"{\"session_id\":\"s\"}")
        .unwrap();
    hook
}

/// Issue 16, 34: an open task woke the session again at each stop, without end; the first event of any kind ended the
/// waiting; and what a person stopped stayed a task.
#[test]
fn a_session_is_woken_once_for_each_task() {
    let (_relay, alice, bob) = delegating();
    let mut lines = Running::lines(&bob);
    alice.trusts("bob");
    let seat = Running::headless(&alice);
    let idle = wakes(&alice);
    // A message that asks nobody wakes nobody.
    lines.say("good morning");
    seat.wait_for("m1 from bob");
    lines.say("@alice which port?");
    assert_eq!(idle.wait_with_output().unwrap().status.code(), Some(2));
    // The task is still open, and the session knows it: it rests, until there is another one.
    let (ended_in, ended) = std::sync::mpsc::channel();
    for mut hook in [wakes(&alice), wakes(&alice)] {
        let ended = ended_in.clone();
        std::thread::spawn(move || ended.send(hook.wait().unwrap().code()));
    }
    // One of them gives way to the other.
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(Some(0)));
    let mut mcp = Mcp::start(&alice);
    let news: Value = serde_json::from_str(&mcp.call("nexscope_poll", json!({})).1).unwrap();
    assert_eq!(news["auto_tasks"].as_array().unwrap().len(), 1);
    ask(&alice, &["cancel", "m2"]);
    let news: Value = serde_json::from_str(&mcp.call("nexscope_poll", json!({})).1).unwrap();
    assert_eq!(news["auto_tasks"], json!([]), "what was stopped is no task");
    lines.say("@alice and which host?");
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(Some(2)));
}

/// A person opens Nexscope beside a Claude Code that is idle already.
#[test]
fn a_session_that_starts_later_wakes_an_idle_claude_code() {
    let relay = Relay::start();
    let alice = Home::new(
        "alice",
        &relay,
        "mode = \"auto\"\n[agents.claude]\nkind = \"session\"\n",
    );
    let bob = Home::new("bob", &relay, "");
    let mut lines = Running::lines(&bob);
    alice.trusts("bob");
    let (ended_in, ended) = std::sync::mpsc::channel();
    for mut hook in [wakes(&alice), wakes(&alice)] {
        let ended = ended_in.clone();
        std::thread::spawn(move || ended.send(hook.wait().unwrap().code()));
    }
    // One of them leaves the waiting to the other.
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(Some(0)));
    let _seat = Running::headless(&alice);
    lines.say("@alice which port?");
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(Some(2)));
}

/// Issue 16, 35: in manual mode, `before_stop` said that nothing waits; and a draft was said to wait at a screen that was
/// not there.
#[test]
fn a_session_without_a_screen_says_what_waits_and_where() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "[agents.claude]\nkind = \"session\"\n");
    let bob = Home::new("bob", &relay, "");
    let mut lines = Running::lines(&bob);
    let seat = Running::start(&alice, &["start", "--headless", "--allow-remote-decisions"]);
    lines.wait_for("alice joined");
    lines.say("@alice which port?");
    seat.wait_for("m1 from bob");
    support::shell::decide(&alice, &["accept", "m1"]);
    let mut mcp = Mcp::start(&alice);
    let (_, open) = mcp.call("nexscope_before_stop", json!({}));
    let open: Value = serde_json::from_str(&open).unwrap();
    assert_eq!(open["can_stop"], json!(true));
    assert_eq!(open["auto_tasks"].as_array().unwrap().len(), 1, "{open}");
    let (_, said) = mcp.call("nexscope_say", json!({"to": "bob", "text": "a moment"}));
    assert!(said.contains("nexscope-tui attach"), "{said}");
}

#[test]
fn a_thousand_commands_from_twenty_processes_are_all_answered_in_order() {
    let (_relay, alice, _bob, _seat, _lines) = waiting();
    let socket = socket(&alice);
    // A client that stalls, and one that sends garbage, do no harm.
    let mut stalled = UnixStream::connect(&socket).unwrap();
    stalled.write_all(b"{\"v\":1,\"id\":1,\"me").unwrap();
    let mut garbage = UnixStream::connect(&socket).unwrap();
    garbage.write_all(b"\xff\xfe not json\n").unwrap();
    let mut line = String::new();
    BufReader::new(garbage.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("is not a request"), "{line}");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut mcp = Mcp::start(&alice);
                // All are sent before the first response is read.
                for id in 1..=50_u64 {
                    let word = ["nexscope_who", "nexscope_inbox", "nexscope_history", "nexscope_mode"][id as usize % 4];
                    mcp.send(&json!({"jsonrpc": "2.0", "id": 100 + id, "method": "tools/call", "params": {"name": word, "arguments": {}}}));
                }
                let mut answered = 0;
                while answered < 50 {
                    let mut line = String::new();
                    assert_ne!(mcp.output.read_line(&mut line).unwrap(), 0);
                    let answer: Value = serde_json::from_str(&line).unwrap();
                    assert_ne!(answer["result"]["isError"], json!(true), "{answer}");
                    answered += u32::from(answer["id"].as_u64().is_some_and(|id| id > 100));
                }
            });
        }
    });
    // In order on each connection.
    let mut stream = UnixStream::connect(&socket).unwrap();
    for id in 0..200 {
        stream
            .write_all(format!("{{\"v\":1,\"id\":{id},\"method\":\"mode\"}}\n").as_bytes())
            .unwrap();
    }
    let mut reader = BufReader::new(stream);
    for id in 0..200 {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], json!(id));
    }
}

#[test]
fn a_socket_is_private_and_a_stale_one_is_replaced() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let (code, said) = fails(&alice, &["who"]);
    assert!(code == 1 && said.contains("no session runs"), "{said}");
    let mut seat = Running::headless(&alice);
    let path = socket(&alice);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // A live one is not replaced.
    let second = shell(&alice, &["start", "--headless"]);
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("is in this room already"),
        "{second:?}"
    );
    seat.child.kill().unwrap();
    seat.child.wait().unwrap();
    assert!(path.exists(), "killed, it left its socket");
    assert!(fails(&alice, &["who"]).1.contains("no session runs"));
    let mut seat = Running::headless(&alice);
    assert_eq!(ask(&alice, &["who"])["name"], "alice");
    assert_eq!(ask(&alice, &["stop"])["stopped"], json!(true));
    assert!(seat.child.wait().unwrap().success());
    assert!(!path.exists());
}

/// Issue 16, 30: 70 idle clients kept all others out.
#[test]
fn clients_that_say_nothing_keep_nobody_out() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let _seat = Running::headless(&alice);
    let path = socket(&alice);
    let begun = |nth| {
        let mut stream = UnixStream::connect(&path).unwrap();
        // Half of them have begun a request.
        let begins: &[u8] = if nth % 2 == 0 { b"" } else { b"{\"v\":1," };
        stream.write_all(begins).unwrap();
        stream
    };
    let idle: Vec<UnixStream> = (0..200).map(begun).collect();
    for _ in 0..3 {
        assert_eq!(ask(&alice, &["who"])["online"], json!(["alice"]));
    }
    drop(idle);
}

/// Issue 16, 30: shell commands, hooks and `wait --timeout` hung without end.
#[test]
fn nothing_waits_without_end_for_a_session_that_is_stopped() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let seat = Running::headless(&alice);
    seat.signal("STOP");
    std::thread::scope(|all| {
        let fails = |arguments: &'static [&'static str]| {
            let alice = &alice;
            all.spawn(move || {
                let ended = shell(alice, arguments);
                let said = String::from_utf8(ended.stderr).unwrap();
                assert!(
                    ended.status.code() == Some(1) && said.contains("is not responding"),
                    "{arguments:?}: {said}"
                );
                assert!(said.contains("kill -CONT"), "{said}");
            })
        };
        fails(&["who"]);
        fails(&["say", "@bob", "hello"]);
        fails(&["wait", "--timeout", "1"]);
        fails(&["hook", "prompt"]);
        fails(&["hook", "stop"]);
        fails(&["hook", "wake"]);
    });
    // MCP too.
    let (failed, said) = Mcp::start(&alice).call("nexscope_who", json!({}));
    assert!(failed && said.contains("is not responding"), "{said}");
    seat.signal("CONT");
    assert_eq!(ask(&alice, &["who"])["online"], json!(["alice"]));
}

/// Issue 16, 30: such a session had no socket, and nobody was told.
#[test]
fn a_folder_with_a_long_path_has_a_socket_elsewhere() {
    let relay = Relay::start();
    let mut alice = Home::new("alice", &relay, "");
    let state = alice.path().join("s".repeat(120));
    alice.set("XDG_STATE_HOME", state.to_str().unwrap());
    let _seat = Running::headless(&alice);
    assert_eq!(ask(&alice, &["who"])["online"], json!(["alice"]));
    let said = String::from_utf8(shell(&alice, &["doctor"]).stdout).unwrap();
    assert!(
        said.contains("is too long a path for a socket, so sessions listen in /tmp/"),
        "{said}"
    );
}

/// Issue 16, 37: such a member never connected, and was told to update the program.
#[test]
fn a_member_may_have_more_agents_than_it_announces() {
    let relay = Relay::start();
    let agents: String = (1..=20)
        .map(|nth| format!("[agents.a{nth}]\nkind = \"session\"\n"))
        .collect();
    let alice = Home::new("alice", &relay, &agents);
    let _seat = Running::headless(&alice);
    let status = ask(&alice, &["status"]);
    assert_eq!(status["agents"].as_array().unwrap().len(), 20);
}

#[test]
fn mcp_starts_a_session_if_none_runs() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let mut mcp = Mcp::start(&alice);
    let (failed, text) = mcp.call("nexscope_who", json!({}));
    assert!(failed && text.contains("no session runs"), "{text}");
    // Issue 16, 35: an agent that was told to call these at its end meets no error.
    for (tool, says) in [
        ("nexscope_poll", "\"auto_tasks\":[]"),
        ("nexscope_before_stop", "\"can_stop\":true"),
        ("nexscope_stop", "\"stopped\":false"),
    ] {
        let (failed, text) = mcp.call(tool, json!({}));
        assert!(
            !failed && text.contains(says) && text.contains("no session runs"),
            "{text}"
        );
    }
    let (failed, text) = mcp.call("nexscope_start", json!({"name": "alice2"}));
    assert!(
        !failed && text.contains("joined as alice2 (mode=manual)"),
        "{text}"
    );
    assert_eq!(ask(&alice, &["who"])["name"], "alice2");
    let (failed, text) = mcp.call("nexscope_stop", json!({}));
    assert!(!failed && text.contains("true"), "{text}");
}

/// Issue 16, 35: all three read alike, after 10 s.
#[test]
fn mcp_says_why_a_session_did_not_join() {
    let relay = Relay::start();
    let (alice, mut other) = (Home::new("alice", &relay, ""), Home::new("alice", &relay, ""));
    let seat = Running::headless(&other);
    let mut mcp = Mcp::start(&alice);
    let (failed, text) = mcp.call("nexscope_start", json!({}));
    assert!(
        failed && text.contains("someone has that name (alice)") && text.contains("alice-2"),
        "{text}"
    );
    // It keeps no other one from starting.
    let (failed, text) = mcp.call("nexscope_start", json!({"name": "alice-2"}));
    assert!(!failed && text.contains("joined as alice-2"), "{text}");
    mcp.call("nexscope_stop", json!({}));
    drop(seat);
    other.set("NEXSCOPE_RELAY_URL", relay.url());
    other.set("NEXSCOPE_TOKEN", "wrong");
    let (failed, text) = Mcp::start(&other).call("nexscope_start", json!({}));
    assert!(
        failed && text.contains("Wrong token. Ask for a new invite"),
        "{text}"
    );
    other.unset("NEXSCOPE_RELAY_URL");
    other.unset("NEXSCOPE_TOKEN");
    relay.kill();
    let mut mcp = Mcp::start(&other);
    let (failed, text) = mcp.call("nexscope_start", json!({}));
    assert!(
        failed && text.contains("runs as alice, but is not connected: cannot reach 127.0.0.1"),
        "{text}"
    );
    let (failed, text) = mcp.call("nexscope_start", json!({}));
    assert!(
        !failed && text.contains("already running: alice in #lobby, not connected: "),
        "{text}"
    );
    let (_, text) = mcp.call("nexscope_who", json!({}));
    assert!(text.contains("\"not_connected\":\"c"), "{text}");
    mcp.call("nexscope_stop", json!({}));
}

#[test]
fn settings_are_described() {
    let alice = Home::empty("alice");
    let print = |what: &str| {
        let output = shell(&alice, &["config", what]);
        assert!(output.status.success(), "{what}");
        String::from_utf8(output.stdout).unwrap()
    };
    let schema: Value = serde_json::from_str(&print("schema")).unwrap();
    assert_eq!(schema["properties"]["files"]["additionalProperties"], false);
    assert_eq!(
        print("example"),
        include_str!("../src/config/config.example.toml")
    );
    let project = alice.work().join(".nexscope/config.toml");
    let path = project.display();
    assert!(print("path").ends_with(&format!("{path} (does not exist)\n")));
    std::fs::create_dir_all(project.parent().unwrap()).unwrap();
    std::fs::write(&project, "mode = \"auto\"\n").unwrap();
    assert!(print("path").ends_with(&format!("{path} (not trusted yet: read in part)\n")));
    std::fs::write(&project, "room = \"dev\"\n").unwrap();
    assert!(print("path").ends_with(&format!("{path}\n")));
}

#[test]
fn doctor_names_what_is_wrong() {
    let relay = Relay::start();
    let looks = |home: &Home| {
        let output = shell(home, &["doctor"]);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = looks(&Home::empty("alice"));
    assert!(code == 1 && said.contains("nothing is configured"), "{said}");
    let missing = "[agents.x]\nkind = \"command\"\ncommand = [\"/nowhere/x\"]\n";
    let (code, said) = looks(&Home::new("alice", &relay, missing));
    assert!(
        code == 1 && said.contains("the relay accepts it") && said.contains("/nowhere/x is not installed"),
        "{said}"
    );
    let wrong = Home::empty("alice");
    wrong.configure(&format!(
        "name = \"alice\"\nrelay = \"{}\"\ntoken = \"wrong\"\n",
        relay.url()
    ));
    let (code, said) = looks(&wrong);
    assert!(code == 1 && said.contains("refuses it"), "{said}");
    let dead = Home::empty("alice");
    dead.configure("name = \"alice\"\nrelay = \"ws://127.0.0.1:9/ws\"\ntoken = \"t\"\n");
    let (code, said) = looks(&dead);
    assert!(code == 1 && said.contains("cannot reach 127.0.0.1:9"), "{said}");
    // A file is no folder, for root too.
    let mut blocked = Home::new("alice", &relay, "");
    let file = blocked.path().join("file");
    std::fs::write(&file, "").unwrap();
    blocked.set("XDG_STATE_HOME", file.display().to_string());
    let (code, said) = looks(&blocked);
    assert!(code == 1 && said.contains("cannot write to"), "{said}");
    let script = Home::empty("alice");
    let claude = script.script("claude", "echo '9.9.9 (Claude Code)'");
    script.join(
        &relay,
        &format!("[agents.claude]\nkind = \"claude\"\ncommand = [{claude:?}]\n"),
    );
    let (code, said) = looks(&script);
    assert!(code == 1 && said.contains("is not logged in"), "{said}");
    let all = shell(&script, &["doctor", "--json"]);
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(all["well"], json!(false));
    let of = |what: &str| {
        let mut checks = all["checks"].as_array().unwrap().iter();
        checks.find(|check| check["what"] == what).unwrap()["state"].clone()
    };
    assert_eq!((of("token"), of("claude")), (json!("ok"), json!("wrong")));
    let dumb = program(&script, &["doctor"])
        .env("TERM", "dumb")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&dumb.stdout).contains("terminal"));
}

#[test]
fn status_shows_the_remaining_budget_of_each_agent() {
    let relay = Relay::start();
    let agent = "[agents.claude]\nkind = \"claude\"\nbudget_usd_per_day = 2.5\n";
    let home = Home::new("alice", &relay, agent);
    let _seat = Running::headless(&home);
    let budget = "0 of 50 automatic runs today, $0.00 of $2.50 (list price)";
    assert_eq!(ask(&home, &["status"])["agents"][0]["budget"], budget);
    let said = String::from_utf8(shell(&home, &["status"]).stdout).unwrap();
    assert!(
        said.starts_with("alice in #lobby: online\n") && said.contains(&format!("agent claude: {budget}\n")),
        "{said}"
    );
}

#[test]
fn an_invite_to_a_room_for_the_network_has_an_address_that_others_can_dial() {
    let home = Home::empty("alice");
    home.configure("host = \"0.0.0.0:4567\"\ntoken = \"0123456789abcdef\"\n");
    let said = ask(&home, &["invite"]);
    let invite = said["invite"].as_str().unwrap();
    assert!(
        !invite.contains("0.0.0.0") && invite.contains(":4567/lobby?tls=0#0123456789abcdef"),
        "{invite}"
    );
    let printed = shell(&home, &["invite"]).stdout;
    assert_eq!(String::from_utf8(printed).unwrap().trim_end(), invite);
}

#[test]
fn a_write_error_is_reported_and_a_closed_pipe_is_not() {
    let home = Home::empty("alice");
    let to = |out: Stdio| {
        let output = program(&home, &["completions", "bash"])
            .stdout(out)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, said) = to(full.into());
    assert!(code == 1 && said.contains("cannot be printed"), "{said}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(to(writer.into()), (0, String::new()));
}

#[test]
fn the_plugin_is_written_once_and_removed() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let first = String::from_utf8(shell(&alice, &["setup", "claude", "--dry-run"]).stdout).unwrap();
    assert!(first.contains("Writes") && !alice.path().join("config/nexscope/claude").exists());
    shell(&alice, &["setup", "claude"]);
    let plugin = alice.path().join("config/nexscope/claude/nexscope");
    let commands = std::fs::read_dir(plugin.join("commands")).unwrap().count();
    assert_eq!(commands, 11);
    let again = String::from_utf8(shell(&alice, &["setup", "claude"]).stdout).unwrap();
    assert!(
        again.contains("already there") && !again.contains("Writes"),
        "{again}"
    );
    // An older version's plugin is rewritten by `update`, which reports all running versions.
    let say = plugin.join("commands/say.md");
    let text = std::fs::read_to_string(&say).unwrap();
    std::fs::write(&say, "older").unwrap();
    let seat = Running::headless(&alice);
    let update = String::from_utf8(shell(&alice, &["update"]).stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        update.starts_with(&format!(
            "here: nexscope-tui/{version}\nrelay: nexscope-relay/{version}\n"
        )),
        "{update}"
    );
    assert!(
        update.contains("To update") && update.contains("Writes"),
        "{update}"
    );
    assert_eq!(std::fs::read_to_string(&say).unwrap(), text);
    // The same if the reply is for a program, which reads only JSON.
    std::fs::write(&say, "older").unwrap();
    assert!(ask(&alice, &["update"]).is_object());
    assert_eq!(std::fs::read_to_string(&say).unwrap(), text);
    drop(seat);
    shell(&alice, &["setup", "claude", "--remove"]);
    assert!(!plugin.exists());
    // A reader that closes the pipe early does not interrupt the work.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut unread = program(&alice, &["setup", "claude"]);
    assert!(unread.stdout(writer).status().unwrap().success());
    assert_eq!(std::fs::read_dir(plugin.join("commands")).unwrap().count(), 11);
    let codex = alice.path().join(".codex/config.toml");
    std::fs::create_dir_all(codex.parent().unwrap()).unwrap();
    let mine = "# mine\nmodel = \"x\"\n";
    std::fs::write(&codex, mine).unwrap();
    shell(&alice, &["setup", "codex"]);
    let with = std::fs::read_to_string(&codex).unwrap();
    assert!(
        with.starts_with(mine) && with.contains("[mcp_servers.nexscope]"),
        "{with}"
    );
    shell(&alice, &["setup", "codex", "--remove"]);
    assert_eq!(std::fs::read_to_string(&codex).unwrap(), mine);
}

#[test]
fn the_demo_shows_a_mention_a_file_and_an_answer_and_leaves_nothing() {
    let home = Home::empty("alice");
    let temporary = home.path().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut child = program(&home, &["demo"])
        .env("TMPDIR", &temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    for wanted in [
        "can you review this?",
        "bob·codex",
        "is pending",
        "f1 from bob is pending",
    ] {
        while !seen.contains(wanted) {
            let mut line = String::new();
            assert_ne!(
                out.read_line(&mut line).unwrap(),
                0,
                "waited for {wanted:?}: {seen}"
            );
            seen.push_str(&line);
        }
    }
    drop(child.stdin.take());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!home.path().join("state").exists() && !home.path().join("config").exists());
}

/// Local commands from an agent's shell are checked by the same table as requests to a session.
#[test]
fn an_agents_shell_reads_nothing_private_and_turns_nothing_on() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let seat = Running::start(&alice, &["start", "--headless", "--allow-remote-decisions"]);
    seat.wait_for("in #lobby as");
    let refused = |arguments: &[&str], why: &str| {
        let output = agents_shell(&alice, arguments);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert!(
            !said.contains(support::TOKEN) && !said.contains("in #lobby"),
            "{arguments:?}: {said}"
        );
    };
    refused(&["invite"], "not for an agent");
    refused(&["audit", "show", "m1"], "not for an agent");
    refused(&["-n", "alice2", "--plain"], "An agent joins without a screen");
    refused(&["start", "--plain"], "An agent joins without a screen");
    refused(
        &["start", "-n", "alice2", "--headless", "--mode", "auto"],
        "does not turn auto mode on",
    );
    refused(
        &["start", "-n", "alice2", "--headless", "--allow-remote-decisions"],
        "does not let programs decide",
    );
    assert!(agents_shell(&alice, &["audit", "verify"]).status.success());
    // A person's own program is not affected.
    assert!(shell(&alice, &["invite"]).status.success());

    // A model that starts or finds a session does not turn on auto mode by doing so.
    let mut mcp = Mcp::start(&alice);
    let (_, text) = mcp.call("nexscope_start", json!({"mode": "auto"}));
    assert!(
        text.contains("already running: alice") && text.contains("Only a person"),
        "{text}"
    );
    assert_eq!(ask(&alice, &["mode"])["mode"], "manual");

    // Nor through its environment.
    let bob = Home::new("bob", &relay, "");
    let marked = [("CLAUDECODE", "1"), ("NEXSCOPE_MODE", "auto")];
    let seat = Running::start_with(&bob, &["start", "--headless"], &marked);
    seat.wait_for("in #lobby as");
    assert_eq!(ask(&bob, &["mode"])["mode"], "manual");
}

/// A server that answers a WebSocket's handshake with that `Date`, and hangs up.
fn relay_with_date(date: &'static str) -> std::net::SocketAddr {
    use tungstenite::handshake::server::{Request, Response};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
            let with_date = |_: &Request, mut response: Response| {
                response.headers_mut().insert("Date", date.parse().unwrap());
                Ok(response)
            };
            drop(tungstenite::accept_hdr(stream.unwrap(), with_date));
        }
    });
    address
}

/// Issue 16, 42: doctor did not see that the clock is off.
#[test]
fn doctor_compares_the_clock_with_the_relays() {
    let looks = |home: &Home| String::from_utf8(shell(home, &["doctor"]).stdout).unwrap();
    let relay = Relay::start();
    let said = looks(&Home::new("alice", &relay, ""));
    assert!(said.contains("clock     agrees with the relay's"), "{said}");
    for (date, expected) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", "ahead of the relay's"),
        ("Fri, 01 Jan 2100 00:00:00 GMT", "behind the relay's"),
    ] {
        let home = Home::empty("alice");
        let address = relay_with_date(date);
        home.configure(&format!(
            "name = \"alice\"\nrelay = \"ws://{address}/ws\"\ntoken = \"t\"\n"
        ));
        let said = looks(&home);
        assert!(said.contains(expected), "{said}");
    }
}
