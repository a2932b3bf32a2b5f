//! The program: start, output and exit.

mod support;

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use support::{Client, PATIENCE, hello};

const TOKEN: &str = support::TOKEN;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nexscope-relay"));
    command
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// A running relay, killed when dropped.
struct Program {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Program {
    fn start(command: &mut Command) -> Program {
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .expect("an address")
            .parse()
            .expect("an address");
        Program {
            child,
            lines,
            address,
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("an id");
        let id = rustix::process::Pid::from_raw(id).expect("an id");
        rustix::process::kill_process(id, signal).expect("it is there");
    }

    /// Waits for the exit. Returns the exit code, the rest of the output, and the log.
    fn end(mut self) -> (Option<i32>, String, String) {
        let begin = Instant::now();
        while self.child.try_wait().expect("a state").is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("its output");
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .expect("its log")
            .read_to_string(&mut log)
            .expect("its log");
        (self.child.wait().expect("a state").code(), rest, log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // If the test has passed, it has ended already.
        let _ = self.child.kill();
    }
}

#[test]
fn help_and_usage() {
    let (code, help, _) = output(command(&["--help"]).env("NEXSCOPE_TOKEN", "do-not-show-this-token"));
    assert_eq!(code, Some(0));
    for flag in [
        "--listen",
        "--token",
        "--rate",
        "--burst",
        "--queue-bytes",
        "--queue-frames",
        "--memory-messages",
        "--memory-bytes",
        "--max-members",
        "--max-rooms",
        "--max-connections",
        "--per-address",
        "--heartbeat",
        "--seat",
        "--hello-timeout",
        "--allow-origin",
        "--metrics-public",
        "--message-bytes",
        "--chunk-bytes",
        "--window-bytes",
        "--log-format",
        "--config",
        "--tls-cert",
        "--tls-key",
        "--trusted-proxy",
        #[cfg(feature = "v1")]
        "--no-v1",
        #[cfg(feature = "v1")]
        "--v1-room",
        #[cfg(feature = "v1")]
        "--max-payload",
        #[cfg(feature = "v1")]
        "--max-file",
        #[cfg(feature = "v1")]
        "--max-users",
    ] {
        assert!(help.contains(flag), "{flag}");
        let variable = format!("NEXSCOPE_{}", flag[2..].to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "{variable}");
    }
    assert!(!help.contains("do-not-show"));
    assert_eq!(output(&mut command(&["--version"])).0, Some(0));
    for wrong in [
        &["--no-such-flag"][..],
        &["--heartbeat", "0"],
        &["--rate", "-1"],
        &["--memory-bytes", "much"],
        &["--tls-cert", "cert.pem"],
        &["--trusted-proxy", "proxy.example"],
    ] {
        let (code, _, error) = output(&mut command(wrong));
        assert!(code == Some(2) && !error.is_empty(), "{wrong:?}: {error}");
    }
}

#[test]
fn weak_tokens_stay_on_loopback() {
    for (variable, listen) in [
        ("NEXSCOPE_LISTEN", "0.0.0.0:0"),
        ("NEXSCOPE_LISTEN", "[::]:0"),
        ("PORT", "0"),
    ] {
        let (code, out, error) = output(
            command(&[])
                .env("NEXSCOPE_TOKEN", "fifteen-chars-x")
                .env(variable, listen),
        );
        assert_eq!((code, out.as_str()), (Some(1), ""), "{listen}");
        assert!(
            error.contains("at least 16 characters") && error.lines().count() == 1,
            "{error}"
        );
        assert!(!error.contains("fifteen-chars-x"));
    }
    let (code, _, error) = output(&mut command(&["--listen", "no such address"]));
    assert!(
        code == Some(1) && error.contains("cannot listen on no such address"),
        "{error}"
    );
}

#[tokio::test]
async fn an_invite_lets_in_and_sigterm_ends_it() {
    let mut program = Program::start(&mut command(&["--listen", "127.0.0.1:0"]));
    let mut invite = String::new();
    program.lines.read_line(&mut invite).expect("an invite");
    let start = format!("nexscope://{}/lobby?tls=0#", program.address);
    let token = invite
        .trim_end()
        .strip_prefix(&start)
        .expect("an invite")
        .to_owned();
    assert!(token.len() >= 32, "{token}");

    let mut hello = hello("alice");
    hello["token"] = token.clone().into();
    let mut alice = Client::enter(&program.address, hello).await;
    // A connection without a request does not delay the exit.
    let _idle = std::net::TcpStream::connect(program.address).expect("a connection");

    let begin = Instant::now();
    program.signal(rustix::process::Signal::TERM);
    assert_eq!(alice.end().await, support::end(1001, "shutting_down"));
    // Reading answers the close and finds the end.
    assert!(alice.socket.next().await.is_none());
    let (code, out, log) = tokio::task::spawn_blocking(|| program.end())
        .await
        .expect("an end");
    assert_eq!((code, out.as_str()), (Some(0), ""), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(log.contains("joined") && !log.contains(&token), "{log}");
}

#[test]
fn a_given_token_is_not_printed() {
    let arguments = ["--listen", "127.0.0.1:0", "--log-format", "json"];
    let program = Program::start(command(&arguments).env("NEXSCOPE_TOKEN", TOKEN).env("PORT", "1"));
    program.signal(rustix::process::Signal::INT);
    let (code, out, log) = program.end();
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(!log.contains(TOKEN));
    assert!(
        !log.is_empty()
            && log
                .lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

/// The order of precedence: flags, variables, `.env`, the file, the defaults.
#[tokio::test]
async fn settings_have_layers() {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = "listen = '127.0.0.1:0'\nrate = 1\nburst = 2\nheartbeat = 3\nwindow-bytes = '2MiB'\n\
                [[token]]\ntoken = 'for-the-den-alone'\nrooms = ['den']\n";
    std::fs::write(folder.path().join("relay.toml"), toml).expect("written");
    let dotenv = format!(
        "NEXSCOPE_CONFIG=relay.toml\nNEXSCOPE_RATE=11\nNEXSCOPE_BURST=12\nNEXSCOPE_HEARTBEAT=13\nNEXSCOPE_TOKEN='{TOKEN}'\n"
    );
    std::fs::write(folder.path().join(".env"), dotenv).expect("written");
    let mut command = command(&["--heartbeat", "33"]);
    let program = Program::start(
        command
            .current_dir(&folder)
            .env("NEXSCOPE_BURST", "22")
            .env("NEXSCOPE_HEARTBEAT", "23"),
    );
    let mut welcome = serde_json::Value::Null;
    for (token, room, enters) in [
        (TOKEN, "lobby", true),
        ("for-the-den-alone", "lobby", false),
        ("for-the-den-alone", "Den", true),
    ] {
        let mut client = Client::connect(&program.address).await;
        let mut hello = hello("alice");
        (hello["token"], hello["room"]) = (token.into(), room.into());
        client.send(hello).await;
        welcome = client.next().await;
        assert_eq!(welcome["type"] == "welcome", enters, "{token} {room}: {welcome}");
    }
    let limits = &welcome["limits"];
    assert_eq!(
        (
            &limits["rate"],
            &limits["burst"],
            &welcome["heartbeat"],
            &limits["window_bytes"]
        ),
        (&11.into(), &22.into(), &33.into(), &(2 << 20).into())
    );
    drop(program);

    std::fs::write(folder.path().join(".env"), "NEXSCOPE_CONFIG=relay.toml").expect("written");
    let mut command = self::command(&["--listen", "127.0.0.1:0"]);
    for (toml, fault) in [
        ("mesage-bytes = 1", "did you mean `message-bytes`?"),
        ("rate = -1", "invalid value"),
        ("[[token]]\ntoken = ''", "a token has only ASCII letters"),
        ("[[token]]\ntoken = 'two words'", "a token has only ASCII letters"),
    ] {
        std::fs::write(folder.path().join("relay.toml"), toml).expect("written");
        let (code, out, error) = output(command.current_dir(&folder));
        assert!(
            code != Some(0) && out.is_empty() && error.contains(fault),
            "{toml}: {error}"
        );
    }
    let (_, _, error) = output(self::command(&["--config", "no-such-file.toml"]).current_dir(&folder));
    assert!(error.contains("cannot read no-such-file.toml"), "{error}");
}
