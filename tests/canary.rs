//! Other members' text reaches no agent before the person has approved it: each string that a member can
//! choose is planted through a real relay, and searched for in each place that an agent can read.
//!
//! Planted, each with its own mark: of a member of version 2, the client, the agents, the note, and of
//! messages (one that expired, one rejected, a broadcast, a note, two pending, one with files) id, thread,
//! text, agent, editor and reference; of files name, id, hash and bytes; the reasons of a receipt, a declined
//! file and a closed stream; agent, text and id in signals; a body of an unknown kind. Of a member of version
//! 1, id, thread, text, and a pushed file's name and bytes. In a separate test: messages of a stranger under
//! our own name.
//!
//! Searched: each prompt, its program's arguments and environment, every file in the agent's folder, by name
//! and content; the reply to each command on the socket, raw and in a shell, from outside and from within a
//! run; each reply of each tool of the MCP server, and their list; the output of each hook.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::{Value, json};
use support::{
    Home, Relay, Term,
    mcp::Mcp,
    shell::{agents_shell, shell},
    v1::V1,
    v2::V2,
};
use uuid::Uuid;

/// The prefix of all marks.
const MARK: &str = "zq7";

/// The marks planted so far.
#[derive(Default)]
struct Planted(Vec<String>);

impl Planted {
    /// Creates a mark for a string; also a valid name and a valid id.
    fn mark(&mut self, what: &str) -> String {
        let mark = format!("{MARK}-{what}-z");
        if !self.0.contains(&mark) {
            self.0.push(mark.clone());
        }
        mark
    }
}

/// A message of a member of version 2, with a mark in every string except its question.
fn message(planted: &mut Planted, what: &str, to: &[&str], more: Value) -> Value {
    let mut mark = |string: &str| planted.mark(&format!("{what}-{string}"));
    let mut body = json!({
        "kind": "chat", "origin": "human", "asks": true, "text": mark("text"), "agent": mark("agent"),
        "edited_by": mark("editor"), "reply_to": mark("answers"),
    });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    json!({"type": "message", "id": mark("id"), "to": to, "only": !to.is_empty(), "thread": mark("thread"), "body": body})
}

fn file(planted: &mut Planted, what: &str) -> Value {
    let mut mark = |string: &str| planted.mark(&format!("{what}-file-{string}"));
    json!([{"id": mark("id"), "name": mark("name"), "size": 10, "sha256": mark("hash")}])
}

/// alice's screen, whose agent records all its input; and its folder.
struct Alice {
    home: Home,
    seen: std::path::PathBuf,
}

impl Alice {
    fn new() -> Self {
        let home = Home::empty("alice");
        let seen = home.path().join("seen");
        fs::create_dir(&seen).unwrap();
        Self { home, seen }
    }

    /// Opens the screen with an expiry time.
    fn open(&self, relay: &Relay, expire: &str) -> Term {
        let (seen, home) = (self.seen.display(), self.home.path().display());
        let program = env!("CARGO_BIN_EXE_nexscope-tui");
        let agent = self.home.script(
            "agent",
            &format!(
                "d=$(mktemp -d {seen}/run.XXXXXX); cat > $d/prompt; printf '%s\\n' \"$0\" \"$@\" > $d/arguments\n\
                 env > $d/environment; (find .; find . -type f -exec cat {{}} +) > $d/folder\n\
                 export XDG_STATE_HOME={home}/state XDG_CONFIG_HOME={home}/config\n\
                 for w in who inbox history poll files status update mode before-stop; do\n\
                 echo \"$w:\"; {program} $w; {program} $w --json; done > $d/words 2>&1\n\
                 mv $d {seen}/whole-${{d##*.}}; echo 'An answer.'"
            ),
        );
        self.home.join(
            relay,
            &format!(
                "expire = \"{expire}\"\n{}",
                support::command_agent("helper", &agent)
            ),
        );
        let screen = self.home.screen(180, 40);
        screen.wait_for("● alice");
        screen
    }

