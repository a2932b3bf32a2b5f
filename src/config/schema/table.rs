//! The rows of the table, and the structs that they fill.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use nexscope_relay::protocol::Mode;
use toml::Value;

use super::{
    InProject, Looser, OnReload, Setting,
    agent::{put_agent, put_agents},
    defaults,
    kind::Kind::*,
    read,
};
use crate::{
    config::{
        Approvals, Notify, TerminalOverrides, TokenSource, Untrusted,
        token::{get_token, get_token_command, put_relay, put_token, put_token_command, put_token_file},
    },
    core::{
        Attention, FileRules, Limits, Mentions, Review,
        runs::settings::{Kind as AgentKind, Permissions, Project},
    },
    link::Target,
};

pub(crate) static SETTINGS: &[Setting<Config>] = settings! { Config;
    "name" => name: Name, ?"\"alice\"", Allowed, Restart, variable "NEXSCOPE_DEFAULT_NAME", flag "--name";
        "Your name in the room."
    "relay" => relay: Relay, ?"\"wss://relay.example/ws\"", Ignored, Restart, variable "NEXSCOPE_RELAY_URL",
        flag "--relay", get |all| Some(all.relay.as_ref()?.to_string().into()), put put_relay;
        "The relay: ws://HOST:PORT/ws or wss://HOST/ws."
    "host" => host: Address, ?"\"127.0.0.1:8080\"", Ignored, Restart;
        "Host the room here: the relay inside this program listens on this address."
    "token" => token: Text, ?"\"…\"", Ignored, Restart, variable "NEXSCOPE_TOKEN",
        get get_token, put put_token;
        "The relay's secret. It goes only to the relay that the same file or the variables name."
    "token_file" => token: Text, ?"\"~/.config/nexscope/token\"", Ignored, Live, get |_| None, put put_token_file;
        "A file that holds the token."
    "token_command" => token: List(&Text), ?"[\"pass\", \"show\", \"nexscope\"]", Ignored, Restart(OtherSet),
        get get_token_command, put put_token_command;
        "A command that prints the token."
    "room" => room: Name, = "\"lobby\"", Allowed, Restart, variable "NEXSCOPE_ROOM", flag "--room";
        "The room to join."
    "mode" => mode: Word(&["manual", "auto"]), = "\"manual\"", Tightens, Confirmed(Larger),
        variable "NEXSCOPE_MODE", flag "--mode";
        "manual: mentions wait for you. auto: they are answered at once, within limits."
    "hop_limit" => limits.hop_limit: Number(u32::MAX as i64), = "3", Tightens, Confirmed(Larger),
        variable "NEXSCOPE_HOP_LIMIT";
        "How many automatic answers in a row a thread may have."
    "mentions" => mentions: Word(&["direct", "room"]), = "\"direct\"", Tightens, Confirmed(Larger);
        "Who sees a message that starts with @name: direct (those named) or room (everyone)."
    "review" => review: Word(&["always", "flagged"]), = "\"flagged\"", Tightens, Confirmed(Larger);
        "Which answers wait as drafts: flagged (those in which something was found) or always (all)."
    "share_partial" => share_partial: Flag, = "false", Tightens, Confirmed(Larger);
        "Others see an answer while it is written, in whole paragraphs that were scanned."
    "auto_tools" => auto_tools: Flag, = "false", Tightens, Confirmed(Larger);
        "In auto mode, too, an agent with permissions = \"allow\" does not ask."
    "expire" => times.expire: Time, = "\"24h\"", Ignored, Live;
        "How long a mention or a file waits for a decision."
    "permission_expire" => times.permission_expire: Time, = "\"30m\"", Ignored, Live;
        "How long a request of an agent waits before it is refused."
    "give_up" => times.give_up: Time, = "\"7d\"", Ignored, Live;
        "How long a message waits for a member who is offline before it counts as failed."
    "agents" => agents: Agents, ?"", Ignored, Confirmed, get |_| None, put put_agents;
        "Your agents: a table [agents.NAME] for each."
    "agent" => agent: Text, ?"\"claude\"", Ignored, Confirmed(OtherSet), put put_agent;
        "The agent that answers where none is named."
    "files.dir" => files.dir: Text, = "\"~/Downloads/nexscope\"", Ignored, Restart;
        "The folder for files that you accept; each room has its own below it."
    "files.auto_accept_below" => files.rules.auto_accept_below: Size, = "\"0\"", Tightens, Confirmed(Larger);
        "Files below this size come without asking."
    "files.max" => files.rules.max: Size, = "\"4 GiB\"", Tightens, Confirmed(Larger);
        "Larger files are declined."
    "ui.keymap" => keymap: Text, = "\"default\"", Ignored, Live, flag "--keymap";
        "default, vim, emacs, or a file of your own in keymaps/."
    "ui.theme" => theme: Text, = "\"terminal\"", Allowed, Live, flag "--theme";
        "A built-in theme, or a file of your own in themes/."
    "ui.notify" => notify: List(&Word(&["bell", "title", "osc9"])), = "[\"bell\", \"title\"]", Allowed, Live;
        "How you are notified: the bell, a count in the title, a notification by the terminal."
    "ui.notify_for" => notify_for: List(&Word(&["item", "message", "failure"])),
        = "[\"item\", \"message\", \"failure\"]", Allowed, Live;
        "What you are notified of: items in the inbox, messages to you, runs that failed."
    "ui.notify_command" => notify_command: List(&Text), = "[]", Ignored, Confirmed(OtherSet);
        "A program that notifies you; it gets the text as its last argument."
    "ui.mouse" => mouse: Flag, = "true", Allowed, Live;
        "Whether the mouse works on the screen from the start."
    "ui.colors" => terminal.colors: Word(&["none", "16", "256", "24bit"]), ?"\"24bit\"", Allowed, Live;
        "How many colours the terminal has. Default: detected."
    "ui.links" => terminal.links: Flag, ?"true", Allowed, Live;
        "Whether the terminal opens links. Default: detected."
    "ui.keyboard" => terminal.keyboard: Flag, ?"true", Tightens, Live(Larger);
        "Whether the terminal speaks the kitty keyboard protocol. Default: detected."
};

