//! Whatever happens to a relay and at every log level: neither tokens nor messages appear in its log, output, metrics, error
//! frames or command line. A real process, both versions, with and without TLS.

mod support;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{Connection, PATIENCE};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};
use tokio_tungstenite::tungstenite::Message;

/// The strings to search for. Each is sent somewhere below.
const TOKEN: &str = "canary-token-of-the-relay";
const WRONG: &str = "canary-token-that-is-wrong";
const BODY: &str = "canary-words-in-a-body";
const CANARY: &str = "canary";

/// The transport of a connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A relay process and its output.
struct Program {
    child: Child,
    address: String,
    said: mpsc::Receiver<String>,
    trust: Option<CertificateDer<'static>>,
}

impl Program {
    fn start(format: &str, level: &str, folder: Option<&std::path::Path>) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nexscope-relay"));
        command.args(["--listen", "127.0.0.1:0", "--log-format", format]);
        command.args(["--queue-frames", "20", "--message-bytes", "2000"]);
        let trust = folder.map(|folder| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
            std::fs::write(&cert, made.cert.pem()).expect("written");
            std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
            command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
            made.cert.der().clone()
        });
        let mut child = command
            .env_clear()
            .env("NEXSCOPE_TOKEN", TOKEN)
            .env("NEXSCOPE_LOG", level)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (tell, said) = mpsc::channel();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a line");
        let address = first
            .trim_end()
            .rsplit(' ')
            .next()
            .expect("an address")
            .to_owned();
        let mut log = child.stderr.take().expect("its log");
        let tell_log = tell.clone();
        // Each thread ends with the process.
        std::thread::spawn(move || {
            let mut text = first;
            let _ = out.read_to_string(&mut text);
            let _ = tell.send(text);
        });
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = log.read_to_string(&mut text);
            let _ = tell_log.send(text);
        });
        Program {
            child,
            address,
            said,
            trust,
        }
    }

    async fn connect(&self) -> Box<dyn Stream> {
        let stream = TcpStream::connect(&self.address).await.expect("a connection");
        let Some(trust) = &self.trust else {
            return Box::new(stream);
        };
        let mut roots = RootCertStore::empty();
        roots.add(trust.clone()).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        Box::new(
            TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await
                .expect("TLS"),
        )
    }

    /// Sends frames and returns all answers until the close, or until `enough`.
    async fn talk(&self, path: &str, frames: &[Message], enough: impl Fn(&Value) -> bool) -> Vec<Value> {
        let stream = self.connect().await;
        let Connection { mut socket } = Connection::over(stream, format!("ws://localhost{path}")).await;
        for frame in frames {
            // The relay may have closed already, which is then the answer.
            let _ = socket.send(frame.clone()).await;
        }
        let mut answers = Vec::new();
        while let Some(Ok(frame)) = timeout(PATIENCE, socket.next())
            .await
            .unwrap_or_else(|_| panic!("no end of {frames:?}; so far {answers:?}"))
        {
            if let Message::Close(Some(close)) = &frame {
                answers.push(json!({"type": "error", "message": close.reason.as_str()}));
            }
            let Message::Text(text) = frame else { continue };
            let frame = serde_json::from_str(&text).expect("JSON");
            answers.push(frame);
            if answers.last().is_some_and(&enough) {
                break;
            }
        }
        answers
    }

    /// Sends a plain request and returns the whole response.
    async fn request(&self, head: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut text = Vec::new();
        // Without a TLS close_notify, the end is an error. The received text counts.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut text))
            .await
            .expect("in time");
        String::from_utf8_lossy(&text).into_owned()
    }

    fn command_line(&self) -> String {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).unwrap_or_default();
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Stops it like an operator and returns both outputs.
    fn end(mut self) -> String {
        let id = i32::try_from(self.child.id()).expect("an id");
        let id = rustix::process::Pid::from_raw(id).expect("an id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it is there");
        let said = (0..2).map(|_| self.said.recv_timeout(Duration::from_secs(20)).expect("an end"));
        let said = said.collect();
        self.child.wait().expect("an exit");
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn hello(name: &str, token: &str) -> Value {
    json!({"type": "hello", "v": 2, "name": name, "token": token, "owner": "A".repeat(43)})
}

fn text(frame: &Value) -> Message {
    Message::text(frame.to_string())
}

fn message(id: &str, to: &[&str]) -> Value {
    json!({"type": "message", "id": id, "to": to, "thread": BODY, "body": {"kind": "chat", "text": BODY}})
}

/// Causes every kind of success and failure. Returns the error frames and all other answers of the relay.
async fn everything(program: &Program) -> Vec<String> {
    let stream = "01890a5d-ac96-774b-bcce-b302099a8057";
    let chunk = [&[1; 24], BODY.as_bytes()].concat();
    let bad = json!({"type": BODY, "id": "x", "body": {"text": BODY}});
    let large = json!({"type": "message", "id": "big", "body": {"text": BODY.repeat(100)}});
    let open = json!({"type": "stream_open", "stream": stream, "to": "nobody", "size": 5, "of": BODY});
    let bye = json!({"type": "bye"});
    let good = [
        text(&hello("ann", TOKEN)),
        text(&message("one", &["bob"])),
        text(&open),
        Message::binary(chunk),
        text(&bad),
        Message::text(BODY),
        text(&bye),
    ];
    let v1 = format!("/ws?name=old&token={TOKEN}&v=1");
    let said = json!({"type": "msg", "msgId": "1", "from": "old", "to": [], "role": "user",
                      "threadId": BODY, "text": BODY, "hopCount": 0});
    let wrong = json!({"type": "msg", "from": BODY, "to": BODY, "text": BODY});
    let v1_frames: Vec<_> = [text(&said), Message::text(BODY)]
        .into_iter()
        .chain(vec![text(&wrong); 10])
        .collect();
    let never = |_: &Value| false;
    let talks = [
        ("/ws", good.to_vec()),
        ("/ws", vec![text(&hello("ann", WRONG))]),
        ("/ws", vec![text(&hello(&format!("{BODY} "), TOKEN))]),
        (
            "/ws",
            vec![text(&json!({"type": "hello", "v": 2, "token": TOKEN}))],
        ),
        ("/ws", vec![Message::text(TOKEN)]),
        ("/ws", vec![text(&hello("cat", TOKEN)), text(&large)]),
        (
            "/ws",
            [vec![text(&hello("dan", TOKEN))], vec![Message::text(BODY); 12]].concat(),
        ),
        (&v1, v1_frames),
        (&format!("/ws?name=old&token={WRONG}"), vec![]),
        (&format!("/ws?name={BODY}{BODY}&token={TOKEN}"), vec![]),
        (&format!("/ws?name=old&token={TOKEN}&v=3"), vec![]),
    ];
    let mut answers = Vec::new();
    for (path, frames) in &talks {
        let frames = program.talk(path, frames, never).await;
        assert!(!frames.is_empty(), "{path} had no answer");
        // Delivered messages contain the text, of course. Frames of the relay itself do not.
        let own = frames
            .iter()
            .filter(|frame| frame["type"] != "message" && frame["type"] != "msg");
        answers.extend(own.map(|frame| match frame["type"].as_str() {
            // A version 1 ack has the thread from its own sender.
            Some("ack") => json!([frame["delivered"], frame["offline"], frame["count"]]).to_string(),
            _ => frame.to_string(),
        }));
    }
    for head in [
        format!("GET /ws?name=a&token={TOKEN} HTTP/1.1\r\nHost: {BODY}\r\n\r\n"),
        format!("GET /?token={TOKEN} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"),
        format!("GET /ws?token={TOKEN} HTTP/1.1\r\nOrigin: http://a.example\r\n\r\n"),
        format!("\u{1}{TOKEN}\r\n\r\n"),
        "GET /metrics HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        answers.push(program.request(&head).await);
    }
    let messages = if cfg!(feature = "v1") { 2 } else { 1 };
    let count = format!("nexscope_messages_total {messages}");
    assert!(
        answers.last().is_some_and(|text| text.contains(&count)),
        "{answers:?}"
    );
    answers
}

async fn search(format: &str, level: &str, tls: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::start(format, level, tls.then_some(folder.path()));
    let mut searched = everything(&program).await;
    searched.push(program.command_line());
    let log = program.end();
    if level != "error" {
        assert!(
            log.contains("joined") && log.contains("BadToken"),
            "it has a log: {log}"
        );
    }
    searched.push(log);
    for text in searched {
        assert!(
            !text.to_lowercase().contains(CANARY),
            "{format}, {level}, TLS {tls}: {text}"
        );
    }
}

#[tokio::test]
async fn nothing_secret_is_told() {
    for tls in [false, true] {
        for (format, level) in [
            ("text", "trace"),
            ("json", "trace"),
            ("json", "info"),
            ("text", "error"),
        ] {
            search(format, level, tls).await;
        }
    }
}
