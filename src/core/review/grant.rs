//! Grants: what a person has allowed an agent for the rest of a thread. A grant is bound to the agent, the thread,
//! the asker and a rule; it never covers a whole tool that could do anything.

use std::path::Path;

use crate::core::{
    Millis, Steady,
    runs::{GrantRule, ToolRequest},
};

/// Longest lifetime of a grant, in milliseconds.
const LONGEST: Millis = 86_400_000;

/// A permission that holds without asking again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    whose: GrantScope,
    rule: GrantRule,
    until: Steady,
}

/// The scope in which a grant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) struct GrantScope {
    pub agent: String,
    /// The agent's session: a new session has no grants.
    pub thread: String,
    pub asker: String,
}

/// All grants. They end with the program.
#[derive(Debug, Default)]
pub struct Grants {
    list: Vec<Grant>,
}

impl Grants {
    pub(in crate::core) fn add(&mut self, whose: GrantScope, rule: GrantRule, now: Steady) {
        self.list.retain(|grant| grant.until > now);
        self.list.push(Grant {
            whose,
            rule,
            until: now.plus(LONGEST),
        });
    }

    /// Whether a request is already allowed.
    pub(in crate::core) fn covers(&self, whose: &GrantScope, request: &ToolRequest, now: Steady) -> bool {
        let Some(asked) = &request.rule else { return false };
        self.list
            .iter()
            .any(|grant| grant.until > now && grant.whose == *whose && within(asked, &grant.rule))
    }

    /// Drops the grants of a session that is not continued.
    pub(in crate::core) fn forget(&mut self, agent: &str, thread: &str) {
        self.list
            .retain(|grant| grant.whose.agent != agent || grant.whose.thread != thread);
    }
}

fn within(asked: &GrantRule, granted: &GrantRule) -> bool {
    match (asked, granted) {
        (GrantRule::Call { .. }, GrantRule::Call { .. }) => asked == granted,
        (GrantRule::Below(asked), GrantRule::Below(granted)) => is_plain(asked) && asked.starts_with(granted),
        _ => false,
    }
}

/// Whether a path has no `..`, which could lead outside.
fn is_plain(path: &Path) -> bool {
    !path
        .components()
        .any(|part| matches!(part, std::path::Component::ParentDir))
}

/// Formats the rule for a person.
pub(in crate::core) fn in_words(rule: &GrantRule) -> String {
    match rule {
        GrantRule::Call { tool, input } => format!(
            "{} with exactly `{}`",
            crate::text::clean_line(tool, 100),
            crate::text::clean_line(input, 200)
        ),
        GrantRule::Below(folder) => {
            format!(
                "writing below {}",
                crate::text::clean_line(&folder.display().to_string(), 200)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(thread: &str, asker: &str) -> GrantScope {
        GrantScope {
            agent: "claude".into(),
            thread: thread.into(),
            asker: asker.into(),
        }
    }

    fn request(rule: Option<GrantRule>) -> ToolRequest {
        ToolRequest {
            id: "1".into(),
            tool: "Bash".into(),
            what: String::new(),
            hidden: 0,
            outside: Vec::new(),
            rule,
        }
    }

    #[test]
    fn a_grant_holds_for_what_it_says_and_no_more() {
        let call = |tool: &str, text: &str| GrantRule::Call {
            tool: tool.into(),
            input: text.into(),
        };
        let command = |text: &str| Some(call("Bash", text));
        let below = |path: &str| Some(GrantRule::Below(path.into()));
        let mut grants = Grants::default();
        grants.add(whose("t", "bob"), call("Bash", "ls"), Steady::new(0));
        grants.add(
            whose("t", "bob"),
            GrantRule::Below("/app/src".into()),
            Steady::new(0),
        );
        let table = [
            (whose("t", "bob"), command("ls"), 1, true),
            (whose("t", "bob"), command("ls; rm x"), 1, false),
            (whose("t2", "bob"), command("ls"), 1, false),
            (whose("t", "carol"), command("ls"), 1, false),
            (whose("t", "bob"), below("/app/src/a.rs"), 1, true),
            (whose("t", "bob"), below("/app/srcs/a.rs"), 1, false),
            (whose("t", "bob"), below("/app/src/../x"), 1, false),
            (whose("t", "bob"), Some(call("ssh", "ls")), 1, false),
            (whose("t", "bob"), None, 1, false),
            (whose("t", "bob"), command("ls"), LONGEST, false),
        ];
        for (whose, rule, now, expected) in table {
            assert_eq!(
                grants.covers(&whose, &request(rule.clone()), Steady::new(now)),
                expected,
                "{whose:?} {rule:?}"
            );
        }
        grants.forget("claude", "t");
        assert!(!grants.covers(&whose("t", "bob"), &request(command("ls")), Steady::new(1)));
    }
}
