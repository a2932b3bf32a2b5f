//! The MCP server on standard input and output: a tool for each command that agents may use.
//!
//! A model that calls them is an agent: its messages wait as drafts, and its decisions are only requests.

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
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Reply, Request, RpcError, SocketClient, SocketError,
    protocol::{
        Awaited, ModeName, NoArguments, Poll, READS, SetMode, Status, TOOL, Wait, Waited, Watch, arguments,
    },
};

/// Connects to the session, and starts one if none runs.
pub trait SessionConnector: Send + Sync + 'static {
    /// Connects to the session. Fails if none matches or answers.
    fn open(&self) -> Result<SocketClient, SocketError>;
    /// Starts a headless session, with that name if one is given, and waits until it answers. Returns a
    /// message for the model; fails with the reason if the session does not start.
    fn start(&self, name: Option<&str>) -> Result<String, String>;
}

/// The interval for checking news for a client that can be notified.
const LOOK: Duration = Duration::from_secs(110);

struct Server {
    door: Arc<dyn SessionConnector>,
    /// The name under which this client polls.
    client: String,
}

/// Serves MCP on standard input and output until the client disconnects. Fails if the connection cannot be
/// initialized.
pub async fn serve(door: Arc<dyn SessionConnector>) -> Result<(), String> {
    let server = Server {
        door,
        client: uuid::Uuid::new_v4().to_string(),
    };
    let running = server.serve(stdio()).await.map_err(|error| {
        format!("no MCP client is connected ({error}); Claude Code and Codex start this themselves")
    })?;
    running.waiting().await.map_err(|error| error.to_string())?;
    Ok(())
}

/// The arguments of `nexscope_start`, the one tool that is not asked of a running session.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Start {
    /// Name in the room: 1 to 32 of A-Z a-z 0-9 _ -
    name: Option<String>,
    /// auto only asks the person
    mode: Option<ModeName>,
}

const START: &str = "nexscope_start";

fn tools() -> Vec<Tool> {
    let start = tool(
        START,
        "Join the room: start a session without a screen if none runs for this folder".to_owned(),
        schemars::schema_for!(Start),
        false,
    );
    let commands = Request::ALL.iter().filter(|one| one.has(TOOL)).map(|one| {
        let name = format!("nexscope_{}", one.name);
        tool(&name, one.help(), (one.schema)(), one.has(READS))
    });
    std::iter::once(start).chain(commands).collect()
}

fn tool(name: &str, about: String, schema: Schema, reads: bool) -> Tool {
    let mut schema = match schema.to_value() {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    };
    for of_the_type in ["$schema", "title", "description"] {
        schema.remove(of_the_type);
    }
    schema.entry("properties").or_insert_with(|| json!({}));
    let hints = ToolAnnotations::new()
        .read_only(reads)
        .destructive(false)
        .open_world(false);
    Tool::new(name.to_owned(), about, Arc::new(schema)).with_annotations(hints)
}

/// Builds the request for a tool call. Fails if the tool or its arguments are wrong.
fn request(tool: &str, args: JsonObject, client: &str) -> Result<Request, RpcError> {
    let name = tool.strip_prefix("nexscope_").unwrap_or_default();
    if !Request::ALL.iter().any(|one| one.name == name && one.has(TOOL)) {
        let tool = crate::text::clean_line(tool, 40);
        return Err(RpcError::usage(format!("There is no tool {tool}.")));
    }
    let mut request = Request::read(name, Value::Object(args))?;
    match &mut request {
        Request::Poll(Poll { client: of }) | Request::Watch(Watch { client: of, .. }) => {
            *of = Some(client.to_owned());
        }
        _ => {}
    }
    Ok(request)
}

