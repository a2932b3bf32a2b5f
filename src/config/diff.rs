//! What a configuration that was saved means for a session that goes on: what is as safe or safer holds at
//! once, looser settings waits for the person, and who and where one is stays until the next start.

use nexscope_relay::protocol::Mode;

use super::{Config, TokenSource};
use crate::core::{
    Mentions, Review,
    runs::settings::{Agent, Permissions, Project},
};

/// A change, taken apart.
#[derive(Debug, Clone)]
pub struct ConfigDiff {
    /// What holds at once: the new values, but for those that are looser.
    pub safe: Config,
    /// Looser settings, in a few words each; it waits for a key.
    pub looser: Vec<String>,
    /// All that changes with it: what a person reads before they take it.
    pub details: Vec<String>,
    /// Settings that hold from the next start on.
    pub later: Vec<&'static str>,
}

impl ConfigDiff {
    /// Compares the configuration that holds with one that was saved.
    pub fn between(now: &Config, new: &Config) -> Self {
        let mut change = Self {
            safe: new.clone(),
            looser: Vec::new(),
            details: Vec::new(),
            later: Vec::new(),
        };
        let safe = &mut change.safe;
        let mut looser = |is: bool, words: String| {
            if is {
                change.details.push(words.clone());
                change.looser.push(words);
            }
            is
        };
        if looser(
            new.mode == Mode::Auto && now.mode == Mode::Manual,
            "mode = \"auto\"".into(),
        ) {
            safe.mode = now.mode;
        }
        if looser(new.auto_tools && !now.auto_tools, "auto_tools = true".into()) {
            safe.auto_tools = false;
        }
        let limit = format!("hop_limit = {}", new.hop_limit);
        if looser(new.hop_limit > now.hop_limit, limit) {
            safe.hop_limit = now.hop_limit;
        }
        let review = new.review == Review::Flagged && now.review == Review::Always;
        if looser(review, "review = \"flagged\"".into()) {
            safe.review = now.review;
        }
        let share = new.share_partial && !now.share_partial;
        if looser(share, "share_partial = true".into()) {
            safe.share_partial = false;
        }
        let mentions = new.mentions == Mentions::Room && now.mentions == Mentions::Direct;
        if looser(mentions, "mentions = \"room\"".into()) {
            safe.mentions = now.mentions;
        }
        let files = (&new.files, &now.files);
        if looser(
            files.0.auto_accept_below > files.1.auto_accept_below,
            format!(
                "files.auto_accept_below = \"{}\"",
                crate::text::bytes(files.0.auto_accept_below)
            ),
        ) {
            safe.files.auto_accept_below = now.files.auto_accept_below;
        }
        let max = format!("files.max = \"{}\"", crate::text::bytes(files.0.max));
        if looser(files.0.max > files.1.max, max) {
            safe.files.max = now.files.max;
        }
        let calls = new.notify_command != now.notify_command && !new.notify_command.is_empty();
        let command = format!("ui.notify_command = {:?}", new.notify_command);
        if looser(calls, command) {
            safe.notify_command.clone_from(&now.notify_command);
        }
        // It runs at the next start, which the person knows from now on.
        if let (Some(TokenSource::Command(command)), true) = (&new.token, new.token != now.token) {
            looser(true, format!("token_command = {command:?}, at the next start"));
        }
        safe.files.dir.clone_from(&now.files.dir);
        for (name, agent) in &new.agents {
            let words = match now.agents.get(name) {
                None => format!("agents.{name} is new"),
                Some(old) if is_looser(old, agent) => format!("agents.{name} may do more"),
                Some(_) => continue,
            };
            change.looser.push(words);
            let old = now.agents.get(name).map(Agent::settings).unwrap_or_default();
            for (key, value) in agent.settings() {
                let before = old
                    .iter()
                    .find(|(other, _)| *other == key)
                    .map(|(_, value)| value);
                match before {
                    Some(before) if *before == value => {}
                    Some(before) => {
                        change.details.push(format!("agents.{name}.{key} = {value}"));
                        change.details.push(format!("    it was {before}"));
                    }
                    None => change.details.push(format!("agents.{name}.{key} = {value}")),
                }
            }
            match now.agents.get(name) {
                Some(old) => _ = safe.agents.insert(name.clone(), old.clone()),
                None => _ = safe.agents.remove(name),
            }
        }
        let other = new.agent != now.agent && new.agent.is_some();
        if other {
            let name = new.agent.as_deref().unwrap_or_default();
            let words = format!("agent = \"{name}\"");
            change.details.push(words.clone());
            change.looser.push(words);
            safe.agent.clone_from(&now.agent);
        }
        change.later = [
            ("name", new.name != now.name),
            ("relay", new.relay != now.relay || new.host != now.host),
            ("token", new.token != now.token),
            ("room", new.room != now.room),
            ("files.dir", new.files.dir != now.files.dir),
        ]
        .into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
        .collect();
        change
    }

    /// Who and where one is, as it was: that is what a session cannot change.
    pub fn staying(now: &Config, new: Config) -> Config {
        Config {
            name: now.name.clone(),
            relay: now.relay.clone(),
            host: now.host,
            token: now.token.clone(),
            room: now.room.clone(),
            ..new
        }
    }
}

