//! Registers the MCP server in Codex's `config.toml`. What it replaces is kept in a file beside it, and
//! `--remove` puts it back.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{Setup, home_of, is_confirmed, read, save};
use crate::cli::{Failure, say};

const SERVERS: &str = "mcp_servers";
const ENTRY: &str = "nexscope";
/// The key of removed instructions in the file of what was replaced.
const INSTRUCTIONS: &str = "agents_md";
/// What nexscope-plugin puts around its instructions in `AGENTS.md`.
const BLOCK: [&str; 2] = [
    "<!-- nexscope-codex:nexscope:start -->",
    "<!-- nexscope-codex:nexscope:end -->",
];

pub(super) fn run(setup: &Setup, program: &Path) -> Result<(), Failure> {
    let folder = home_of("CODEX_HOME", ".codex")?;
    let mut files = Files::read(&folder)?;
    let done = if setup.remove {
        files.remove(program)?
    } else {
        files.add(program, setup.remove_instructions, setup.dry_run)?
    };
    if done.is_empty() {
        let what = if setup.remove {
            "not registered"
        } else {
            "registered already"
        };
        return say(&format!("Nexscope is {what} in {}", files.config.path.display()));
    }
    for line in done {
        say(&line)?;
    }
    match setup.dry_run {
        true => Ok(()),
        false => files.save(),
    }
}

/// A file, as it is on disk and as it will be.
struct Changed {
    path: PathBuf,
    old: Option<String>,
    new: Option<String>,
}

impl Changed {
    fn read(path: PathBuf) -> Result<Self, Failure> {
        let old = read(&path)?;
        Ok(Self {
            path,
            new: old.clone(),
            old,
        })
    }

    fn document(&self) -> Result<DocumentMut, Failure> {
        let parsed = self.new.as_deref().unwrap_or_default().parse();
        parsed.map_err(|error| Failure::Words(format!("{} cannot be read: {error}", self.path.display())))
    }

    fn save(&self) -> Result<(), Failure> {
        match &self.new {
            new if *new == self.old => Ok(()),
            Some(text) => save(&self.path, text),
            None => std::fs::remove_file(&self.path).map_err(|error| Failure::Save(self.path.clone(), error)),
        }
    }
}

struct Files {
    config: Changed,
    instructions: Changed,
    replaced: Changed,
}

impl Files {
    fn read(folder: &Path) -> Result<Self, Failure> {
        Ok(Self {
            config: Changed::read(folder.join("config.toml"))?,
            instructions: Changed::read(folder.join("AGENTS.md"))?,
            replaced: Changed::read(folder.join("nexscope-replaced.toml"))?,
        })
    }

    /// What was replaced is written before it is gone from its own file, and removed after it is back.
    fn save(&self) -> Result<(), Failure> {
        let (config, instructions) = (&self.config, &self.instructions);
        let order = match self.replaced.new {
            Some(_) => [&self.replaced, config, instructions],
            None => [config, instructions, &self.replaced],
        };
        order.into_iter().try_for_each(Changed::save)
    }

    /// Registers the server. Returns what it changes, for the person.
    fn add(&mut self, program: &Path, and_instructions: bool, dry_run: bool) -> Result<Vec<String>, Failure> {
        let mut done = Vec::new();
        let mut document = self.config.document()?;
        let mut replaced = self.replaced.document()?;
        if let Some(other) = take_other(&mut document, program) {
            done.push(format!(
                "Replaces another program's [{SERVERS}.{ENTRY}]; it is kept in {}, and --remove puts it back",
                self.replaced.path.display()
            ));
            table(&mut replaced)?.insert(ENTRY, other);
        }
        register(&mut document, program)?;
        let new = document.to_string();
        if self.config.old.as_deref() != Some(new.as_str()) {
            done.push(format!(
                "Writes [{SERVERS}.{ENTRY}] to {}",
                self.config.path.display()
            ));
            self.config.new = Some(new);
        }
        let text = self.instructions.old.clone().unwrap_or_default();
        if let Some((block, without)) = without_block(&text) {
            let path = self.instructions.path.display();
            let question = format!("{path} has nexscope-plugin's instructions for the agent. Remove them?");
            if and_instructions || !dry_run && is_confirmed(&question)? {
                done.push(format!(
                    "Removes nexscope-plugin's instructions from {path}; --remove puts them back"
                ));
                replaced[INSTRUCTIONS] = value(block);
                self.instructions.new = Some(without);
            } else {
                done.push(format!(
                    "{path} still has nexscope-plugin's instructions; setup codex --remove-instructions removes them"
                ));
            }
        }
        if !replaced.is_empty() {
            self.replaced.new = Some(replaced.to_string());
        }
        Ok(done)
    }

