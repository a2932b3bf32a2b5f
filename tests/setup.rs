//! Registration with Claude Code and Codex, beside an installed nexscope-plugin, and taking over its settings.

mod support;

use std::{fs, path::Path};

use support::{
    Home, Relay, TOKEN, Term,
    shell::{Running, fails, program, shell},
};

const ENTER: &str = "\r";

#[track_caller]
fn printed(home: &Home, arguments: &[&str]) -> String {
    let output = shell(home, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The settings of nexscope-plugin in the person's folder.
fn plugin_settings(home: &Home, relay: &str, mode: &str) {
    let path = home.work().join(".claude/plugin-data/nexscope/config.json");
    let text = format!(
        r#"{{"relayUrl":"{relay}","token":"{TOKEN}","defaultName":"plug","mode":"{mode}","hopLimit":2}}"#
    );
    write(&path, &text);
}

/// Issue 16, 38.
#[test]
fn both_claude_plugins_are_reported_and_remove_leaves_nothing_broken() {
    let mut ann = Home::empty("ann");
    let plugins = ann.path().join(".claude/plugins");
    assert!(!printed(&ann, &["setup", "claude"]).contains("nexscope-plugin"));
    write(
        &plugins.join("installed_plugins.json"),
        r#"{"version":2,"plugins":{"nexscope@nexscope-marketplace":[{"scope":"user"}],"nexscope@nexscope":[{"scope":"user"}]}}"#,
    );
    let both = printed(&ann, &["setup", "claude"]);
    assert!(
        both.contains("twice") && both.contains("/plugin uninstall nexscope@nexscope-marketplace"),
        "{both}"
    );
    let market = ann.path().join("config/nexscope/claude");
    let known = format!(
        r#"{{"nexscope":{{"source":{{"source":"directory","path":"{}"}}}}}}"#,
        market.display()
    );
    write(&plugins.join("known_marketplaces.json"), &known);
    // Where Claude Code cannot remove it, the files stay, so that nothing fails to load.
    ann.set("PATH", "/nowhere");
    let (code, error) = fails(&ann, &["setup", "claude", "--remove"]);
    assert!(
        code == 1 && error.contains("Type /plugin uninstall nexscope@nexscope in Claude Code"),
        "{error}"
    );
    assert!(market.exists());
    let bin = ann.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    ann.script("bin/claude", "echo \"$@\" >> \"$HOME/asked\"");
    ann.set("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let dry = printed(&ann, &["setup", "claude", "--remove", "--dry-run"]);
    assert!(dry.contains("Runs claude plugin uninstall"), "{dry}");
    assert!(market.exists() && !ann.path().join("asked").exists());
    printed(&ann, &["setup", "claude", "--remove"]);
    assert_eq!(
        fs::read_to_string(ann.path().join("asked")).unwrap(),
        "plugin uninstall nexscope@nexscope\nplugin marketplace remove nexscope\n"
    );
    assert!(!market.exists());
}

/// Issue 16, 38.
#[test]
fn codex_gets_its_replaced_entry_and_instructions_back() {
    let ann = Home::empty("ann");
    let (config, agents) = (
        ann.path().join(".codex/config.toml"),
        ann.path().join(".codex/AGENTS.md"),
    );
    let entry =
        "model = \"x\"\n\n[mcp_servers.nexscope]\ncommand = \"node\"\nargs    = [\"/p/mcp-server.js\"]\n";
    let block = "<!-- nexscope-codex:nexscope:start -->\nPoll.\n<!-- nexscope-codex:nexscope:end -->\n";
    let instructions = format!("# Mine\n\n{block}");
    write(&config, entry);
    write(&agents, &instructions);
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let told = printed(&ann, &["setup", "codex", "--dry-run"]);
    assert!(
        told.contains("Replaces another program's") && told.contains("--remove-instructions"),
        "{told}"
    );
    assert_eq!(read(&config), entry);
    printed(&ann, &["setup", "codex"]);
    assert!(!read(&config).contains("node") && read(&agents) == instructions);
    // A terminal is asked about the instructions.
    let screen = Term::spawn(&ann, &["setup", "codex"], 120, 20);
    screen.wait_for("Remove them? [y/N]");
    screen.send("y\r");
    screen.end();
    assert_eq!(read(&agents), "# Mine\n");
    let told = printed(&ann, &["setup", "codex", "--remove"]);
    assert!(told.contains("Puts the replaced"), "{told}");
    assert_eq!((read(&config), read(&agents)), (entry.to_owned(), instructions));
}

/// Issue 16, 38: the plugin's settings were the fourth choice.
#[test]
fn three_times_enter_joins_with_the_plugins_settings() {
    let relay = Relay::start();
    let ann = Home::empty("ann");
    plugin_settings(&ann, &relay.url(), "auto");
    let a = ann.screen(90, 24);
    a.wait_for("› plug");
    a.send(ENTER);
    let screen = a.wait_for("▸ Join with nexscope-plugin's settings");
    assert!(
        screen.contains("Its mode auto is") && screen.contains("until you type /mode auto"),
        "{screen}"
    );
    a.send(ENTER);
    a.wait_until("the agents of this computer, if any", |screen| {
        screen.contains("No agent was found") || screen.contains("Which agents")
    });
    a.send(ENTER);
    a.wait_for("● ws://");
    let saved = fs::read_to_string(ann.path().join("config/nexscope/config.toml")).unwrap();
    assert!(saved.contains(&relay.url()) && !saved.contains("auto"), "{saved}");
}

/// Issue 16, 38: lines hosted a room as guest instead, and a placeholder was a wrong token.
#[test]
fn lines_name_the_plugins_settings_and_a_placeholder_is_no_token() {
    let relay = Relay::start();
    let mut ann = Home::empty("ann");
    plugin_settings(&ann, &relay.url(), "manual");
    let (code, error) = fails(&ann, &["--plain"]);
    assert!(
        code == 1 && error.contains(&relay.url()) && error.contains("Run nexscope-tui in a terminal"),
        "{error}"
    );
    assert!(!error.contains(TOKEN));
    ann.set("NEXSCOPE_RELAY_URL", relay.url());
    ann.set("NEXSCOPE_TOKEN", "REPLACE_ME");
    let (_, error) = fails(&ann, &["--plain"]);
    assert!(
        error.contains("NEXSCOPE_TOKEN is REPLACE_ME") && error.contains("there is no token for"),
        "{error}"
    );
    ann.set("NEXSCOPE_TOKEN", TOKEN);
    let running = Running::start(&ann, &["--plain"]);
    running.wait_for("-- in #lobby as");
    let doctor = program(&ann, &["doctor"]).output().unwrap();
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("accepts it"));
}
