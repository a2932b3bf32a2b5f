//! Looser settings, from a file or another program, wait for the person.

use std::time::Duration;

use super::{
    ENTER, leave,
    support::{self, Home, Relay},
};

/// The key that applies settings is readable on the narrowest screen.
#[test]
fn the_key_that_takes_settings_can_be_read_on_a_narrow_screen() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(60, 20);
    a.wait_for("● [#lobby]");
    alice.join(
        &relay,
        "mode = \"auto\"\nhop_limit = 9\nreview = \"flagged\"\n[files]\nauto_accept_below = \"1 GiB\"\n",
    );
    a.wait_for("⚠ Ctrl-x Ctrl-r to");
    for (columns, rows) in [(40, 10), (24, 8), (60, 20)] {
        a.resize(columns, rows);
        a.wait_for("⚠ Ctrl-x Ctrl-r");
    }
}

#[test]
fn a_looser_setting_waits_for_a_key_and_a_safer_one_holds_at_once() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "hop_limit = 5\n");
    let a = alice.screen(80, 24);
    a.wait_for("● [#lobby]");
    alice.join(&relay, "mode = \"auto\"\nhop_limit = 2\n");
    a.wait_for("⚠ Ctrl-x Ctrl-r to review changed settings: mode = \"auto\"");
    assert!(a.screen().contains("alice · manual"), "{}", a.screen());
    // Neither typed text nor a single press applies it.
    a.send("hello auto mode");
    a.wait_for("› hello auto mode");
    a.send("\x18\x12");
    a.wait_for("then press Ctrl-x Ctrl-r to apply");
    assert!(a.screen().contains("alice · manual"), "{}", a.screen());
    a.press_until("\x18\x12", "alice · auto");
    // An error changes nothing and names its line; safer settings apply without asking.
    alice.join(&relay, "mode = \"auto\"\nhop_limit = \"many\"\n");
    a.wait_for("config.toml, line 5:");
    alice.join(&relay, "mode = \"manual\"\n");
    a.wait_for("alice · manual");
}

/// A folder's file sets nothing that matters until the person has read it and pressed a key twice.
#[test]
fn a_projects_file_is_trusted_by_a_key() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let agent = alice.script("agent", "cat > /dev/null; echo 'from the project'");
    let file = alice.work().join(".nexscope/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, support::command_agent("theirs", &agent)).unwrap();
    let a = alice.screen(80, 24);
    a.wait_for("⚠ Ctrl-x Ctrl-r to review changed settings: this folder's agents, agent");
    a.command("/ask are you there?");
    a.wait_for("No agent is configured");
    a.send("\x15\x18\x12");
    a.wait_for("command = [");
    a.press_until("\x18\x12", "Settings applied.");
    a.command("/ask are you there?");
    a.wait_for("from the project");
    leave(a);

    let a = alice.screen(80, 24);
    a.wait_for("from the project");
    a.command("/ask and now?");
    a.wait_until("a second answer", |screen| {
        screen.matches("from the project").count() == 2
    });
    leave(a);
    std::fs::write(&file, "agent = \"theirs\"\n[agents.theirs]\nkind = \"claude\"\n").unwrap();
    alice
        .screen(80, 24)
        .wait_for("⚠ Ctrl-x Ctrl-r to review changed settings: this folder's agents, agent");
}

/// The first screen offers the relay, name and limit of nexscope-plugin.
#[test]
fn the_plugins_settings_are_offered_on_the_first_screen() {
    let relay = Relay::start();
    let ann = Home::empty("somebody");
    let file = ann.work().join(".claude/plugin-data/nexscope/config.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let settings = format!(
        r#"{{"relayUrl":"{}","token":"{}","defaultName":"ann","mode":"auto","hopLimit":2}}"#,
        relay.url(),
        support::TOKEN
    );
    std::fs::write(&file, settings).unwrap();
    let a = ann.screen(80, 24);
    a.wait_for("› ann");
    a.send(ENTER);
    a.wait_for("Its relay is ws://127.0.0.1");
    a.send(ENTER);
    a.wait_until("the agents of this computer, if any", |screen| {
        screen.contains("No agent was found") || screen.contains("Which agents")
    });
    a.send(ENTER);
    let screen = a.wait_for("● [#lobby]");
    assert!(screen.contains("ann · manual"), "{screen}");
    let saved = std::fs::read_to_string(ann.path().join("config/nexscope/config.toml")).unwrap();
    assert!(
        saved.contains("hop_limit = 2") && !saved.contains("auto"),
        "{saved}"
    );
}

