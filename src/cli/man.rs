//! Man pages: one for each command, from its definition, and the long texts in `man/`.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Cli, Failure};

/// A long text.
struct Page {
    topic: &'static str,
    section: u8,
    text: &'static str,
}

const PAGES: [Page; 6] = [
    page("keys", 7, include_str!("man/nexscope-keys.7.md")),
    page("agents", 7, include_str!("man/nexscope-agents.7.md")),
    page("files", 7, include_str!("man/nexscope-files.7.md")),
    page("config", 5, include_str!("man/nexscope-config.5.md")),
    page("scripts", 7, include_str!("man/nexscope-scripts.7.md")),
    page("security", 7, include_str!("man/nexscope-security.7.md")),
];

const fn page(topic: &'static str, section: u8, text: &'static str) -> Page {
    Page { topic, section, text }
}

impl Page {
    fn title(&self) -> String {
        format!("nexscope-{}", self.topic)
    }

    /// What it is about: its first line, behind the colon.
    fn about(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, about)| about)
    }
}

/// A page to show, or all of them to write.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The page to show; without one they are listed
    topic: Option<String>,
    /// Write all pages as roff into this folder, for man(1)
    #[arg(long, value_name = "DIR", conflicts_with = "topic")]
    dir: Option<PathBuf>,
}

pub(super) fn run(man: &Man) -> Result<(), Failure> {
    if let Some(dir) = &man.dir {
        return write_all(dir);
    }
    let Some(topic) = &man.topic else {
        let list = PAGES
            .iter()
            .map(|page| format!("{:<10}{}\n", page.topic, page.about()));
        return super::print(&list.collect::<String>());
    };
    let topic = topic.trim_start_matches("nexscope-");
    let page = PAGES.iter().find(|page| page.topic == topic).ok_or_else(|| {
        let topics: Vec<_> = PAGES.iter().map(|page| page.topic).collect();
        Failure::Usage(format!(
            "There is no page {topic}; there are {}.",
            topics.join(", ")
        ))
    })?;
    super::print(page.text)
}

fn write_all(dir: &PathBuf) -> Result<(), Failure> {
    let save = |error| Failure::Save(dir.clone(), error);
    fs::create_dir_all(dir).map_err(save)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(save)?;
    for page in &PAGES {
        let path = dir.join(format!("{}.{}", page.title(), page.section));
        fs::write(&path, roff(page)).map_err(|error| Failure::Save(path, error))?;
    }
    Ok(())
}

/// A text without what roff takes as its own.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
}

/// A page as roff.
fn roff(page: &Page) -> String {
    let mut out = format!(
        ".TH {} {} \"\" \"nexscope {}\"\n.SH NAME\n{} \\- {}\n",
        page.title().to_uppercase(),
        page.section,
        env!("CARGO_PKG_VERSION"),
        escaped(&page.title()),
        escaped(page.about())
    );
    let mut in_title = false;
    let mut cell = 0;
    for event in Parser::new_ext(page.text, Options::ENABLE_TABLES) {
        let mut line = |text: &str| {
            if !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(text);
        };
        match event {
            Event::Start(Tag::Heading { level, .. }) if level as u8 == 1 => in_title = true,
            Event::End(TagEnd::Heading(level)) if level as u8 == 1 => in_title = false,
            _ if in_title => {}
            Event::Start(Tag::Heading { .. }) => line(".SH "),
            Event::Start(Tag::Paragraph) => line(".PP\n"),
            Event::Start(Tag::Item) => line(".IP \\(bu 2\n"),
            Event::Start(Tag::CodeBlock(_)) => line(".PP\n.RS 4\n.nf\n"),
            Event::End(TagEnd::CodeBlock) => line(".fi\n.RE\n"),
            Event::Start(Tag::TableHead | Tag::TableRow) => {
                cell = 0;
                line(".TP\n");
            }
            Event::Start(Tag::TableCell) => {
                if cell > 0 {
                    line("");
                }
                cell += 1;
            }
            Event::Start(Tag::Strong) | Event::Start(Tag::Emphasis) => out.push_str("\\fI"),
            Event::End(TagEnd::Strong | TagEnd::Emphasis) => out.push_str("\\fR"),
            Event::Code(code) => out.push_str(&format!("\\fB{}\\fR", escaped(&code))),
            Event::Text(text) => {
                let text = escaped(&text);
                for (at, part) in text.split('\n').enumerate() {
                    if at > 0 {
                        out.push('\n');
                    }
                    // A line that begins with a dot is a request.
                    if out.ends_with('\n') && part.starts_with('.') {
                        out.push_str("\\&");
                    }
                    out.push_str(part);
                }
            }
            Event::SoftBreak | Event::HardBreak => out.push('\n'),
            _ => {}
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_title_and_no_line_that_roff_would_take_as_a_request() {
        for page in &PAGES {
            let title = format!("# {}({}): ", page.title(), page.section);
            assert!(page.text.starts_with(&title), "{title}");
            let roff = roff(page);
            for line in roff.lines().filter(|line| line.starts_with('.')) {
                let request = line.split(' ').next().unwrap_or_default();
                let known = [".TH", ".SH", ".PP", ".IP", ".RS", ".RE", ".nf", ".fi", ".TP"];
                assert!(known.contains(&request), "{line}");
            }
        }
    }

    #[test]
    fn pages_are_written_for_every_command() {
        let dir = tempfile::tempdir().unwrap();
        write_all(&dir.path().join("man")).unwrap();
        let names: Vec<String> = fs::read_dir(dir.path().join("man"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        for name in [
            "nexscope-tui.1",
            "nexscope-tui-say.1",
            "nexscope-keys.7",
            "nexscope-config.5",
        ] {
            assert!(names.iter().any(|one| one == name), "{name} of {names:?}");
        }
    }
}
