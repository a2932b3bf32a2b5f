//! The MCP server on standard input and output: fourteen tools, each a word of the control socket.
//!
//! A model that calls them is an agent: what it says waits as a draft, what it decides is only asked for.

use std::{borrow::Cow, sync::Arc, time::Duration};

use rmcp::{
    ErrorData, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomNotification,
        Implementation, InitializeResult, JsonObject, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, ServerCapabilities, ServerNotification, Tool, ToolAnnotations,
    },
    service::{NotificationContext, RequestContext, RoleServer},
    transport::stdio,
};
use serde_json::{Value, json};

use super::{RpcError, SocketClient, SocketError};

/// Opens a way to the session; `None` starts one where none runs.
pub trait SessionConnector: Send + Sync + 'static {
    /// A connection to the session that is meant.
    fn open(&self) -> Result<SocketClient, SocketError>;
    /// Starts a session without a face, with that name where one is given, and waits until it answers. Says how
    /// it went, or what is wrong.
    fn start(&self, name: Option<&str>) -> Result<String, String>;
}

/// How often a client that may be told of news is looked after.
const LOOK: Duration = Duration::from_secs(110);

struct Server {
    door: Arc<dyn SessionConnector>,
    /// This client's place in what has happened.
    client: String,
}

/// Speaks MCP on standard input and output until the client has gone. Fails where it never began.
pub async fn serve(door: Arc<dyn SessionConnector>) -> Result<(), String> {
    let server = Server {
        door,
        client: uuid::Uuid::new_v4().to_string(),
    };
    let running = server.serve(stdio()).await.map_err(|error| {
        format!("no MCP client speaks here ({error}); Claude Code and Codex start this by themselves")
    })?;
    running.waiting().await.map_err(|error| error.to_string())?;
    Ok(())
}

/// A tool: its name, what it does, its arguments, whether it only reads.
struct Spec {
    name: &'static str,
    does: &'static str,
    arguments: fn() -> Value,
    required: &'static [&'static str],
    reads: bool,
}

fn none() -> Value {
    json!({})
}

const TOOLS: &[Spec] = &[
    Spec {
        name: "nexscope_start",
        does: "Joins the room: starts a session without a screen if none runs for this folder.",
        arguments: || {
            json!({
                "name": {"type": "string", "description": "Name in the room: 1 to 32 of A-Z a-z 0-9 _ -"},
                "mode": {"type": "string", "enum": ["manual", "auto"], "description": "auto only asks the person"},
            })
        },
        required: &[],
        reads: false,
    },
    Spec {
        name: "nexscope_stop",
        does: "Leaves the room. Where a person has a screen open, it asks them.",
        arguments: none,
        required: &[],
        reads: false,
    },
    Spec {
        name: "nexscope_say",
        does: "Says something in the room as this member's agent. It waits as a draft until the person has read it; \
               on a threadId that was handed to you it is the answer.",
        arguments: || {
            json!({
                "to": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                       "description": "Member or members whose agents are asked; nobody is everybody"},
                "text": {"type": "string"},
                "threadId": {"type": "string", "description": "t3: the thread that it belongs to"},
                "filePath": {"type": "string", "description": "A file below the session's folder that goes with it"},
                "force": {"type": "boolean", "description": "Also to a name that nobody here has or had"},
                "role": {"type": "string", "enum": ["user", "userAgent"], "description": "Taken as userAgent always"},
            })
        },
        required: &[],
        reads: false,
    },
    Spec {
        name: "nexscope_who",
        does: "Who is in the room, with modes and how many of their agents work.",
        arguments: none,
        required: &[],
        reads: true,
    },
    Spec {
        name: "nexscope_mode",
        does: "Shows the mode, or goes back to manual. auto only asks the person.",
        arguments: || json!({"mode": {"type": "string", "enum": ["manual", "auto"]}}),
        required: &[],
        reads: false,
    },
    Spec {
        name: "nexscope_history",
        does: "What was said: your own side's words and accepted ones; of the rest only who, and how much.",
        arguments: || {
            json!({
                "limit": {"type": "integer", "minimum": 1, "maximum": 500},
                "threadId": {"type": "string"},
            })
        },
        required: &[],
        reads: true,
    },
    Spec {
        name: "nexscope_inbox",
        does: "What waits for the person, without its text, and what was decided last.",
        arguments: none,
        required: &[],
        reads: true,
    },
    Spec {
        name: "nexscope_accept",
        does: "Asks the person to accept something that waits. Decides nothing.",
        arguments: || {
            json!({
                "threadId": {"type": "string", "description": "t3, or an item's id: m12"},
                "extra": {"type": "string", "description": "Ignored: the person writes their own instructions"},
            })
        },
        required: &["threadId"],
        reads: false,
    },
    Spec {
        name: "nexscope_reject",
        does: "Asks the person to reject something that waits. Decides nothing.",
        arguments: || {
            json!({
                "threadId": {"type": "string", "description": "t3, or an item's id: m12"},
                "reason": {"type": "string", "description": "Ignored: the person writes their own reason"},
            })
        },
        required: &["threadId"],
        reads: false,
    },
    Spec {
        name: "nexscope_append",
        does: "Adds words to a thread, without asking anybody's agent. Waits as a draft.",
        arguments: || json!({"threadId": {"type": "string"}, "text": {"type": "string"}}),
        required: &["threadId", "text"],
        reads: false,
    },
    Spec {
        name: "nexscope_update",
        does: "Which versions run here and at the other members.",
        arguments: none,
        required: &[],
        reads: true,
    },
    Spec {
        name: "nexscope_poll",
        does: "What is new since the last call, and what was handed to you to be answered (auto_tasks).",
        arguments: none,
        required: &[],
        reads: true,
    },
    Spec {
        name: "nexscope_watch",
        does: "As nexscope_poll, but waits until something is new, or for timeoutSeconds.",
        arguments: || json!({"timeoutSeconds": {"type": "integer", "minimum": 1, "maximum": 120}}),
        required: &[],
        reads: true,
    },
    Spec {
        name: "nexscope_before_stop",
        does: "Whether something that was handed to you in auto mode still waits for an answer.",
        arguments: none,
        required: &[],
        reads: true,
    },
];

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