/// An agent with access beyond a folder of its own starts only after a typed confirmation, which is remembered.
#[test]
fn an_agent_of_the_whole_home_folder_wants_a_typed_yes_once() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let agent = bob.script("agent", "cat > /dev/null; echo \"from $(pwd -P)\"");
    bob.join(
        &relay,
        &format!("{}dir = \"~\"\n", support::command_agent("helper", &agent)),
    );
    let b = bob.screen(120, 24);
    b.wait_for("People 1");
    b.command("/ask where are you?");
    b.wait_for("helper works in your whole home folder. Type /trust helper to allow that");
    b.send("\x15");
    b.command("/trust helper");
    b.wait_for("Allowed: helper works in your whole home folder.");
    let home = bob.path().canonicalize().unwrap();
    b.command("/ask where are you?");
    b.wait_for(&format!("from {}", home.display()));
    leave(b);
    let b = bob.screen(120, 24);
    b.wait_for("People 1");
    b.command("/ask and now?");
    b.wait_until("a second answer", |screen| {
        screen.matches(&format!("from {}", home.display())).count() == 2
    });
}

/// Commands and deciding keys in a saved file do not apply until the person has read them and pressed a key.
#[test]
fn saved_settings_that_run_or_decide_wait_for_a_key() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let ran = alice.path().join("ran");
    let program = alice.script(
        "program",
        "echo \"$0 $1\" >> \"$HOME/ran\"; echo a-token-of-sixteen-characters",
    );
    let config = alice.path().join("config/nexscope");
    let file = config.join("config.toml");
    let a = alice.screen(100, 30);
    a.wait_for("People 1");
    let before = std::fs::read_to_string(&file).unwrap();
    let token = before.lines().find(|line| line.starts_with("token = ")).unwrap();
    let saved = before.replace(token, &format!("token_command = [{program:?}, \"token\"]"));
    let saved = format!("{saved}[ui]\nkeymap = \"own\"\nnotify_command = [{program:?}, \"notify\"]\n");
    std::fs::create_dir_all(config.join("keymaps")).unwrap();
    let own = "inherits = \"default\"\n[anywhere]\nF9 = \"accept\"\n";
    std::fs::write(config.join("keymaps/own.toml"), own).unwrap();
    std::fs::write(&file, saved).unwrap();
    a.wait_for("to review changed settings");
    // A new message would run the notify command.
    let bob = Home::new("bob", &relay, "");
    let b = bob.screen(80, 24);
    b.wait_for("People 2");
    b.say("@alice are you there?");
    a.wait_for("are you there?");
    a.settle(Duration::from_millis(300));
    assert!(!ran.exists(), "{}", std::fs::read_to_string(&ran).unwrap());
    // All of it is read before it applies.
    a.send("\x18\x12");
    for what in ["token_command = ", "notify_command = ", "[anywhere] F9 = accept"] {
        a.wait_for(what);
    }
    a.press_until("\x18\x12", "Settings applied.");
    assert!(!ran.exists());
}

/// A folder's file is read to the end before it is trusted, however long it is, and none of it is hidden.
#[test]
fn a_long_file_is_read_to_its_end_before_it_is_trusted() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let file = alice.work().join(".nexscope/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let filler: String = (0..300).map(|nth| format!("# {nth}\n")).collect();
    let wide = "#".repeat(500);
    let text = format!(
        "agent = \"zz\"\n{filler}# {wide}\n# \u{9d}hidden\u{9c}\n[agents.zz]\nkind = \"command\"\ncommand = [\"{}\"]\n# the end\n",
        "evil".repeat(120)
    );
    std::fs::write(&file, text).unwrap();
    let a = alice.screen(80, 24);
    a.wait_for("to review changed settings");
    a.send("\x18\x12");
    a.wait_for("Looser settings");
    a.settle(Duration::from_millis(300));
    a.send("\x18\x12");
    a.wait_for("Read it to the end first.");
    let mut seen = a.screen();
    while !seen.contains("# the end") {
        let before = a.screen();
        a.send("\x1b[6~");
        seen.push_str(&a.wait_until("the next page", |screen| *screen != before));
    }
    for what in ["\\u{9d}hidden\\u{9c}", "[agents.zz]"] {
        assert!(seen.contains(what), "{what}");
    }
    a.press_until("\x18\x12", "Settings applied.");
}

/// A folder's file that is not a regular file is reported, and nothing waits for it.
#[test]
fn a_folders_settings_are_a_plain_file_or_nothing() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let file = alice.work().join(".nexscope/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(alice.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink(alice.path().join("pipe"), &file).unwrap();
    for word in ["invite", "doctor"] {
        let output = support::shell::shell(&alice, &[word]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.contains("it is a link; only a plain file is read"),
            "{word}: {said}"
        );
    }
}
