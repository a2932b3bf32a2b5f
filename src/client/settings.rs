//! Builds a room's settings from the configuration.

use std::{collections::BTreeMap, time::Duration};

use nexscope_relay::protocol::Mode;

use crate::{
    config::{Agent, Config},
    core::{Millis, Settings, runs::settings::Permissions},
};

/// The settings of a room for a member of this name. `unconfirmed` are the agents that wait for the person's
/// confirmation, with the reasons.
pub(super) fn settings(config: &Config, name: &str, unconfirmed: BTreeMap<String, String>) -> Settings {
    fn each<V, M: FromIterator<(String, V)>>(config: &Config, of: impl Fn(&Agent) -> V) -> M {
        let agents = config.agents.iter();
        agents.map(|(name, agent)| (name.clone(), of(agent))).collect()
    }
    let millis = |time: Duration| time.as_millis() as Millis;
    let mut agents = config.agents.values();
    Settings {
        agents: config.agents.keys().cloned().collect(),
        permissions: each(config, Agent::may_do),
        kinds: each(config, |agent| agent.kind.word()),
        budgets: each(config, Agent::budget),
        unconfirmed,
        agent: config.agent.clone(),
        mode: config.mode,
        auto_tools: config.auto_tools && agents.any(|agent| agent.permissions == Permissions::Allow),
        mentions: config.mentions,
        review: config.review,
        share_partial: config.share_partial,
        files: config.files.rules,
        limits: config.limits.clone(),
        expire_after: millis(config.times.expire),
        permission_after: millis(config.times.permission_expire),
        give_up_after: millis(config.times.give_up),
        ..Settings::new(name, &config.room)
    }
}

/// The mode after a reload: the file's if the file has changed it, otherwise the current one, which the
/// person may have set since.
pub(super) fn mode_after_reload(holds: Mode, file_before: Mode, file: Mode) -> Mode {
    match file == file_before {
        true => holds,
        false => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_reload_sets_the_mode_only_where_the_file_changed_it() {
        use Mode::{Auto, Manual};
        // (current mode, the file's before, the file's now, mode after)
        let table = [
            (Manual, Manual, Manual, Manual),
            (Auto, Manual, Manual, Auto),
            (Manual, Manual, Auto, Auto),
            (Auto, Manual, Auto, Auto),
            (Manual, Auto, Auto, Manual),
            (Auto, Auto, Auto, Auto),
            (Manual, Auto, Manual, Manual),
            (Auto, Auto, Manual, Manual),
        ];
        for (holds, before, file, after) in table {
            assert_eq!(
                mode_after_reload(holds, before, file),
                after,
                "{holds:?} {before:?} {file:?}"
            );
        }
    }

    #[test]
    fn the_cores_defaults_are_the_tables() {
        let dir = tempfile::tempdir().unwrap();
        let paths = config::Paths {
            config: dir.path().to_owned(),
            state: dir.path().to_owned(),
            here: dir.path().to_owned(),
            runtime: None,
        };
        let config = config::load(&paths, |_| None, &config::Flags::default()).unwrap();
        let of_table = settings(&config, "alice", BTreeMap::new());
        let of_core = Settings::new("alice", "lobby");
        assert_eq!(format!("{of_table:?}"), format!("{of_core:?}"));
    }
}
