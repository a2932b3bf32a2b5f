//! Agents that reach further than a folder of their own: their person says yes to that once, by typing it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    config::{Paths, in_home},
    core::runs::settings::{Agent, Project},
};

/// What the person has said yes to, on this computer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    ledger: PathBuf,
    here: PathBuf,
    lines: Vec<String>,
}

/// What an agent reaches, and the line by which a yes to it is known.
struct AgentReach {
    words: String,
    line: String,
}

impl Approvals {
    pub(crate) fn read(paths: &Paths) -> Self {
        let ledger = paths.state.join("nexscope").join("confirmed");
        let lines = crate::store::read_private_text(&ledger).unwrap_or_default();
        Self {
            ledger,
            here: paths.here.clone(),
            lines: lines.lines().map(str::to_owned).collect(),
        }
    }

    /// The agents that wait for a yes, and what it is to, in words.
    pub fn missing(&self, agents: &BTreeMap<String, Agent>) -> BTreeMap<String, String> {
        let each = agents.iter().filter_map(|(name, agent)| {
            let words: Vec<String> = self
                .reaches(name, agent)
                .into_iter()
                .filter(|reach| !self.lines.contains(&reach.line))
                .map(|reach| reach.words)
                .collect();
            (!words.is_empty()).then(|| (name.clone(), words.join(" and ")))
        });
        each.collect()
    }

    /// The person has said yes to all that an agent reaches. Fails where that cannot be written down; it holds until
    /// the program ends anyway.
    pub fn confirm(&mut self, name: &str, agent: &Agent) -> io::Result<()> {
        for reach in self.reaches(name, agent) {
            if !self.lines.contains(&reach.line) {
                self.lines.push(reach.line);
            }
        }
        let all: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        crate::store::write_private(&self.ledger, all.as_bytes())
    }

    fn reaches(&self, name: &str, agent: &Agent) -> Vec<AgentReach> {
        let dir = agent.dir.as_deref().map_or_else(|| self.here.clone(), in_home);
        let dir = dir.canonicalize().unwrap_or(dir);
        let home = std::env::home_dir().and_then(|home| home.canonicalize().ok());
        let mut reaches = Vec::new();
        let mut reach = |what: &str, words: String| {
            reaches.push(AgentReach {
                words,
                // A line break in a path would begin another line.
                line: format!("{what} {name} {}", dir.display().to_string().escape_debug()),
            });
        };
        if dir == Path::new("/") {
            reach("folder", "works in all of this computer's folders".to_owned());
        } else if Some(&dir) == home.as_ref() {
            reach("folder", "works in your whole home folder".to_owned());
        }
        if agent.project == Project::Full {
            reach(
                "project",
                format!("runs the hooks and servers that {} brings", dir.display()),
            );
        }
        reaches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_to_one_agent_in_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let paths = |here: &str| Paths {
            config: dir.path().to_owned(),
            state: dir.path().to_owned(),
            here: PathBuf::from(here),
            runtime: None,
        };
        let agent = |text: &str| -> Agent { toml::from_str(&format!("kind = \"claude\"\n{text}")).unwrap() };
        let words = |confirmed: &Approvals, text: &str| {
            let agents = BTreeMap::from([("c".to_owned(), agent(text))]);
            confirmed.missing(&agents).remove("c").unwrap_or_default()
        };
        let folder = dir.path().display().to_string();
        let mut confirmed = Approvals::read(&paths(&folder));
        assert_eq!(words(&confirmed, ""), "");
        assert!(words(&confirmed, "dir = \"/\"").contains("all of this computer"));
        assert!(words(&confirmed, "dir = \"~\"").contains("home folder"));
        assert!(words(&confirmed, "project = \"full\"").contains("hooks and servers"));

        confirmed.confirm("c", &agent("dir = \"/\"")).unwrap();
        let again = Approvals::read(&paths("/"));
        assert_eq!(words(&again, ""), "");
        assert!(words(&again, "dir = \"~\"").contains("home folder"));
        assert!(words(&again, "project = \"full\"").contains("hooks"));
        let other = BTreeMap::from([("d".to_owned(), agent(""))]);
        assert!(again.missing(&other).contains_key("d"), "a yes is to one agent");
    }
}