    /// The input of each run, by its place.
    fn runs(&self, places: &mut BTreeMap<String, String>) -> Vec<String> {
        let mut prompts = Vec::new();
        for folder in fs::read_dir(&self.seen)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let run = folder.file_name().unwrap().to_string_lossy().into_owned();
            for file in ["prompt", "arguments", "environment", "folder", "words"] {
                let text = fs::read_to_string(folder.join(file)).unwrap();
                if file == "prompt" {
                    prompts.push(text.clone());
                }
                places.insert(format!("{file} of {run}"), text);
            }
        }
        prompts
    }
}

/// The reply of the socket to each command, sent without the program.
fn raw_words(home: &Home) -> BTreeMap<String, String> {
    let run = home.path().join("state/nexscope/run");
    let socket = fs::read_dir(run).unwrap().map(|file| file.unwrap().path());
    let socket = socket.filter(|path| path.extension().is_some_and(|end| end == "sock"));
    let mut stream = UnixStream::connect(socket.last().unwrap()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let words = [
        ("hello", json!({})),
        ("who", json!({})),
        ("inbox", json!({})),
        ("status", json!({})),
        ("files", json!({})),
        ("history", json!({})),
        ("history", json!({"thread": "t1"})),
        ("mode", json!({})),
        ("poll", json!({"client": "raw"})),
        ("watch", json!({"client": "other", "timeout": 1})),
        ("wait", json!({"for": "decision", "timeout": 1})),
        ("before_stop", json!({})),
        ("update", json!({})),
        ("cancel", json!({"id": "f1"})),
        ("cancel", json!({"id": "f2"})),
        ("cancel", json!({"id": "m1"})),
        ("accept", json!({"id": "t1"})),
        ("accept", json!({"id": "m5"})),
        ("accept", json!({"id": "f2"})),
        ("reject", json!({"id": "m5"})),
        ("retry", json!({"id": "f1"})),
        ("ask", json!({"words": "what?"})),
        (
            "say",
            json!({"to": "mallory", "text": "from a program", "thread": "t2"}),
        ),
        ("attach", json!({})),
        ("nonsense", json!({})),
    ];
    let each = words.into_iter().enumerate().map(|(id, (word, args))| {
        writeln!(
            stream,
            "{}",
            json!({"v": 1, "id": id, "method": word, "params": args})
        )
        .unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["id"], json!(id), "{line}");
        (format!("socket: {word} {args}"), line)
    });
    each.collect()
}

