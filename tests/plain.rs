//! Plain mode with the real binary: lines in, lines out, exit codes, and no decisions from a pipe.

mod support;

use std::{path::Path, process::Command};

use std::time::Duration;

use support::{
    Home, Relay, TOKEN, Term, command_agent,
    shell::{Running, ask, fails, shell},
};

#[test]
fn lines_are_sent_and_the_room_is_printed() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let b = Running::start(&bob, &[]);
    b.wait_for("-- in #lobby as bob");
    let mut a = Running::start(&alice, &[]);
    a.wait_for("-- in #lobby as alice");
    b.wait_for("alice joined");
    a.say("hello");
    a.say("/tell @bob a note");
    a.say("/tell --force @dan are you there");
    let (code, errors) = a.end();
    assert_eq!(
        (code, errors.as_str()),
        (0, "nexscope-tui: dan is offline; they get it when they return\n")
    );
    b.wait_for("alice: hello");
    b.wait_for("alice → bob: a note");
    b.wait_for("alice left");
    assert_eq!(b.end().0, 0);
}

/// Issue 16, 39: the refusal was printed as a line of the room, too.
#[test]
fn a_refusal_is_printed_once() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let config = alice.path().join("config/nexscope/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(TOKEN, "wrong")).unwrap();
    let output = shell(&alice, &["--plain"]);
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(printed.matches("Wrong token").count(), 1, "{printed}");
}

#[test]
fn an_interrupt_also_ends_the_agents_work() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let started = bob.path().join("started");
    let made = Command::new("mkfifo").arg(&started).status().unwrap();
    assert!(made.success());
    let script = bob.script("agent", "echo $$ > \"$HOME/started\"; exec sleep 600");
    bob.join(&relay, &command_agent("helper", &script));
    let alice = Home::new("alice", &relay, "");
    let mut a = Running::start(&alice, &["--stay"]);
    a.wait_for("-- in #lobby as alice");
    bob.trusts("alice");
    let b = Running::start(&bob, &["start", "--plain", "--mode", "auto"]);
    b.wait_for("-- in #lobby as bob");
    a.say("@bob deploy?");
    let agent = std::fs::read_to_string(&started).unwrap();
    let interrupt = Command::new("kill")
        .args(["-INT", &b.child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(b.end().0, 0);
    assert!(
        !Path::new("/proc").join(agent.trim()).exists(),
        "the agent goes on"
    );
}

#[test]
fn a_pipe_decides_nothing() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let script = bob.script("agent", "touch \"$HOME/started\"");
    bob.join(&relay, &command_agent("helper", &script));
    let mut b = Running::start(&bob, &["start", "--plain"]);
    b.wait_for("-- in #lobby as bob");
    let alice = Home::new("alice", &relay, "");
    let mut a = Running::start(&alice, &["--stay"]);
    a.wait_for("-- in #lobby as alice");
    a.say("@bob deploy?");
    b.wait_for("-- m1 from alice is pending");
    for line in ["/accept m1", "/reject m1", "/mode auto"] {
        b.say(line);
    }
    b.say("/inbox");
    b.wait_for("m1 alice: deploy?");
    let (code, errors) = b.end();
    assert_eq!(code, 1);
    assert_eq!(
        errors.matches("Only a person at a terminal decides").count(),
        3,
        "{errors}"
    );
    assert!(!bob.path().join("started").exists());
}

#[test]
fn a_person_at_a_terminal_confirms_twice_before_a_secret_is_sent() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let script = bob.script(
        "agent",
        "cat > /dev/null; echo 'It is ghp_abcdefghijklmnopqrstuvwxyz0123456789.'",
    );
    bob.join(&relay, &command_agent("helper", &script));
    let b = Term::spawn(&bob, &["start", "--plain"], 160, 40);
    b.wait_for("-- in #lobby as bob");
    let alice = Home::new("alice", &relay, "");
    let mut a = Running::lines(&alice);
    a.say("@bob which key?");
    b.wait_for("-- m1 from alice is pending");
    // Both pasted together decide nothing.
    b.say("/accept m1\ry");
    b.wait_for("that was too fast to be an answer");
    b.settle(Duration::from_millis(300));
    b.say("y");
    b.wait_for("-- d1 from bob is pending");
    b.say("/accept d1");
    b.wait_for("d1 looks like a GitHub token. Press again to post it anyway.");
    b.wait_for("| It is ghp_");
    b.wait_for("Accept? Type y.");
    // Other input in between is not a yes.
    b.settle(Duration::from_millis(300));
    b.say("/accept m9");
    b.wait_for("m9 is not pending");
    b.say("y");
    a.wait_for("bob: y");
    assert!(!a.has_seen("ghp_"));
    b.say("/accept d1");
    b.wait_until("it asks again", |text| {
        text.matches("Accept? Type y.").count() == 3
    });
    b.settle(Duration::from_millis(300));
    b.say("y");
    a.wait_for("bob·helper → alice: It is ghp_");
}