/// Whether an agent may do more than before, or is another program: all but its limits of time, and what
/// takes from what it may do.
fn is_looser(old: &Agent, new: &Agent) -> bool {
    let rank = |permissions| match permissions {
        Permissions::ReadOnly => 0,
        Permissions::Ask => 1,
        Permissions::Allow => 2,
    };
    let own = |project| match project {
        Project::None => 0,
        Project::Memory => 1,
        Project::Full => 2,
    };
    rank(new.permissions) > rank(old.permissions)
        || own(new.project) > own(old.project)
        || new.kind != old.kind
        || new.command != old.command
        || new.dir != old.dir
        || new.budget_usd_per_day > old.budget_usd_per_day
        || new.budget_tokens_per_day > old.budget_tokens_per_day
        || new.budget_runs_per_day > old.budget_runs_per_day
        || !new.env.iter().all(|name| old.env.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Paths, load};

    fn config(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            config: dir.path().to_owned(),
            state: dir.path().join("s"),
            here: dir.path().join("h"),
            runtime: None,
        };
        std::fs::write(paths.user_file(), text).unwrap();
        load(&paths, |_| None, &Flags::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_looser_waits_and_the_rest_holds() {
        let agent = "agent = \"a\"\n[agents.a]\nkind = \"claude\"\n";
        let with = |more: &str| format!("{agent}{more}");
        let read_only = with("permissions = \"read-only\"");
        // (before, after, what waits)
        let table: &[(&str, &str, &[&str])] = &[
            ("", "mode = \"auto\"", &["mode = \"auto\""]),
            ("mode = \"auto\"", "mode = \"manual\"", &[]),
            ("hop_limit = 2", "hop_limit = 5", &["hop_limit = 5"]),
            ("hop_limit = 5", "hop_limit = 2", &[]),
            ("review = \"always\"", "", &["review = \"flagged\""]),
            ("", "review = \"always\"", &[]),
            ("", "mentions = \"room\"", &["mentions = \"room\""]),
            ("", "share_partial = true", &["share_partial = true"]),
            ("share_partial = true", "share_partial = false", &[]),
            (
                "",
                "[files]\nauto_accept_below = \"1 MiB\"",
                &["files.auto_accept_below = \"1.0 MB\""],
            ),
            ("", agent, &["agents.a is new", "agent = \"a\""]),
            (agent, "", &[]),
            (&read_only, agent, &["agents.a may do more"]),
            (agent, &read_only, &[]),
            (agent, &with("env = [\"X\"]"), &["agents.a may do more"]),
            (agent, &with("command = [\"other\"]"), &["agents.a may do more"]),
            (
                agent,
                &with("budget_usd_per_day = 9.0"),
                &["agents.a may do more"],
            ),
            (
                agent,
                &with("budget_tokens_per_day = 9000000"),
                &["agents.a may do more"],
            ),
            (
                agent,
                &with("budget_runs_per_day = 99"),
                &["agents.a may do more"],
            ),
            (
                agent,
                &with("budget_runs_per_day = 9\nbudget_usd_per_day = 1.0"),
                &[],
            ),
            (agent, &with("timeout = \"2m\""), &[]),
            (
                "",
                "[ui]\nnotify_command = [\"evil\"]",
                &["ui.notify_command = [\"evil\"]"],
            ),
            ("[ui]\nnotify_command = [\"good\"]", "", &[]),
            (
                "",
                "token_command = [\"evil\"]",
                &["token_command = [\"evil\"], at the next start"],
            ),
        ];
        for (before, after, expected) in table {
            let change = ConfigDiff::between(&config(before), &config(after));
            assert_eq!(change.looser, *expected, "{before} -> {after}");
            // What holds at once is never looser than what held; a token is for the next start.
            let again = ConfigDiff::between(
                &config(before),
                &Config {
                    token: config(before).token,
                    ..change.safe
                },
            );
            assert!(again.looser.is_empty(), "{before} -> {after}: {:?}", again.looser);
        }
    }

    #[test]
    fn all_that_changes_of_an_agent_is_told() {
        let before = "[agents.a]\nkind = \"claude\"\n";
        let after = "[agents.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"curl evil\"]\npermissions = \"allow\"\n";
        let change = ConfigDiff::between(&config(before), &config(after));
        assert_eq!(change.looser, ["agents.a may do more"]);
        let told = change.details.join("\n");
        for line in [
            "agents.a.kind = command\n    it was claude",
            "agents.a.command = [\"sh\", \"-c\", \"curl evil\"]\n    it was []",
            "agents.a.permissions = allow\n    it was ask",
        ] {
            assert!(told.contains(line), "{line} in {told}");
        }
        let new = ConfigDiff::between(&config(""), &config(after))
            .details
            .join("\n");
        assert!(
            new.contains("agents.a.command = [\"sh\"") && new.contains("agents.a.env = []"),
            "{new}"
        );
    }

    #[test]
    fn who_and_where_one_is_waits_for_the_next_start() {
        let change = ConfigDiff::between(&config("name = \"a\""), &config("name = \"b\"\nroom = \"x\""));
        assert_eq!(change.later, ["name", "room"]);
        assert!(change.looser.is_empty());
    }
}
