//! What opencode needs to ask first: it has no mode for that, and does everything without asking unless its
//! configuration says otherwise.

use crate::{
    agent::Run,
    core::runs::settings::{Permissions, Project},
};

/// Its name in the answer to `initialize`.
pub(super) const NAME: &str = "OpenCode";

/// Rules that are merged over its configuration. The last rule that matches a tool counts, so the tools that do
/// something are named: a `*` of its own configuration stays in front of them.
const ASK: &str = r#"{
    "*": "ask", "edit": "ask", "bash": "ask", "task": "ask", "webfetch": "ask", "websearch": "ask",
    "external_directory": "ask", "glob": "allow", "grep": "allow", "list": "allow", "todowrite": "allow",
    "read": { "*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow" }
}"#;

/// The variables for `run`. Other programs ignore them.
pub(super) fn env(run: &Run) -> Vec<(&'static str, &'static str)> {
    let mut env = vec![
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_SHARE", "1"),
    ];
    if run.agent.permissions != Permissions::Allow {
        env.push(("OPENCODE_PERMISSION", ASK));
    }
    if run.agent.project != Project::Full {
        env.push(("OPENCODE_DISABLE_PROJECT_CONFIG", "1"));
    }
    env
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_rules_are_json_and_let_nothing_be_changed_without_asking() {
        let rules: Value = serde_json::from_str(ASK).unwrap();
        for tool in ["*", "edit", "bash", "task", "webfetch", "external_directory"] {
            assert_eq!(rules[tool], "ask", "{tool}");
        }
    }
}