    /// Unregisters the server and puts back what it had replaced. Returns what it changes, for the person.
    fn remove(&mut self, program: &Path) -> Result<Vec<String>, Failure> {
        let mut done = Vec::new();
        let mut document = self.config.document()?;
        let mut replaced = self.replaced.document()?;
        let config = self.config.path.display();
        if entry(&document).is_some_and(|entry| is_ours(entry, program)) {
            done.push(format!("Removes [{SERVERS}.{ENTRY}] from {config}"));
            table(&mut document)?.remove(ENTRY);
        }
        let before = replaced.get_mut(SERVERS).and_then(Item::as_table_mut);
        if let Some(before) = before.and_then(|servers| servers.remove(ENTRY)) {
            // Another program may have registered itself since.
            if entry(&document).is_none() {
                done.push(format!(
                    "Puts the replaced [{SERVERS}.{ENTRY}] back into {config}"
                ));
                table(&mut document)?.insert(ENTRY, before);
            }
        }
        if table(&mut document)?.is_empty() {
            document.remove(SERVERS);
        }
        if let Some(block) = replaced.get(INSTRUCTIONS).and_then(Item::as_str) {
            let text = self.instructions.old.clone().unwrap_or_default();
            if without_block(&text).is_none() {
                done.push(format!(
                    "Puts nexscope-plugin's instructions back into {}",
                    self.instructions.path.display()
                ));
                self.instructions.new = Some(text + block);
            }
        }
        if self.config.old.is_some() {
            self.config.new = Some(document.to_string());
        }
        self.replaced.new = None;
        Ok(done)
    }
}

fn entry(document: &DocumentMut) -> Option<&Item> {
    document.get(SERVERS)?.get(ENTRY)
}

/// Whether an entry starts this program, or an earlier build of it.
fn is_ours(entry: &Item, program: &Path) -> bool {
    let command = entry.get("command").and_then(Item::as_str).map(Path::new);
    let is_named = command.is_some_and(|command| {
        command == program || command.file_name().is_some_and(|name| name == "nexscope-tui")
    });
    let arguments = entry.get("args").and_then(Item::as_array);
    is_named && arguments.is_some_and(|all| all.iter().filter_map(|one| one.as_str()).eq(["mcp"]))
}

/// Takes another program's entry out.
fn take_other(document: &mut DocumentMut, program: &Path) -> Option<Item> {
    entry(document).filter(|entry| !is_ours(entry, program))?;
    document.get_mut(SERVERS)?.as_table_like_mut()?.remove(ENTRY)
}

/// The table of servers, which is made if it does not exist. Fails if it is something else.
fn table(document: &mut DocumentMut) -> Result<&mut Table, Failure> {
    let servers = document.entry(SERVERS).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    servers.as_table_mut().ok_or_else(|| {
        Failure::Words(format!(
            "{SERVERS} in Codex's config.toml is not a table; fix that first"
        ))
    })
}

fn register(document: &mut DocumentMut, program: &Path) -> Result<(), Failure> {
    let entry = table(document)?
        .entry(ENTRY)
        .or_insert_with(|| Item::Table(Table::new()));
    let entry = entry.as_table_like_mut().ok_or_else(|| {
        Failure::Words(format!(
            "{SERVERS}.{ENTRY} in Codex's config.toml is not a table; fix that first"
        ))
    })?;
    let list = |words: &[&str]| words.iter().copied().collect::<Array>();
    let mut set = |key: &str, new: Item| {
        // An entry with the same meaning stays as it was written.
        if entry
            .get(key)
            .is_none_or(|old| old.to_string().trim() != new.to_string().trim())
        {
            entry.insert(key, new);
        }
    };
    set("command", value(program.to_string_lossy().as_ref()));
    set("args", value(list(&["mcp"])));
    // Without these the server would look for sessions elsewhere.
    set(
        "env_vars",
        value(list(&["XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"])),
    );
    Ok(())
}