/// The settings of an `[agents.NAME]` table. A project's file has none of them, since it has no agents.
pub(crate) static AGENT: &[Setting<Agent>] = settings! { Agent;
    "kind" => kind: Word(AgentKind::WORDS), ?"\"claude\"", Ignored, Confirmed(Other);
        "How the program is driven, such as claude, codex, acp (Agent Client Protocol), command or session (by MCP)."
    "command" => command: List(&Text), = "[]", Ignored, Confirmed(Other);
        "The program and its arguments. Default: the usual name of its kind, which adds its own flags."
    "dir" => dir: Text, ?"\"~/src/app\"", Ignored, Confirmed(Other);
        "The folder that it works in. Default: the folder that you started in."
    "project" => project: Word(&["none", "memory", "full"]), = "\"memory\"", Ignored, Confirmed(Larger);
        "memory: its folder's CLAUDE.md is handed over. full: hooks and servers run, too. none: neither."
    "permissions" => permissions: Word(&["read-only", "ask", "allow"]), = "\"ask\"", Ignored, Confirmed(Larger);
        "ask: you are asked before it uses a tool. read-only: it only reads. allow: it may change files by itself."
    "timeout" => timeout: Time, = "\"10m\"", Ignored, Live;
        "How long a run may work; waiting for you does not count."
    "stall" => stall: Time, = "\"60s\"", Ignored, Live;
        "How long a run may show nothing but retries before it counts as failed; an acp has three times as long for its first sign of life."
    "idle" => idle: TimeOrNone, = "\"5m\"", Ignored, Live;
        "How long its program waits for the thread's next mention; \"0s\": it ends with its answer."
    "budget_usd_per_day" => budget_usd_per_day: Amount, = "5.0", Ignored, Confirmed(Larger);
        "What auto mode may spend on a claude in a day, in US dollars at list price."
    "budget_tokens_per_day" => budget_tokens_per_day: Number(i64::MAX), = "2000000", Ignored, Confirmed(Larger);
        "How many tokens auto mode may spend on a codex or an acp in a day."
    "budget_runs_per_day" => budget_runs_per_day: Number(i64::MAX), = "50", Ignored, Confirmed(Larger);
        "How many runs auto mode may start in a day."
    "env" => env: List(&Text), = "[]", Ignored, Confirmed(MoreItems);
        "Further variables that it gets. None that begins with NEXSCOPE_ is passed on."
};

/// All settings, put together.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub(crate) name: Option<String>,
    pub(crate) relay: Option<Target>,
    pub(crate) token: Option<TokenSource>,
    pub(crate) host: Option<SocketAddr>,
    pub(crate) room: String,
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    pub(crate) mentions: Mentions,
    pub(crate) review: Review,
    pub(crate) share_partial: bool,
    pub(crate) auto_tools: bool,
    pub(crate) times: Times,
    pub(crate) agent: Option<String>,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) files: Files,
    pub(crate) keymap: String,
    pub(crate) theme: String,
    pub(crate) notify: Vec<Notify>,
    pub(crate) notify_for: Vec<Attention>,
    pub(crate) notify_command: Vec<String>,
    pub(crate) mouse: bool,
    pub(crate) terminal: TerminalOverrides,
    /// The session has neither a screen nor lines. Only a flag sets it.
    pub(crate) headless: bool,
    /// Programs that no agent has started can decide over the control socket. Only a flag sets it.
    pub(crate) remote_decisions: bool,
    /// The person's confirmations of agents that reach far.
    pub(crate) confirmed: Approvals,
    /// The project's file, where it sets more than it may before somebody has trusted it.
    pub(crate) untrusted: Option<Untrusted>,
    /// Warnings for the person, such as ignored settings and files that others can read.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) expire: Duration,
    pub(crate) permission_expire: Duration,
    pub(crate) give_up: Duration,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) dir: PathBuf,
    pub(crate) rules: FileRules,
}

/// An agent of this member.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agent {
    pub(crate) kind: AgentKind,
    pub(crate) command: Vec<String>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) project: Project,
    pub(crate) permissions: Permissions,
    pub(crate) timeout: Duration,
    pub(crate) stall: Duration,
    pub(crate) idle: Duration,
    pub(crate) budget_usd_per_day: f64,
    pub(crate) budget_tokens_per_day: u64,
    pub(crate) budget_runs_per_day: usize,
    pub(crate) env: Vec<String>,
}

impl Config {
    /// Every setting at its default.
    pub(crate) fn new() -> Self {
        defaults(SETTINGS)
    }

    /// Tells whether there is a relay, or the room is hosted here.
    pub(crate) fn is_configured(&self) -> bool {
        self.relay.is_some() || self.host.is_some()
    }
}