/// Everything that an agent outside a run can read.
fn places(alice: &Alice) -> BTreeMap<String, String> {
    let mut places = raw_words(&alice.home);
    for arguments in [
        &["who"][..],
        &["inbox"],
        &["history"],
        &["history", "--thread", "t1"],
        &["poll"],
        &["watch", "--timeout", "1"],
        &["status"],
        &["files"],
        &["update"],
        &["mode"],
        &["before-stop"],
        &["accept", "m5"],
        &["reject", "m5"],
        &["cancel", "f1"],
        &["wait", "--timeout", "1"],
    ] {
        for json in [&[][..], &["--json"]] {
            let with = [arguments, json].concat();
            places.insert(
                format!("shell: {with:?}"),
                format!("{:?}", shell(&alice.home, &with)),
            );
        }
    }
    // Every command, for a caller with an agent's mark.
    for arguments in [
        &["who"][..],
        &["inbox"],
        &["history"],
        &["poll"],
        &["watch", "--timeout", "1"],
        &["status"],
        &["files"],
        &["update"],
        &["mode"],
        &["before-stop"],
        &["accept", "m5"],
        &["reject", "m5"],
        &["retry", "m5"],
        &["ask", "what", "waits?"],
        &["wait", "--timeout", "1"],
        &["audit", "show", "m5"],
        &["audit", "show", "m2"],
        &["audit", "verify"],
        &["invite"],
        &["doctor"],
        &["attach"],
        &["start", "--plain", "-n", "other"],
        &["-n", "other", "--plain"],
    ] {
        places.insert(
            format!("shell of an agent: {arguments:?}"),
            format!("{:?}", agents_shell(&alice.home, arguments)),
        );
    }
    let mut mcp = Mcp::start(&alice.home);
    let tools = mcp.request("tools/list", json!({}));
    for tool in tools["tools"].as_array().unwrap() {
        let tool = tool["name"].as_str().unwrap();
        let arguments = match tool {
            "nexscope_accept" => json!({"threadId": "m5"}),
            "nexscope_reject" => json!({"threadId": "m5", "reason": "x"}),
            "nexscope_say" => json!({"to": ["mallory"], "text": "from a model"}),
            "nexscope_append" => json!({"threadId": "t1", "text": "more"}),
            "nexscope_watch" => json!({"timeoutSeconds": 1}),
            _ => json!({}),
        };
        // With a screen, `stop` only asks the person.
        places.insert(format!("MCP: {tool}"), format!("{:?}", mcp.call(tool, arguments)));
    }
    places.insert("MCP: the list of tools".into(), tools.to_string());
    for hook in ["prompt", "stop", "wake"] {
        places.insert(
            format!("hook: {hook}"),
            format!("{:?}", shell(&alice.home, &["hook", hook])),
        );
    }
    places.insert("files in the agent's folder".into(), folder(&alice.home.work()));
    places
}

/// The names and contents of all files below a folder.
fn folder(path: &Path) -> String {
    let mut all = String::new();
    for path in fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
        all.push_str(&path.to_string_lossy());
        match path.is_dir() {
            true => all.push_str(&folder(&path)),
            // A socket has no content.
            false => all.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap_or_default())),
        }
    }
    all
}

