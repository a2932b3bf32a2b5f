//! Agents that reach further than one folder: the person confirms that once, by typing it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    config::{Agent, Paths, in_home},
    core::runs::settings::Project,
};

/// The person's confirmations on this computer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Approvals {
    ledger: PathBuf,
    here: PathBuf,
    lines: Vec<String>,
}

/// Something that an agent reaches, and the line in the ledger that confirms it.
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

    /// The agents that wait for confirmation, and what for. Looks at the disk: folders may be links.
    pub(crate) fn missing(&self, agents: &BTreeMap<String, Agent>) -> BTreeMap<String, String> {
        let each = agents.iter().map(|(name, agent)| {
            let mut reaches = self.reaches(name, agent);
            reaches.retain(|reach| !self.lines.contains(&reach.line));
            let words: Vec<String> = reaches.into_iter().map(|reach| reach.words).collect();
            (name.clone(), words.join(" and "))
        });
        each.filter(|(_, words)| !words.is_empty()).collect()
    }

    /// Confirms everything that an agent reaches. Where that cannot be saved it fails, but holds until the program
    /// ends.
    pub(crate) fn confirm(&mut self, name: &str, agent: &Agent) -> io::Result<()> {
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
    fn a_confirmation_is_for_one_agent_in_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let paths = |here: &str| Paths {
            config: dir.path().to_owned(),
            state: dir.path().to_owned(),
            here: PathBuf::from(here),
            runtime: None,
        };
        let agent = |text: &str| -> Agent { Agent::from_toml(&format!("kind = \"claude\"\n{text}")) };
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
        assert!(
            again.missing(&other).contains_key("d"),
            "a confirmation is for one agent"
        );
    }
}
