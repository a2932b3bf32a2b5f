//! Formats audit log lines for people.

use jiff::{Timestamp, tz::TimeZone};
use nexscope_relay::protocol::body::{Body, Chat, Origin};

use crate::{
    core::{
        FileOutcome,
        persist::audit::{AttachedFile, By, Decided, Entry, Verdict},
    },
    store::Line,
    text,
};

/// Formats one line of the log: its time and event; longer text on lines of its own.
pub(super) fn in_words(line: &Line) -> String {
    let at = Timestamp::from_millisecond(line.at as i64).unwrap_or_default();
    let at = at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S");
    format!("{at}  {}", told(&line.entry))
}

/// Formats an entry.
#[expect(clippy::too_many_lines, reason = "it has an arm for each kind of entry")]
fn told(entry: &Entry) -> String {
    match entry {
        Entry::Opened { program, .. } => format!("{} opened the room", short(program)),
        Entry::Gap { what } => format!("gap in this log: {}", short(what)),
        Entry::In { number, message } => {
            let body = serde_json::from_str(message.body.get()).unwrap_or(Body::Unknown);
            said(&message.from, *number, &message.to, message.only, &body)
        }
        Entry::Out {
            number,
            to,
            only,
            body,
            ..
        } => said("we", *number, to, *only, body),
        Entry::GaveUp { id, why } => format!("given up: message {} ({})", short(id), short(why)),
        Entry::Decided(decided) => decision(decided),
        Entry::Mode { mode, by } => format!("{mode:?} mode, {}", who(by)),
        Entry::Draft {
            item,
            agent,
            to,
            only,
            text,
            flags,
            ..
        } => {
            let found: Vec<&str> = flags.iter().map(|flag| flag.rule.as_str()).collect();
            let found = match found.is_empty() {
                true => String::new(),
                false => format!(", found in it: {}", short(&found.join(", "))),
            };
            let of = agent
                .as_deref()
                .map_or_else(String::new, |agent| format!(" of {}", short(agent)));
            let only = if *only { " only" } else { "" };
            let (item, to) = (short(item), names(to));
            format!("draft {item}{of}, for {to}{only}{found}{}", words(text))
        }
        Entry::Looked { item, files, .. } => {
            let each = files.iter().map(|file| format!("\n    {}", looked(file)));
            format!(
                "the files of {}, searched{}",
                short(item),
                each.collect::<String>()
            )
        }
        Entry::Shown { text, .. } => format!("partial answer{}", words(text.trim())),
        Entry::Began {
            run,
            agent,
            kind,
            prompt_sha256,
            prompt_bytes,
            ..
        } => format!(
            "{} ({}) started, run {}\n    prompt of {prompt_bytes} bytes, SHA-256 {}",
            short(agent),
            short(kind),
            short(run),
            short(prompt_sha256)
        ),
        Entry::Tool { tool, what, .. } => format!("tool {}: {}", short(tool), short(what)),
        Entry::Permission {
            tool,
            what,
            answer,
            by,
            ..
        } => format!(
            "permission for {}: {}, {}{}",
            short(tool),
            short(answer),
            who(by),
            words(what)
        ),
        Entry::Ended {
            outcome,
            why,
            ms,
            tools,
            usd,
            tokens,
            ..
        } => {
            let mut parts = vec![format!("run {}", short(outcome))];
            parts.extend(why.as_deref().map(short));
            parts.push(format!("{:.1} s", *ms as f64 / 1000.0));
            parts.push(format!("{tools} tools"));
            parts.extend(usd.map(|usd| format!("${usd:.4}")));
            parts.extend(tokens.map(|tokens| format!("{tokens} tokens")));
            parts.join(" · ")
        }
        Entry::File {
            item,
            name,
            size,
            sha256,
            fate,
            ..
        } => format!(
            "file {} {}, {}: {}\n    SHA-256 {}",
            short(item),
            short(name),
            text::bytes(*size),
            became(fate),
            short(sha256.as_deref().unwrap_or("unknown"))
        ),
    }
}