#[test]
fn offline_lines_are_kept_and_sent_at_the_next_start() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let bob = Home::new("bob", &relay, "");
    let b = Running::start(&bob, &[]);
    b.wait_for("-- in #lobby as bob");
    assert_eq!(b.end().0, 0);
    let dead = relay.kill();

    let mut a = Running::start(&alice, &[]);
    a.say("@bob said with no relay");
    let (code, errors) = a.end();
    assert_eq!(code, 1);
    assert!(
        errors.contains("1 not sent") && errors.contains("kept in the outbox"),
        "{errors}"
    );

    let _relay = dead.revive();
    let b = Running::start(&bob, &[]);
    b.wait_for("-- in #lobby as bob");
    let a = Running::start(&alice, &["--stay"]);
    a.wait_for("-- in #lobby as alice");
    b.wait_for("alice → bob: said with no relay");
}

#[test]
fn with_nothing_configured_it_hosts_and_another_joins_by_the_invite() {
    let (alice, bob) = (Home::empty("alice"), Home::empty("bob"));
    let a = Running::start(&alice, &["--stay"]);
    let line = a.wait_for("nexscope://");
    let invite = line.split_whitespace().last().unwrap().to_owned();
    assert!(
        invite.starts_with("nexscope://127.0.0.1:") && invite.contains("/lobby?tls=0#"),
        "{invite}"
    );
    a.wait_for("-- in #lobby as alice");
    let mut b = Running::start_with(&bob, &[], &[("NEXSCOPE_INVITE", &invite)]);
    b.wait_for("-- in #lobby as bob");
    b.say("found you");
    assert_eq!(b.end().0, 0);
    a.wait_for("bob: found you");
}

#[test]
fn refusals_say_what_to_do_and_never_the_token() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let first = Running::start(&alice, &["--stay"]);
    first.wait_for("-- in #lobby as alice");
    let secret = "a-secret-that-must-not-be-shown";
    // (arguments, variables, exit code, output)
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);
    let url = relay.url();
    let rows: [Row; 7] = [
        (
            &["--relay", &url],
            &[("NEXSCOPE_TOKEN", secret)],
            1,
            "Wrong token",
        ),
        (
            &["--relay", &url],
            &[("NEXSCOPE_TOKEN", TOKEN)],
            1,
            "Choose another name",
        ),
        (&["--relay", &url], &[], 1, "there is no token for"),
        (&["-n", "a b"], &[], 1, "--name must be 1 to 32 of"),
        (&["--invite", "nexscope://h"], &[], 1, "no token behind a #"),
        (&["--colour"], &[], 2, "unexpected argument"),
        (&["--relay", "http://x"], &[], 1, "ws://HOST:PORT/ws"),
    ];
    for (arguments, variables, code, said) in rows {
        let carol = Home::empty("alice");
        let (found, errors) = Running::start_with(&carol, arguments, variables).end();
        assert_eq!(found, code, "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
        assert!(!errors.contains(secret) && !errors.contains(TOKEN), "{errors}");
    }
    // The same home a second time: the first process has locked it.
    let (code, errors) = Running::start(&alice, &[]).end();
    assert_eq!(code, 1);
    assert!(
        errors.contains(&format!("by process {} in ", first.child.id())),
        "{errors}"
    );
}

#[test]
fn no_token_is_written_anywhere_but_where_it_was_set() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let mut a = Running::start_with(&alice, &[], &[("NEXSCOPE_LOG", "trace")]);
    a.wait_for("-- in #lobby as alice");
    a.say("hello");
    assert_eq!(a.end().0, 0);
    let mut files = 0;
    let mut folders = vec![alice.path().join("state")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            files += 1;
            let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
            assert!(!text.contains(TOKEN), "{} holds the token", entry.display());
        }
    }
    assert!(files >= 3, "journal, owner and log were looked through");
}