/// Searches for each mark in each place; `allowed` lists the exceptions.
fn look(planted: &Planted, places: &BTreeMap<String, String>, allowed: &[(&str, &str)]) {
    let mut found = Vec::new();
    for (place, text) in places {
        // Even if it was cut, or its case was changed.
        let mut text = text.to_ascii_lowercase();
        for (mark, at) in allowed {
            if place.starts_with(at) {
                text = text.replace(mark, "");
            }
        }
        let marks: Vec<&String> = planted.0.iter().filter(|mark| text.contains(*mark)).collect();
        if text.contains(MARK) {
            let lines: Vec<&str> = text.lines().filter(|line| line.contains(MARK)).collect();
            found.push(format!("{place}: {marks:?}\n{}", lines.join("\n")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn no_string_of_another_member_reaches_an_agent() {
    let (relay, alice) = (Relay::start(), Alice::new());
    let planted = &mut Planted::default();
    let screen = alice.open(&relay, "1s");
    let mut mallory = V2::join(
        &relay,
        &json!({"name": "mallory", "client": planted.mark("client"), "agents": [planted.mark("agents")]}),
    );
    mallory
        .say(&json!({"type": "update", "note": planted.mark("note"), "agents": [planted.mark("agents2")]}));
    mallory.say(&message(planted, "expired", &["alice"], json!({})));
    mallory.until(|frame| frame["body"]["state"] == "expired");
    screen.say("/quit");
    screen.end();

    // After the restart items are pending.
    let screen = alice.open(&relay, "1d");
    mallory.say(&message(planted, "rejected", &["alice"], json!({})));
    screen.wait_for("▸ m2 ");
    screen.command("/reject m2 not now");
    mallory.until(|frame| frame["body"]["state"] == "rejected");
    mallory.say(&message(planted, "broadcast", &[], json!({"asks": false})));
    mallory.say(&message(planted, "note", &["alice"], json!({"asks": false})));
    mallory.say(&message(planted, "pending", &["alice"], json!({})));
    mallory.say(&message(planted, "agent", &["alice"], json!({"origin": "agent"})));
    let with = file(planted, "waiting");
    mallory.say(&message(planted, "waiting", &["alice"], json!({ "files": with })));
    let mut unknown = message(planted, "unknown", &["alice"], json!({}));
    unknown["body"]["kind"] = json!(planted.mark("kind"));
    mallory.say(&unknown);
    for body in [
        json!({"kind": "typing", "text": planted.mark("typing")}),
        json!({"kind": "activity", "agent": planted.mark("activity"), "state": "thinking"}),
        json!({"kind": "partial", "of": planted.mark("partial-of"), "text": planted.mark("partial")}),
    ] {
        mallory.say(&json!({"type": "signal", "thread": planted.mark("signal-thread"), "body": body}));
    }

    screen.wait_for(&planted.mark("waiting-text"));

    // Reasons: of a rejected and a failed message, of a declined file, and of a cancelled transfer.
    fs::write(alice.home.work().join("ours.txt"), "ours").unwrap();
    screen.say("/say @mallory --file ours.txt look");
    let ours = mallory.until(|frame| frame["body"]["files"].is_array());
    let (of, id) = (&ours["id"], &ours["body"]["files"][0]["id"]);
    let tells = |mallory: &mut V2, id: String, body: Value| {
        mallory.say(&json!({"type": "message", "id": id, "to": ["alice"], "only": true, "body": body}));
    };
    for (state, what) in [("queued", "queued-reason"), ("rejected", "receipt-reason")] {
        let (id, reason) = (planted.mark(&format!("{what}-id")), planted.mark(what));
        tells(
            &mut mallory,
            id,
            json!({"kind": "receipt", "of": of, "state": state, "reason": reason}),
        );
    }
    screen.wait_for(&planted.mark("receipt-reason"));
    let (told, reason) = (planted.mark("decline-id"), planted.mark("decline-reason"));
    tells(
        &mut mallory,
        told,
        json!({"kind": "file_decline", "of": of, "file": id, "reason": reason}),
    );
    let given_up = file(planted, "given-up");
    mallory.say(&message(
        planted,
        "given-up",
        &["alice"],
        json!({"asks": false, "files": given_up}),
    ));
    screen.wait_for("f3 ");
    screen.decide("/accept f3");
    mallory.next("file_accept");
    let stream = Uuid::new_v4();
    let of = &given_up[0]["id"];
    mallory.say(
        &json!({"type": "stream_open", "stream": stream, "to": "alice", "size": 10, "of": of, "offset": 0}),
    );
    mallory.next("stream_credit");
    let why = planted.mark("close-reason");
    mallory.say(&json!({"type": "stream_close", "stream": stream, "reason": "failed", "message": why}));
    screen.wait_for(&why);

    // Version 1: arbitrary strings.
    let mut plugin = V1::join(&relay, "plugin");
    for (role, to) in [("user", &["alice"][..]), ("userAgent", &["alice"]), ("user", &[])] {
        let what = format!("plugin-{}-{}", role.to_lowercase(), to.len());
        let more = json!({"role": role, "msgId": planted.mark(&format!("{what}-id")),
            "threadId": planted.mark(&format!("{what}-thread"))});
        plugin.say(to, &planted.mark(&format!("{what}-text")), more);
        plugin.next("ack");
    }
    let (name, bytes) = (planted.mark("pushed-name"), planted.mark("pushed-bytes"));
    plugin.send_file(&["alice"], &name, bytes.as_bytes());
    plugin.next("ack");
    screen.wait_for(&name);

    // In a thread named by another member, the accepted mention runs; so does our own question.
    let thread = planted.mark("waiting-thread");
    let plain = json!({"kind": "chat", "origin": "human", "asks": true, "text": "and now?"});
    let id = planted.mark("plain-id");
    mallory.say(&json!({"type": "message", "id": id, "to": ["alice"], "thread": thread, "body": plain}));
    screen.wait_for("and now?");
    screen.decide("/accept m14");
    mallory.until(|frame| frame["body"]["text"] == "An answer.");
    screen.command("/ask what is new?");
    mallory.until(|frame| frame["body"]["text"] == "An answer.");

    let mut all = places(&alice);
    assert_eq!(alice.runs(&mut all).len(), 2);
    look(planted, &all, &[]);
    let journal = ["state", "Downloads"]
        .map(|below| folder(&alice.home.path().join(below)))
        .concat();
    for mark in planted
        .0
        .iter()
        .filter(|mark| !NEVER_WRITTEN.iter().any(|never| mark.contains(never)))
    {
        assert!(journal.contains(mark.as_str()), "{mark} has never come");
    }
    println!("{} strings, {} places", planted.0.len(), all.len());
    assert!(
        all.values().any(|text| text.contains("mallory")),
        "names are told"
    );

    // The pending one is accepted: its text is in one prompt, once, and no other string of its sender is.
    screen.decide("/accept m5");
    mallory.until(|frame| frame["body"]["text"] == "An answer.");
    let mut all = places(&alice);
    let text = planted.mark("pending-text");
    let prompts = alice.runs(&mut all);
    let with: Vec<&String> = prompts.iter().filter(|prompt| prompt.contains(&text)).collect();
    assert_eq!((prompts.len(), with.len()), (3, 1));
    assert_eq!(with[0].matches(&text).count(), 1);
    let agent = planted.mark("pending-agent");
    // From then on its text may be shown.
    let told = [
        "prompt of ",
        "words of ",
        "socket: history",
        "shell: [\"history",
        "shell of an agent: [\"history",
        "MCP: nexscope_history",
    ];
    let allowed: Vec<(&str, &str)> = told.into_iter().map(|place| (text.as_str(), place)).collect();
    look(planted, &all, &[&allowed[..], &[(&agent, "prompt of ")]].concat());
}

/// Issue 14, 13: a stranger's message under our own name was shown as our own, and quoted in prompts.
#[test]
fn a_strangers_message_under_our_name_reaches_no_agent() {
    let (relay, alice) = (Relay::start(), Alice::new());
    let planted = &mut Planted::default();
    let mut stranger = V2::join(&relay, &json!({"name": "alice"}));
    let more = json!({"asks": false});
    let public = message(planted, "own", &[], more.clone());
    let thread = public["thread"].clone();
    stranger.say(&public);
    let mut second = message(
        planted,
        "own-agent",
        &[],
        json!({"origin": "agent", "asks": false}),
    );
    second["thread"] = thread.clone();
    stranger.say(&second);
    stranger.say(&message(planted, "own-direct", &["mallory"], more));
    for _ in 0..3 {
        stranger.next("ack");
    }
    stranger.say(&json!({"type": "bye"}));

    let screen = alice.open(&relay, "1d");
    screen.wait_for(&planted.mark("own-text"));
    screen.wait_for("not you: somebody else used your name");
    let mut mallory = V2::join(&relay, &json!({"name": "mallory"}));
    let body = json!({"kind": "chat", "origin": "human", "asks": true, "text": "and now?"});
    mallory.say(&json!({"type": "message", "id": "plain", "to": ["alice"], "thread": thread, "body": body}));
    screen.wait_for("and now?");
    // An agent gets it neither by hand nor with an accepted item of its thread.
    screen.decide("/accept m3");
    mallory.until(|frame| frame["body"]["text"] == "An answer.");
    let mut all = places(&alice);
    assert_eq!(alice.runs(&mut all).len(), 1);
    look(planted, &all, &[]);
    assert!(
        all.values().any(|text| text.contains("and now?")),
        "what was accepted is told"
    );
}

/// Events that are not stored: they pass, or are only seen on the screen, where the test waits for them.
const NEVER_WRITTEN: [&str; 8] = [
    "client",
    "agents",
    "note-z",
    "typing",
    "activity",
    "partial",
    "signal",
    "close-reason",
];