/// The agent's name in the room, from the name that the client reports.
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
        if tool == START {
            return self.start(agent, args);
        }
        let request = request(tool, args, &self.client)?;
        let mut session = match self.door.open() {
            Ok(session) => session.for_agent(agent),
            Err(error @ SocketError::None) => return without_session(&request).ok_or_else(|| problem(error)),
            Err(error) => return Err(problem(error)),
        };
        let reply = session.ask(&request).map_err(problem)?;
        serde_json::to_value(reply).map_err(|error| RpcError::new("internal", error.to_string()))
    }

    /// Connects as an agent: every request through this server is an agent's. Fails if there is no session.
    fn open(&self, agent: &str) -> Result<SocketClient, RpcError> {
        self.door
            .open()
            .map(|client| client.for_agent(agent))
            .map_err(problem)
    }

    fn start(&self, agent: &str, args: JsonObject) -> Result<Value, RpcError> {
        let Start { name, mode } = arguments::read(Value::Object(args))?;
        let mut message = match self.door.open() {
            Ok(client) => running(client),
            Err(SocketError::None) => self
                .door
                .start(name.as_deref())
                .map_err(|why| RpcError::new("start", why))?,
            Err(error) => return Err(problem(error)),
        };
        if mode == Some(ModeName::Auto)
            && let Err(error) = self.open(agent)?.ask(&Request::Mode(SetMode { mode }))
        {
            message.push_str(&format!("; {error}"));
        }
        Ok(json!({ "message": message }))
    }
}

/// Describes a session that was running already.
fn running(mut client: SocketClient) -> String {
    let message = format!("already running: {} in #{}", client.entry.name, client.entry.room);
    match client.ask(&Request::Status(NoArguments {})) {
        Ok(Reply::Status(Status {
            not_connected: Some(why),
            ..
        })) => format!("{message}, not connected: {why}"),
        _ => message,
    }
}

/// The reply to a request that needs no session: an agent that is told to call it at its end meets no error.
fn without_session(request: &Request) -> Option<Value> {
    let why = "no session runs for this folder; nexscope_start starts one";
    match request {
        Request::Poll(_) => {
            Some(json!({ "events": [], "auto_tasks": [], "online": [], "waiting": 0, "message": why }))
        }
        Request::BeforeStop(_) => Some(json!({ "can_stop": true, "reason": why })),
        Request::Stop(_) => Some(json!({ "stopped": false, "message": why })),
        _ => None,
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
        // A hint that something is pending; clients that do not know it ignore it.
        let channel = [("claude/channel".to_owned(), JsonObject::new())];
        capabilities.experimental = Some(channel.into_iter().collect());
        let mut info = InitializeResult::new(capabilities);
        info.server_info = Implementation::new("nexscope", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(
            "A chat room for people and their coding agents. Other members' text reaches you only after a person has accepted it; what you say waits until a person has read it. Answer what nexscope_poll lists under \
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
        Ok(ListToolsResult::with_all_items(tools()))
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
        // The socket is read synchronously, and `watch` waits for two minutes.
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
        let door = self.door.clone();
        let peer = context.peer.clone();
        // Ends with the connection: then nobody can be notified any more.
        tokio::spawn(async move {
            loop {
                let door = door.clone();
                let waits = tokio::task::spawn_blocking(move || {
                    let wait = Request::Wait(Wait {
                        event: Awaited::Mention,
                        client: None,
                        timeout: Some(LOOK.as_secs()),
                    });
                    door.open()
                        .and_then(|session| session.for_agent("agent").ask(&wait))
                });
                match waits.await {
                    Ok(Ok(Reply::Wait(Waited { timed_out: false }))) => {
                        let words =
                            "Something is pending for your person in Nexscope; nexscope_inbox lists it.";
                        let params = json!({ "content": words, "meta": {} });
                        let hint = CustomNotification::new("notifications/claude/channel", Some(params));
                        let sent = peer.send_notification(ServerNotification::CustomNotification(hint));
                        if sent.await.is_err() {
                            return;
                        }
                    }
                    Ok(Ok(_)) => {}
                    // There is no session yet, or no longer.
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