#[test]
fn an_encrypted_relay_is_joined_if_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let relay = Relay::start_with(&["--tls-cert", &cert, "--tls-key", &key]);
    let invite = format!("nexscope://localhost:{}/lobby#{TOKEN}", relay.address().port());

    let alice = Home::empty("alice");
    let trusted = [("NEXSCOPE_INVITE", invite.as_str()), ("SSL_CERT_FILE", &cert)];
    let mut a = Running::start_with(&alice, &[], &trusted);
    a.wait_for("-- in #lobby as alice");
    a.say("hello over TLS");
    assert_eq!(a.end().0, 0);

    // A client that does not trust it reports why, and sends it no token.
    let (code, errors) = Running::start_with(&Home::empty("bob"), &[], &trusted[..1]).end();
    assert_eq!(code, 1);
    assert!(errors.to_lowercase().contains("certificate"), "{errors}");
}

/// At the end of the input a file in transit arrives first, and one that nobody accepts is reported.
#[test]
fn the_end_of_the_input_waits_for_files() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::empty("bob"));
    let files = bob.path().join("files");
    bob.join(
        &relay,
        &format!("[files]\ndir = {files:?}\nauto_accept_below = \"100 MiB\"\n"),
    );
    let b = Running::lines(&bob);
    let bytes = vec![7; 20_000_000];
    std::fs::write(alice.work().join("large.bin"), &bytes).unwrap();
    let mut a = Running::lines(&alice);
    b.wait_for("alice joined");
    a.say("/say @bob --note --file large.bin look");
    assert_eq!(a.end(), (0, String::new()));
    // All bytes have arrived; the file is checked, and renamed.
    while ask(&bob, &["files"])["files"][0]["state"] != "done" {
        std::thread::yield_now();
    }
    assert!(std::fs::read(files.join("lobby/large.bin")).unwrap() == bytes);

    let mut a = Running::lines(&alice);
    a.say("/say @carol --force --note --file large.bin look");
    let (code, said) = a.end();
    assert!(
        code == 0 && said.contains("nobody has accepted large.bin"),
        "{said}"
    );
}

/// Issue 14, 24: a long pipe was cut off after 10 s, although the relay accepted line after line.
#[test]
fn a_long_pipe_continues_while_there_is_progress() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let mut a = Running::lines(&alice);
    let lines: String = (0..900).map(|line| format!("line {line}\n")).collect();
    a.write(lines.as_bytes());
    // The relay accepts 50 lines a second after the first 200, so this takes longer than any single timeout.
    assert_eq!(a.end(), (0, String::new()));
}

/// Issue 14, 24: such a line was lost, and so was the next one.
#[test]
fn a_line_that_is_not_utf8_is_sent_with_replacements() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let b = Running::lines(&bob);
    let mut a = Running::lines(&alice);
    a.write(b"before\r\ncaf\xe9 au lait\nafter\n");
    let (code, errors) = a.end();
    assert_eq!(
        (code, errors.as_str()),
        (
            0,
            "nexscope-tui: line 2 is not UTF-8. Its invalid bytes are sent as \u{fffd}.\n"
        )
    );
    b.wait_for("alice: before");
    b.wait_for("alice: caf\u{fffd} au lait");
    b.wait_for("alice: after");
}

/// Issue 14, 28: a message to a mistyped name was sent to nobody, and waited for seven days.
#[test]
fn plain_mode_and_the_shell_send_nothing_to_an_unknown_name() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let b = Running::lines(&bob);
    let mut a = Running::lines(&alice);
    a.say("@bbo look");
    a.say("@bob hello");
    let (code, errors) = a.end();
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("No one called bbo has been here. Did you mean bob? /say --force sends it anyway."),
        "{errors}"
    );
    b.wait_for("hello");

    let session = Running::start(&alice, &["start", "--headless"]);
    session.wait_for("in #lobby as");
    let (code, errors) = fails(&alice, &["say", "@bbo", "look"]);
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("Did you mean bob?") && errors.contains("--force"),
        "{errors}"
    );
    ask(&alice, &["say", "--force", "@bbo", "look"]);
    drop(session);
}
