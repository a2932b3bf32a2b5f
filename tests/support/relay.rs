//! The relay as a separate process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

/// A running relay, which is killed when it is dropped.
pub struct Relay {
    child: Child,
    address: SocketAddr,
    flags: Vec<String>,
    // Kept open, so that the relay never writes into a closed pipe.
    _out: BufReader<ChildStdout>,
}

impl Relay {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one on a free port, with additional flags.
    pub fn start_with(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self::on("127.0.0.1:0".parse().unwrap(), flags)
    }

    fn on(address: SocketAddr, flags: Vec<String>) -> Self {
        let mut child = Command::new(binary())
            .args(["--listen", &address.to_string()])
            .args(&flags)
            .env_clear()
            .env("NEXSCOPE_TOKEN", super::TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().parse();
        let address = address.unwrap_or_else(|_| panic!("the relay said: {line:?}"));
        Self {
            child,
            address,
            flags,
            _out: out,
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it, as a crash would.
    pub fn kill(mut self) -> Dead {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Dead {
            address: self.address,
            flags: std::mem::take(&mut self.flags),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of an earlier relay.
pub struct Dead {
    address: SocketAddr,
    flags: Vec<String>,
}

impl Dead {
    /// Starts a new one at the same address.
    pub fn revive(self) -> Relay {
        Relay::on(self.address, self.flags)
    }
}

/// The relay's binary, from another package: built next to ours if it is missing or out of date.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let ours = Path::new(env!("CARGO_BIN_EXE_nexscope-tui"));
        let folder = ours.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        // Built together with a test and for the whole workspace, it is the same build that `cargo test --workspace`
        // made. Alone, cargo would choose other features and rebuild all its dependencies.
        cargo.args(["build", "--quiet", "--locked", "--workspace"]);
        cargo.args(["--bin", "nexscope-relay", "--test", "program"]);
        // The variables that cargo sets for a test's own package would make build scripts run again each time.
        let ours_alone = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        for (name, _) in std::env::vars_os() {
            if ours_alone
                .iter()
                .any(|begin| name.to_string_lossy().starts_with(begin))
            {
                cargo.env_remove(name);
            }
        }
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the relay does not build");
        folder.join("nexscope-relay")
    })
}