impl Spec {
    fn tool(&self) -> Tool {
        let schema = json!({
            "type": "object",
            "properties": (self.arguments)(),
            "required": self.required,
            "additionalProperties": false,
        });
        let hints = ToolAnnotations::new()
            .read_only(self.reads)
            .destructive(false)
            .open_world(false);
        Tool::new(self.name, self.does, Arc::new(object(schema))).with_annotations(hints)
    }
}

/// The word of the socket and its arguments for a call of a tool. Fails in words where those are wrong.
fn word_of(tool: &str, mut args: JsonObject, client: &str) -> Result<(&'static str, Value), String> {
    let spec = TOOLS.iter().find(|spec| spec.name == tool);
    let spec = spec.ok_or_else(|| format!("There is no tool {tool}."))?;
    let known = object((spec.arguments)());
    if let Some(unknown) = args.keys().find(|key| !known.contains_key(*key)) {
        let known: Vec<&String> = known.keys().collect();
        return Err(format!("{tool} has no argument {unknown}; it has {known:?}."));
    }
    if let Some(missing) = spec.required.iter().find(|key| !args.contains_key(**key)) {
        return Err(format!("{tool} needs the argument {missing}."));
    }
    let mut take = |key: &str| args.remove(key).unwrap_or(Value::Null);
    let mut renamed = JsonObject::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            renamed.insert(key.to_owned(), value);
        }
    };
    let word = match tool {
        "nexscope_say" => {
            put("to", take("to"));
            put("text", take("text"));
            put("thread", take("threadId"));
            put("files", take("filePath"));
            put("force", take("force"));
            "say"
        }
        "nexscope_append" => {
            put("text", take("text"));
            put("thread", take("threadId"));
            "append"
        }
        "nexscope_accept" | "nexscope_reject" => {
            put("id", take("threadId"));
            if tool == "nexscope_accept" {
                "accept"
            } else {
                "reject"
            }
        }
        "nexscope_history" => {
            put("limit", take("limit"));
            put("thread", take("threadId"));
            "history"
        }
        "nexscope_mode" => {
            put("mode", take("mode"));
            "mode"
        }
        "nexscope_poll" => {
            put("client", json!(client));
            "poll"
        }
        "nexscope_watch" => {
            put("client", json!(client));
            put("timeout", take("timeoutSeconds"));
            "watch"
        }
        "nexscope_who" => "who",
        "nexscope_inbox" => "inbox",
        "nexscope_update" => "update",
        "nexscope_before_stop" => "before_stop",
        "nexscope_stop" => "stop",
        _ => return Err(format!("There is no tool {tool}.")),
    };
    Ok((word, Value::Object(renamed)))
}

