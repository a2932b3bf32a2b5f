//! The room's settings, out of what is configured.

use std::time::Duration;

use crate::{
    config::Config,
    core::{FileRules, Limits, Millis, Settings, runs::settings::Permissions},
};

/// The settings of a room for a member of this name.
pub(super) fn settings(config: &Config, name: &str) -> Settings {
    let usual = Settings::new(name, &config.room);
    let or_usual = |time: Option<Duration>, usual| time.map_or(usual, |time| time.as_millis() as Millis);
    Settings {
        agents: config.agents.keys().cloned().collect(),
        permissions: config
            .agents
            .iter()
            .map(|(name, agent)| (name.clone(), agent.may_do()))
            .collect(),
        kinds: config
            .agents
            .iter()
            .map(|(name, agent)| (name.clone(), agent.kind.word()))
            .collect(),
        unconfirmed: config.confirmed.missing(&config.agents),
        budgets: config
            .agents
            .iter()
            .map(|(name, agent)| (name.clone(), agent.budget()))
            .collect(),
        agent: config.agent.clone(),
        mode: config.mode,
        auto_tools: config.auto_tools
            && config
                .agents
                .values()
                .any(|agent| agent.permissions == Permissions::Allow),
        mentions: config.mentions,
        review: config.review,
        share_partial: config.share_partial,
        files: FileRules {
            auto_accept_below: config.files.auto_accept_below,
            max: config.files.max,
        },
        limits: Limits {
            hop_limit: config.hop_limit,
            ..Limits::default()
        },
        expire_after: or_usual(config.times.expire, usual.expire_after),
        permission_after: or_usual(config.times.permission_expire, usual.permission_after),
        give_up_after: or_usual(config.times.give_up, usual.give_up_after),
        ..usual
    }
}
