//! The comparison for file transfers: `nc` through one forwarding `socat`, with `sha256sum` at both ends.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Sends a file and returns the time until both hashes were available; `None` if a program is missing.
pub fn sends(file: &Path, dir: &Path) -> Option<Duration> {
    let (receiver, forward) = (free_port(), free_port());
    let mut receiving = bash(
        dir,
        &format!("nc -l 127.0.0.1 {receiver} | tee got.bin | sha256sum > got.sum"),
    )?;
    let mut forwarding = Command::new("socat")
        .arg(format!("TCP-LISTEN:{forward},bind=127.0.0.1"))
        .arg(format!("TCP:127.0.0.1:{receiver}"))
        .spawn()
        .ok()?;
    until_listening(&[receiver, forward]);
    let began = Instant::now();
    let line = format!("tee >(sha256sum > sent.sum) < {file:?} | nc -N 127.0.0.1 {forward}; wait");
    let sent = bash(dir, &line)?.wait().ok()?;
    let got = receiving.wait().ok()?;
    let took = began.elapsed();
    forwarding.wait().ok()?;
    let sums = ["got.sum", "sent.sum"].map(|name| std::fs::read(dir.join(name)).unwrap_or_default());
    (sent.success() && got.success() && sums[0] == sums[1] && !sums[0].is_empty()).then_some(took)
}

fn bash(dir: &Path, line: &str) -> Option<Child> {
    Command::new("bash")
        .args(["-c", line])
        .current_dir(dir)
        .stdin(Stdio::null())
        .spawn()
        .ok()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until both listen, according to the kernel's table: a test connection would be mistaken for the transfer.
fn until_listening(ports: &[u16]) {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let listens = |port: &u16| {
            table
                .lines()
                .any(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")))
        };
        if ports.iter().all(listens) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
