//! The answers of a model server, and their timing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

/// The answer of a server to one request.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    pub(super) text: Vec<String>,
    pub(super) calls: Vec<Value>,
    pub(super) status: Option<(u16, String)>,
    pub(super) hangs: bool,
    pub(super) always: bool,
    pub(super) held: Option<(usize, Gate)>,
}

impl Turn {
    /// Text, in one delta for each word.
    pub fn text(deltas: &[&str]) -> Self {
        Self {
            text: deltas.iter().map(|delta| (*delta).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// A call of the tool `name`.
    pub fn tool(name: &str, input: Value) -> Self {
        Self::default().then_tool(name, input)
    }

    /// An HTTP error.
    pub fn error(status: u16, message: &str) -> Self {
        Self {
            status: Some((status, message.to_owned())),
            ..Self::default()
        }
    }

    /// Calls the tool `name` after its text.
    pub fn then_tool(mut self, name: &str, input: Value) -> Self {
        self.calls.push(json!({ "name": name, "input": input }));
        self
    }

    /// Its calls name tools of that namespace.
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        for call in &mut self.calls {
            call["namespace"] = namespace.into();
        }
        self
    }

    /// Sends nothing more after its text, and does not end.
    pub fn then_hangs(mut self) -> Self {
        self.hangs = true;
        self
    }

    /// The answer to this and every later request.
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Holds the word with that number, counted from 0, and all later ones until the gate is open.
    pub fn held_before(mut self, word: usize, gate: &Gate) -> Self {
        self.held = Some((word, gate.clone()));
        self
    }
}

/// A gate at which a turn waits until a test opens it.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Opens the gate.
    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