/// The agent's name in the room, from what the client calls itself.
fn agent_name(client: &str) -> &'static str {
    let client = client.to_ascii_lowercase();
    if client.contains("claude") {
        "claude"
    } else if client.contains("codex") {
        "codex"
    } else {
        "agent"
    }
}

impl Server {
    fn call(&self, agent: &str, tool: &str, args: JsonObject) -> Result<Value, RpcError> {
        if tool == "nexscope_start" {
            return self.start(agent, &args);
        }
        let (word, args) = word_of(tool, args, &self.client).map_err(|why| RpcError::new("usage", why))?;
        self.open(agent)?.ask(word, args).map_err(problem)
    }

    /// A connection on which an agent speaks: whatever is asked through this server, an agent asks.
    fn open(&self, agent: &str) -> Result<SocketClient, RpcError> {
        self.door
            .open()
            .map(|client| client.as_agent(agent))
            .map_err(problem)
    }

    fn start(&self, agent: &str, args: &JsonObject) -> Result<Value, RpcError> {
        let wants_auto = args.get("mode").and_then(Value::as_str) == Some("auto");
        let name = args.get("name").and_then(Value::as_str);
        let mut message = match self.door.open() {
            Ok(client) => format!("already running: {} in #{}", client.entry.name, client.entry.room),
            Err(SocketError::None) => self.door.start(name).map_err(|why| RpcError::new("start", why))?,
            Err(error) => return Err(problem(error)),
        };
        if wants_auto {
            let mut client = self.open(agent)?;
            if let Err(error) = client.ask("mode", json!({"mode": "auto"})) {
                message.push_str(&format!("; {error}"));
            }
        }
        Ok(json!({ "message": message }))
    }
}

fn problem(error: SocketError) -> RpcError {
    match error {
        SocketError::Problem(problem) => problem,
        other => RpcError::new("unreachable", other.to_string()),
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> InitializeResult {
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        // A hint that something waits; clients that do not know it pass it over.
        let channel = [("claude/channel".to_owned(), JsonObject::new())];
        capabilities.experimental = Some(channel.into_iter().collect());
        let mut info = InitializeResult::new(capabilities);
        info.server_info = Implementation::new("nexscope", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(
            "A chat room for people and their coding agents. What others write reaches you only after a person has \
             accepted it; what you say waits until a person has read it. Answer what nexscope_poll lists under \
             auto_tasks with nexscope_say and its threadId."
                .to_owned(),
        );
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(
            TOOLS.iter().map(Spec::tool).collect(),
        ))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let client = context.peer.peer_info();
        let agent = agent_name(client.as_ref().map_or("", |info| info.client_info.name.as_str()));
        let args = request.arguments.unwrap_or_default();
        let tool = request.name.to_string();
        let this = Self {
            door: self.door.clone(),
            client: self.client.clone(),
        };
        // The socket is read without the runtime, and `watch` waits for two minutes.
        let answer = tokio::task::spawn_blocking(move || this.call(agent, &tool, args)).await;
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(match answer {
            Ok(value) => CallToolResult::success(vec![ContentBlock::text(value.to_string())]).into(),
            Err(RpcError { code, message }) => {
                CallToolResult::error(vec![ContentBlock::text(format!("{code}: {message}"))]).into()
            }
        })
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let (door, client) = (self.door.clone(), format!("hint-{}", self.client));
        let peer = context.peer.clone();
        // Ends with the connection: then nothing can be told any more.
        tokio::spawn(async move {
            loop {
                let (door, client) = (door.clone(), client[..client.len().min(60)].to_owned());
                let waits = tokio::task::spawn_blocking(move || {
                    let args = json!({ "timeout": LOOK.as_secs(), "for": "mention", "client": client });
                    door.open()
                        .and_then(|session| session.as_agent("agent").ask("wait", args))
                });
                match waits.await {
                    Ok(Ok(happened)) if happened["timed_out"] == json!(false) => {
                        let words = "Something waits for your person in Nexscope; nexscope_inbox says what.";
                        let params = json!({ "content": words, "meta": {} });
                        let hint = CustomNotification::new("notifications/claude/channel", Some(params));
                        let sent = peer.send_notification(ServerNotification::CustomNotification(hint));
                        if sent.await.is_err() {
                            return;
                        }
                    }
                    Ok(Ok(_)) => {}
                    // No session yet, or none any more.
                    Ok(Err(_)) => tokio::time::sleep(Duration::from_secs(5)).await,
                    Err(_) => return,
                }
                if peer.is_transport_closed() {
                    return;
                }
            }
        });
    }
}