/// The plugin's block, and the text without it.
fn without_block(text: &str) -> Option<(String, String)> {
    let begin = text.find(BLOCK[0])?;
    let end = begin + text[begin..].find(BLOCK[1])? + BLOCK[1].len();
    // The plugin puts an empty line before its block and a line break behind it.
    let begin = begin - usize::from(text[..begin].ends_with("\n\n"));
    let end = end + usize::from(text[end..].starts_with('\n'));
    Some((
        text[begin..end].to_owned(),
        format!("{}{}", &text[..begin], &text[end..]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "/bin/nexscope-tui";

    #[test]
    fn codex_keeps_what_is_there_and_running_again_changes_nothing() {
        let before = "# mine\nmodel = \"x\" # why\n\n[mcp_servers.other]\ncommand = \"y\"\n";
        let mut document: DocumentMut = before.parse().unwrap();
        register(&mut document, Path::new(PROGRAM)).unwrap();
        let once = document.to_string();
        assert!(once.starts_with(before.trim_end()), "{once}");
        assert!(
            once.contains("[mcp_servers.nexscope]\ncommand = \"/bin/nexscope-tui\"\nargs = [\"mcp\"]"),
            "{once}"
        );
        let mut again: DocumentMut = once.parse().unwrap();
        register(&mut again, Path::new(PROGRAM)).unwrap();
        assert_eq!(again.to_string(), once);
    }

    /// Issue 16, 38: the plugin's entry was overwritten without a word, and lost.
    #[test]
    fn what_setup_replaces_comes_back() {
        let entry = "[mcp_servers.nexscope]\ncommand = \"node\"\nargs    = [\"/p/mcp-server.js\"]\n\n[mcp_servers.nexscope.env]\nA = \"1\"\n";
        let block = format!("{}\nCall nexscope_poll.\n{}\n", BLOCK[0], BLOCK[1]);
        let table = [
            (entry.to_owned(), block.clone()),
            (format!("model = \"x\"\n\n{entry}"), format!("# Mine\n\n{block}")),
            (
                format!("{entry}\n[mcp_servers.other]\ncommand = \"y\"\n"),
                format!("# Mine\n\n{block}\nMore.\n"),
            ),
        ];
        for (config, instructions) in table {
            let dir = tempfile::tempdir().unwrap();
            let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
            let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
            write("config.toml", &config);
            write("AGENTS.md", &instructions);
            let mut files = Files::read(dir.path()).unwrap();
            let done = files.add(Path::new(PROGRAM), true, false).unwrap();
            assert_eq!(done.len(), 3, "{done:?}");
            files.save().unwrap();
            assert!(!text("config.toml").contains("node"), "{}", text("config.toml"));
            assert!(!text("AGENTS.md").contains("nexscope"), "{}", text("AGENTS.md"));
            let mut files = Files::read(dir.path()).unwrap();
            assert!(files.add(Path::new(PROGRAM), true, false).unwrap().is_empty());
            // A later build at another place is still the same registration.
            let mut files = Files::read(dir.path()).unwrap();
            let done = files.remove(Path::new("/new/nexscope-tui")).unwrap();
            assert_eq!(done.len(), 3, "{done:?}");
            files.save().unwrap();
            let is = |text: &str| text.parse::<toml::Table>().unwrap();
            assert_eq!(is(&text("config.toml")), is(&config));
            assert!(text("AGENTS.md").contains(&block), "{}", text("AGENTS.md"));
            assert!(!dir.path().join("nexscope-replaced.toml").exists());
        }
    }

    #[test]
    fn another_programs_entry_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[mcp_servers.nexscope]\ncommand = \"node\"\nargs = [\"x.js\"]\n";
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let mut files = Files::read(dir.path()).unwrap();
        assert!(files.remove(Path::new(PROGRAM)).unwrap().is_empty());
        files.save().unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join("config.toml")).unwrap(),
            text
        );
    }
}
