//! A member that accepts files.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use super::support::{
    Home, Relay, TOKEN,
    proxy::Proxy,
    shell::{Running, ask, decide},
};

/// A member that accepts files, with its own folder and network to the relay.
pub struct Receiver {
    home: Home,
    pub way: Proxy,
    pub seat: Option<Running>,
}

impl Receiver {
    pub fn new(name: &str, relay: &Relay) -> Self {
        let (home, way) = (Home::empty(name), Proxy::start(relay.address()));
        let files = home.path().join("files");
        home.configure(&format!(
            "name = \"{name}\"\nrelay = \"{}\"\ntoken = \"{TOKEN}\"\n[files]\ndir = {files:?}\n",
            way.url(),
        ));
        let mut receiver = Self {
            home,
            way,
            seat: None,
        };
        receiver.start();
        receiver
    }

    pub fn start(&mut self) {
        let seat = Running::start(&self.home, &["start", "--headless", "--allow-remote-decisions"]);
        seat.wait_for("in #lobby as");
        self.seat = Some(seat);
    }

    pub fn kill(&mut self) {
        self.seat = None;
    }

    /// Waits for a file and accepts it.
    pub fn accept(&self, id: &str) {
        while ask(&self.home, &["inbox"])["pending"]
            .as_array()
            .is_none_or(|pending| pending.iter().all(|item| item["id"] != id))
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        decide(&self.home, &["accept", id]);
    }

    pub fn file(&self, id: &str) -> Value {
        let files = ask(&self.home, &["files"])["files"].clone();
        let files = files.as_array().cloned().unwrap_or_default();
        files
            .into_iter()
            .find(|file| file["id"] == id)
            .unwrap_or_default()
    }

    pub fn is_done(&self, id: &str) -> bool {
        self.file(id)["state"] == "done"
    }

    pub fn until_done(&self, id: &str) {
        while !self.is_done(id) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Accepts all these files when they are offered, slowly enough that they last, until all are in transit.
    pub fn take_slowly(&self, files: &[PathBuf], mut say: impl FnMut(&str)) -> Vec<String> {
        self.way.slow(40_000_000);
        for path in files {
            say(&format!("/say @carol --note --file {} look", path.display()));
        }
        let ids: Vec<String> = (1..=files.len()).map(|nth| format!("f{nth}")).collect();
        ids.iter().for_each(|id| self.accept(id));
        while ids
            .iter()
            .any(|id| self.file(id)["percent"].as_u64().unwrap_or(0) < 1)
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        ids
    }

    /// If the files arrived too early, the measurement was not taken during the transfers.
    pub fn must_still_take(&self, ids: &[String]) {
        assert!(
            !ids.iter().any(|id| self.is_done(id)),
            "the files were there too soon"
        );
    }

    pub fn got(&self, name: &str) -> PathBuf {
        self.home.path().join("files/lobby").join(name)
    }
}
