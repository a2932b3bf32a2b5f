//! Model servers on loopback, which replace only the model of the real agents: they answer with scripted turns and
//! keep every request.
//!
//! Each connection carries one request and is then closed. When no turn is left, the answer is `echo: ` and the
//! newest text of the request.
#![allow(
    dead_code,
    reason = "each test program that includes this uses its own part of it"
)]

#[path = "models_anthropic.rs"]
mod anthropic;
#[path = "models_gemini.rs"]
mod gemini;
#[path = "models_openai.rs"]
mod openai;
#[path = "models_turn.rs"]
mod turn;

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

pub use turn::{Gate, Turn};

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Anthropic Messages, for Claude Code and opencode.
    Anthropic,
    /// Gemini's `generateContent`, for Gemini CLI.
    Gemini,
    /// OpenAI Responses, for Codex.
    OpenAi,
}

/// A received request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Includes the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: String,
}

impl Request {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }
}

/// A running server, which stops when it is dropped.
#[derive(Debug)]
pub struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: Api,
    turns: Mutex<VecDeque<Turn>>,
    requests: Mutex<Vec<Request>>,
    over: AtomicBool,
}

/// The only valid key.
pub const KEY: &str = "sk-test";

impl Model {
    /// Starts a server of `api` that answers with `turns`, in order.
    pub fn start(api: Api, turns: impl IntoIterator<Item = Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared {
            api,
            turns: Mutex::new(turns.into_iter().collect()),
            requests: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server.over.load(Ordering::SeqCst) {
                    return;
                }
                let server = Arc::clone(&server);
                // If a client disconnects, that is not an error of the server.
                thread::spawn(move || stream.and_then(|stream| server.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, answers with these turns instead of any that are left.
    pub fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        *self.shared.turns.lock().expect("no test thread has panicked") = turns.into_iter().collect();
    }

    /// Every request for an answer so far.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock().expect("no test thread has panicked");
        requests
            .iter()
            .filter(|request| request.method == "POST")
            .cloned()
            .collect()
    }

    /// The bodies of all requests, joined, to search for text that must or must not have been sent.
    pub fn sent(&self) -> String {
        self.requests()
            .into_iter()
            .map(|request| request.body + "\n")
            .collect()
    }

    /// The key and the address in the variables that Claude Code reads.
    pub fn claude_env(&self) -> Vec<(String, String)> {
        vec![
            ("ANTHROPIC_BASE_URL".to_owned(), self.url()),
            ("ANTHROPIC_API_KEY".to_owned(), KEY.to_owned()),
        ]
    }

    /// A `config.toml` for Codex, which takes the key from `FAKE_KEY`.
    pub fn codex_config(&self) -> String {
        codex_config(&self.url())
    }
}

/// A `config.toml` that makes Codex use the server at `url`, give up soon, and contact no other server.
pub fn codex_config(url: &str) -> String {
    format!(
        "model = \"gpt-5.5\"\nmodel_provider = \"fake\"\n\
         [model_providers.fake]\nname = \"fake\"\nbase_url = \"{url}/v1\"\nwire_api = \"responses\"\n\
         env_key = \"FAKE_KEY\"\nrequest_max_retries = 1\nstream_max_retries = 1\n\
         [features]\nplugins = false\n[analytics]\nenabled = false\n"
    )
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the listening thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let request = read_request(&stream)?;
        self.requests
            .lock()
            .expect("no test thread has panicked")
            .push(request.clone());
        let mut out = Reply { stream, shared: self };
        let path = request.path.split('?').next().unwrap_or_default();
        match (self.api, &*request.method, path) {
            (Api::Anthropic, "POST", "/v1/messages") if request.header("x-api-key") == KEY => {
                anthropic::answer(&mut out, &request.json())
            }
            (Api::Anthropic, "POST", "/v1/messages") => {
                out.json(401, &anthropic::error(401, "invalid x-api-key"))
            }
            (Api::OpenAi, "POST", "/v1/responses")
                if request.header("authorization") == format!("Bearer {KEY}") =>
            {
                openai::answer(&mut out, &request.json())
            }
            (Api::OpenAi, "POST", "/v1/responses") => {
                out.json(401, &openai::error(401, "Incorrect API key provided."))
            }
            (Api::Gemini, "POST", path) if request.header("x-goog-api-key") == KEY => {
                gemini::answer(&mut out, path, &request.json())
            }
            (Api::Gemini, "POST", _) => out.json(
                400,
                &gemini::error(400, "API key not valid. Please pass a valid API key."),
            ),
            (_, "GET" | "HEAD", "/" | "/api/hello") => out.json(200, &json!({})),
            _ => out.json(404, &json!({ "error": { "message": "no such path" } })),
        }
    }

    /// The next turn, or an echo of `words`.
    fn turn(&self, words: &str) -> Turn {
        let mut turns = self.turns.lock().expect("no test thread has panicked");
        match turns.front() {
            Some(turn) if turn.always => turn.clone(),
            Some(_) => turns.pop_front().unwrap_or_default(),
            None => Turn::text(&["echo: ", words]),
        }
    }

    /// The number of requests so far, for ids.
    fn count(&self) -> usize {
        self.requests.lock().expect("no test thread has panicked").len()
    }
}

/// The connection back to a client.
struct Reply<'a> {
    stream: TcpStream,
    shared: &'a Shared,
}

impl Reply<'_> {
    fn json(&mut self, status: u16, body: &Value) -> io::Result<()> {
        let body = body.to_string();
        write!(
            self.stream,
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    /// Begins a stream of server-sent events, which ends with the connection.
    fn stream(&mut self) -> io::Result<()> {
        self.stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    }

    fn event(&mut self, name: &str, mut data: Value) -> io::Result<()> {
        data["type"] = name.into();
        write!(self.stream, "event: {name}\ndata: {data}\n\n")?;
        self.stream.flush()
    }

    /// Sends an event without a name.
    fn data(&mut self, data: &Value) -> io::Result<()> {
        write!(self.stream, "data: {data}\n\n")?;
        self.stream.flush()
    }

    /// Sends nothing until the client has disconnected or the server is dropped.
    fn hang(&mut self) -> io::Result<()> {
        self.wait(&Gate::default())
    }

    /// Sends nothing until the gate is open, the client has disconnected, or the server is dropped.
    fn wait(&mut self, gate: &Gate) -> io::Result<()> {
        while !gate.is_open() && !self.shared.over.load(Ordering::SeqCst) {
            // Writing a comment is the only way to notice that the client has disconnected.
            self.stream.write_all(b": still here\n\n")?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits if `turn` is held before the word with that number.
    fn before_word(&mut self, turn: &Turn, number: usize) -> io::Result<()> {
        match &turn.held {
            Some((at, gate)) if *at == number => self.wait(gate),
            _ => Ok(()),
        }
    }
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        path,
        headers,
        body: String::new(),
    };
    let length: u64 = request.header("content-length").parse().unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(request)
}
