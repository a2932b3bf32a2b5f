//! Compares a saved configuration with the current one: values that are as safe or safer hold at once, looser ones wait
//! for the person, and name, room and relay stay until the next start.

use super::{
    Agent, Config,
    schema::{AGENT, OnReload, SETTINGS, Setting},
};

#[derive(Debug, Clone)]
pub(crate) struct ConfigDiff {
    /// The new settings, without those that are looser or hold at the next start.
    pub(crate) safe: Config,
    /// The looser settings, each with its new value.
    pub(crate) looser: Vec<String>,
    /// The same in full, for the person to read before they confirm.
    pub(crate) details: Vec<String>,
    /// Keys of settings that hold at the next start.
    pub(crate) later: Vec<&'static str>,
}

impl ConfigDiff {
    pub(crate) fn between(now: &Config, new: &Config) -> Self {
        let mut change = Self {
            safe: new.clone(),
            looser: Vec::new(),
            details: Vec::new(),
            later: Vec::new(),
        };
        for setting in SETTINGS {
            change.setting(setting, now, new);
            let agents = new.agents.iter().filter(|_| setting.key == "agents");
            agents.for_each(|(name, agent)| change.agent(name, now.agents.get(name), agent));
        }
        change
    }

    fn setting(&mut self, setting: &Setting<Config>, now: &Config, new: &Config) {
        let restarts = setting.on_reload == OnReload::Restart;
        if restarts && (setting.get)(new) != (setting.get)(now) {
            self.later.push(setting.key);
        }
        let looser = setting.on_reload != OnReload::Live && setting.is_looser(new, now);
        if looser {
            let when = if restarts { ", at the next start" } else { "" };
            let words = format!("{} = {}{when}", setting.key, setting.show(new));
            self.details.push(words.clone());
            self.looser.push(words);
        }
        if looser || restarts {
            (setting.copy)(&mut self.safe, now);
        }
    }

    fn agent(&mut self, name: &str, now: Option<&Agent>, new: &Agent) {
        let is_looser = |now| AGENT.iter().any(|setting| setting.is_looser(new, now));
        self.looser.push(match now {
            None => format!("agents.{name} is new"),
            Some(now) if is_looser(now) => format!("agents.{name} may do more"),
            Some(_) => return,
        });
        for setting in AGENT {
            let (key, value) = (setting.key, setting.show(new));
            let before = now.map(|now| setting.show(now));
            if before.as_ref() != Some(&value) {
                let before = before.map(|before| format!("    it was {before}"));
                self.details.push(format!("agents.{name}.{key} = {value}"));
                self.details.extend(before);
            }
        }
        match now {
            Some(now) => _ = self.safe.agents.insert(name.to_owned(), now.clone()),
            None => _ = self.safe.agents.remove(name),
        }
    }

    /// `new` with the settings of `now` that a running session cannot change.
    pub(crate) fn staying(now: &Config, new: Config) -> Config {
        let mut config = new;
        let restart = |setting: &&Setting<_>| setting.on_reload == OnReload::Restart;
        let stay = SETTINGS.iter().filter(restart);
        stay.for_each(|setting| (setting.copy)(&mut config, now));
        config
    }
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
            // Settings that hold at once are never looser than before; a token is for the next start.
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
            "agents.a.kind = \"command\"\n    it was \"claude\"",
            "agents.a.command = [\"sh\", \"-c\", \"curl evil\"]\n    it was []",
            "agents.a.permissions = \"allow\"\n    it was \"ask\"",
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
