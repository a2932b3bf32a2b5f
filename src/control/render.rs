//! Formats replies for people.

use serde_json::Value;

use super::protocol::{
    Decided, File, Files, Line, Lines, News, OpenTasks, Pending, PendingItem, Reply, Said, Status, Stopped,
    Versions, Who,
};
use crate::text;

/// Formats a reply as lines for people.
pub(crate) fn lines(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Say(said) | Reply::Append(said) => vec![say(said)],
        Reply::Who(who) => members(who),
        Reply::Inbox(pending) => inbox(pending),
        Reply::History(Lines { lines }) => lines.iter().map(message).collect(),
        Reply::Mode(current) => vec![format!("{} mode", current.mode.name())],
        Reply::Files(Files { files }) if files.is_empty() => vec!["No files yet.".to_owned()],
        Reply::Files(Files { files }) => files.iter().map(file).collect(),
        Reply::Poll(news) | Reply::Watch(news) => events(news),
        Reply::Wait(waited) if waited.timed_out => vec!["timed out".to_owned()],
        Reply::Wait(_) => vec!["done".to_owned()],
        Reply::BeforeStop(OpenTasks { reason, .. }) => vec![reason.clone()],
        Reply::Accept(decided) | Reply::Reject(decided) | Reply::Retry(decided) | Reply::Ask(decided) => {
            vec![decision(decided)]
        }
        Reply::Cancel(_) => vec!["cancelled".to_owned()],
        Reply::Stop(Stopped { message, .. }) => {
            vec![message.clone().unwrap_or_else(|| "left the room".to_owned())]
        }
        Reply::Status(now) => status(now),
        Reply::Update(found) => versions(found),
        reply => fields(reply),
    }
}

/// A reply that has no form of its own: one line a field.
fn fields(reply: &Reply) -> Vec<String> {
    let value = serde_json::to_value(reply).unwrap_or_default();
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = value.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| format!("{name}: {}", plain(value)))
        .collect()
}

fn say(said: &Said) -> String {
    match said {
        Said::Draft { message, .. } | Said::Answered { message, .. } => message.clone(),
        Said::Sent {
            said,
            thread_id,
            sent,
            delivered,
            offline,
        } => {
            let state = if *sent {
                "sent"
            } else {
                "kept in the outbox; it is sent when there is a connection"
            };
            let thread = thread_id.as_deref().unwrap_or_default();
            let mut line = format!("{said} in {thread}: {state}");
            if !delivered.is_empty() {
                line.push_str(&format!(", {} has it", delivered.join(", ")));
            }
            if !offline.is_empty() {
                line.push_str(&format!(", {} gets it later", offline.join(", ")));
            }
            line
        }
    }
}

fn members(who: &Who) -> Vec<String> {
    let each = who.members.iter().map(|member| {
        let agents = match member.agents {
            1 => "1 agent".to_owned(),
            count => format!("{count} agents"),
        };
        let busy = if member.busy > 0 { ", working" } else { "" };
        format!(
            "{}  {}, {}, {agents}{busy}",
            member.name,
            member.status,
            member.mode.name()
        )
    });
    let offline = who.not_connected.iter();
    let offline = offline.map(|why| format!("not connected, {why}"));
    offline.chain(each).collect()
}

fn inbox(inbox: &Pending) -> Vec<String> {
    if inbox.pending.is_empty() {
        return vec!["Nothing is pending.".to_owned()];
    }
    let lines = |item: &PendingItem| {
        let head = format!(
            "{}  {} from {} ({}), {} bytes: {}",
            item.id, item.kind, item.from, item.by, item.bytes, item.why
        );
        let text = item.content.as_ref().map_or("", |content| content.text.as_str());
        let text = text.lines().map(|line| format!("    {line}"));
        std::iter::once(head).chain(text).collect::<Vec<_>>()
    };
    inbox.pending.iter().flat_map(lines).collect()
}

fn message(line: &Line) -> String {
    let Line { id, from, bytes, .. } = line;
    match &line.text {
        Some(text) => format!("{id}  {from}: {text}"),
        None => format!("{id}  {from}: {bytes} bytes, on the screen"),
    }
}

fn file(file: &File) -> String {
    let percent = file.percent.map_or_else(String::new, |far| format!(" {far} %"));
    let receivers = file.to.iter().flatten();
    let receivers: Vec<String> = receivers
        .map(|one| format!("{} {}", one.name, one.state))
        .collect();
    let receivers = if receivers.is_empty() {
        String::new()
    } else {
        format!(" ({})", receivers.join(", "))
    };
    let size = text::bytes(file.bytes);
    format!(
        "{}  from {}, {size}: {}{percent}{receivers}",
        file.id, file.from, file.state
    )
}

fn events(news: &News) -> Vec<String> {
    let tasks = news.auto_tasks.iter();
    let tasks = tasks.map(|task| format!("{} in {} waits for an answer", task.id, task.thread_id));
    let mut lines: Vec<String> = news.events.iter().cloned().chain(tasks).collect();
    if lines.is_empty() {
        lines.push("nothing new".to_owned());
    }
    lines
}

fn decision(decided: &Decided) -> String {
    decided.message.clone().unwrap_or_else(|| "done".to_owned())
}

/// The connection, each agent's budget, and what is pending.
fn status(now: &Status) -> Vec<String> {
    let agents = now.agents.iter();
    let agents = agents.map(|agent| format!("agent {}: {}", agent.name, agent.budget));
    let running = (!now.running.is_empty()).then(|| format!("working on {}", now.running.join(", ")));
    [
        match &now.not_connected {
            Some(why) if now.connection != *why => {
                format!("{} in #{}: {}, {why}", now.name, now.room, now.connection)
            }
            _ => format!("{} in #{}: {}", now.name, now.room, now.connection),
        },
        format!(
            "{} mode, at most {} answers in a row",
            now.mode.name(),
            now.hop_limit
        ),
    ]
    .into_iter()
    .chain(agents)
    .chain(running)
    .chain([format!(
        "{} in the inbox, {} in the outbox",
        now.waiting, now.outbox
    )])
    .collect()
}

fn versions(found: &Versions) -> Vec<String> {
    let members = found.members.iter();
    let members = members.filter_map(|member| Some(format!("{}: {}", member.name, member.client.as_ref()?)));
    [format!("here: nexscope-tui/{}", found.version)]
        .into_iter()
        .chain(found.relay.iter().map(|relay| format!("relay: {relay}")))
        .chain(members)
        .chain([found.message.clone()])
        .collect()
}