fn said(who: &str, number: Option<u32>, to: &[String], only: bool, body: &Body) -> String {
    let who = short(who);
    match body {
        Body::Chat(chat) => {
            let number = number.map_or_else(String::new, |number| format!("m{number} "));
            let only = if only { " only" } else { "" };
            let files: Vec<String> = chat.files.iter().map(|file| short(&file.name)).collect();
            let files = match files.is_empty() {
                true => String::new(),
                false => format!(", with {}", files.join(", ")),
            };
            let speaker = speaker(chat);
            format!(
                "{number}{who}{speaker} → {}{only}{files}{}",
                names(to),
                words(&chat.text)
            )
        }
        Body::Receipt(receipt) => {
            let why = match receipt.reason.is_empty() {
                true => String::new(),
                false => format!(": {}", short(&receipt.reason)),
            };
            let state = format!("{:?}", receipt.state).to_lowercase();
            let tell = if who == "we" { "tell" } else { "tells" };
            format!("{who} {tell} {}: {state}{why}", names(to))
        }
        Body::FileAccept { .. } => format!("{who} → {}: wants the file", names(to)),
        Body::FileDecline { reason, .. } => format!("{who} → {}: no file, {}", names(to), short(reason)),
        Body::Unknown => format!("{who}: a message of an unknown kind"),
    }
}

fn speaker(chat: &Chat) -> String {
    let edited = chat.edited_by.as_ref();
    let edited = edited.map_or_else(String::new, |by| format!(", edited by {}", short(by)));
    match (&chat.agent, chat.origin) {
        (Some(agent), _) => format!("·{}{edited}", short(agent)),
        (None, Origin::Agent) => format!(" (an agent){edited}"),
        (None, Origin::Human) => String::new(),
    }
}

fn decision(decided: &Decided) -> String {
    let verdict = match decided.verdict {
        Verdict::Accepted => "accepted",
        Verdict::HandedOver => "handed over",
        Verdict::Asked => "asked",
        Verdict::Rejected => "rejected",
        Verdict::Posted => "posted",
        Verdict::Expired => "expired",
    };
    let what = decided.item.as_deref().unwrap_or("the answer");
    let mut told = format!("{} {verdict}, {}", short(what), who(&decided.by));
    if let Some(reason) = &decided.reason {
        told.push_str(&format!(": {}", short(reason)));
    }
    if let Some(instructions) = &decided.instructions {
        told.push_str(&format!("\n  with the instructions{}", words(instructions)));
    }
    if let Some(edited) = &decided.edited {
        let (before, after) = (words(&edited.before), words(&edited.after));
        told.push_str(&format!("\n  before{before}\n  edited{after}"));
    }
    told
}

fn looked(file: &AttachedFile) -> String {
    let mut told = short(&file.name);
    if let Some(size) = file.size {
        told.push_str(&format!(", {}", text::bytes(size)));
    }
    match &file.not_through {
        Some(why) => told.push_str(&format!(": not searched, {}", short(why))),
        None if file.found.is_empty() => told.push_str(": nothing found"),
        None => told.push_str(&format!(": {}", short(&file.found.join(", ")))),
    }
    if let Some(hash) = &file.sha256 {
        told.push_str(&format!("\n      SHA-256 {}", short(hash)));
    }
    told
}

fn who(by: &By) -> String {
    match by {
        By::Person => "by a person's key".to_owned(),
        By::Program => "by a program, as the session's start allowed".to_owned(),
        By::Auto => "by auto mode".to_owned(),
        By::Setting(setting) => format!("by a setting ({})", short(setting)),
        By::Expiry => "because nobody decided in time".to_owned(),
        By::Anybody => "by whoever asked for it".to_owned(),
    }
}

fn became(fate: &FileOutcome) -> String {
    match fate {
        FileOutcome::Accepted => "accepted".to_owned(),
        FileOutcome::Aside => "kept aside".to_owned(),
        FileOutcome::Declined => "declined".to_owned(),
        FileOutcome::Done(path) => format!("here, {}", short(&path.to_string_lossy())),
        FileOutcome::Failed(why) => format!("failed, {}", short(why)),
        FileOutcome::Given(to) => format!("given to {}", short(to)),
        FileOutcome::Withdrawn => "withdrawn".to_owned(),
    }
}

fn names(names: &[String]) -> String {
    match names.is_empty() {
        true => "everyone".to_owned(),
        false => names
            .iter()
            .map(|name| short(name))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Formats a short text for one line; the log contains other members' text unchanged.
fn short(words: &str) -> String {
    text::clean_line(words, 300)
}

/// Formats text on lines of its own.
fn words(words: &str) -> String {
    let clean = text::clean(words).text;
    clean.lines().map(|line| format!("\n    │ {line}")).collect()
}
