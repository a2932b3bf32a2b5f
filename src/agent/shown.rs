//! Shows a tool call in full to the person who approves it, whatever it contains.
//!
//! The known fields of a call are taken out one by one and shown in a form of their own; the rest is shown as
//! JSON. Parts are separated by empty lines, which no part contains, and control characters are escaped, so
//! two different calls never look the same.

use serde_json::{Map, Value};

use super::shell;
use crate::{
    core::runs::{GrantRule, ToolRequest},
    text::{Escaped, escape, escape_json, escape_line},
};

/// A tool call in the course of being formatted.
#[derive(Debug, Default)]
pub(super) struct Shown {
    parts: Vec<String>,
    /// The model's remarks, which have no effect on the call.
    notes: Vec<String>,
    hidden: usize,
    /// Fields not shown yet.
    fields: Map<String, Value>,
    /// The whole input if it is not an object.
    other: Option<Value>,
}

impl Shown {
    /// Starts with all fields of `input` still to be shown.
    pub fn new(input: &Value) -> Self {
        match input {
            Value::Null => Self::default(),
            Value::Object(fields) => Self {
                fields: fields.clone(),
                ..Self::default()
            },
            other => Self {
                other: Some(other.clone()),
                ..Self::default()
            },
        }
    }

    /// Returns a remaining field without taking it.
    pub fn peek(&self, key: &str) -> &Value {
        self.fields.get(key).unwrap_or(&Value::Null)
    }

    /// Drops a field without showing it: it has no effect, or something else shows it.
    pub fn skip(&mut self, key: &str) {
        self.fields.remove(key);
    }

    /// As [`Shown::skip`], for each of `keys`.
    pub fn skip_all(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| self.skip(key));
    }

    /// Drops fields that are null or empty.
    pub fn skip_unset(&mut self, keys: &[&str]) {
        let unset = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        self.fields
            .retain(|key, value| !(keys.contains(&key.as_str()) && unset(value)));
    }

    /// Takes a text field.
    pub fn take_text(&mut self, key: &str) -> Option<String> {
        match self.fields.get(key)? {
            Value::String(text) if !text.trim().is_empty() => {
                let text = text.clone();
                self.skip(key);
                Some(text)
            }
            _ => None,
        }
    }

    /// Takes a command and shows it as it is executed: a text, or a list of arguments.
    pub fn command(&mut self, key: &str) -> bool {
        if let Some(command) = self.take_text(key) {
            self.block(&command);
            return true;
        }
        let words = self.peek(key).as_array().map(|words| {
            let texts: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            texts
                .filter(|texts| !texts.is_empty())
                .map(|texts| shell::quoted(&texts))
        });
        let Some(Some(command)) = words else { return false };
        self.skip(key);
        self.block(&command);
        self.parts.push("(given as a list of arguments)".to_owned());
        true
    }

    /// Adds a text block: a single line as it is, several lines behind a mark.
    pub fn block(&mut self, text: &str) {
        let lines: Vec<&str> = text.split('\n').collect();
        match lines[..] {
            [line] if !line.trim().is_empty() => {
                let line = self.line(line);
                self.parts.push(line);
            }
            _ => self.lines(lines.into_iter().map(|line| ("|", line))),
        }
    }

    /// Adds lines, each behind its mark.
    pub fn lines<'a>(&mut self, lines: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let lines = lines.into_iter().map(|(mark, line)| {
            let line = self.line(line);
            format!("{mark} {line}")
        });
        let lines: Vec<String> = lines.collect();
        if !lines.is_empty() {
            self.parts.push(lines.join("\n"));
        }
    }

    /// Adds one line behind a label of ours.
    pub fn labelled(&mut self, label: &str, text: &str) {
        let text = self.one_line(text);
        self.parts.push(format!("{label}{text}"));
    }

    pub fn json(&mut self, value: &Value) {
        // Sorted, whatever order the fields arrived in: a grant is compared by it.
        let mut value = value.clone();
        value.sort_all_objects();
        let escaped = escape_json(&value);
        let text = self.count(escaped);
        self.parts.push(match text.contains('\n') {
            true => text,
            // A single line could be mistaken for a command.
            false => format!("input:\n{text}"),
        });
    }

    /// Takes the model's remark on its call, which has no effect, and shows it as the model's words.
    pub fn says(&mut self, key: &str) {
        if let Some(Value::String(_) | Value::Null) = self.fields.get(key) {
            if let Some(text) = self.take_text(key) {
                self.note(&text);
            }
            self.skip(key);
        }
    }

    /// Adds the agent's remark on the call.
    pub fn note(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let lines: Vec<String> = text.split('\n').map(|line| self.line(line)).collect();
        self.notes.push(match &lines[..] {
            [line] => format!("(it says: {line})"),
            lines => format!("it says:\n| {}", lines.join("\n| ")),
        });
    }

    /// Whether unshown fields other than `known` are left.
    pub fn has_more_than(&self, known: &[&str]) -> bool {
        let mut left = self.fields.keys().map(String::as_str);
        self.other.is_some() || left.any(|key| !known.contains(&key))
    }

    /// Shows the rest; returns the whole text and the part that binds a grant: all but the model's remarks.
    pub fn finish(mut self) -> Whole {
        let fields = std::mem::take(&mut self.fields);
        if !fields.is_empty() {
            self.json(&Value::Object(fields));
        }
        if let Some(other) = self.other.take() {
            self.json(&other);
        }
        if self.parts.is_empty() {
            self.parts.push("{\n}".to_owned());
        }
        let input = self.parts.join("\n\n");
        let what = [vec![input.clone()], self.notes].concat().join("\n\n");
        Whole {
            what,
            input,
            hidden: self.hidden,
        }
    }

    /// Escapes one of several lines, so that it holds no line feed.
    fn line(&mut self, line: &str) -> String {
        self.count(escape(line))
    }

    /// Escapes a text to fit on one line.
    fn one_line(&mut self, text: &str) -> String {
        self.count(escape_line(text))
    }

    fn count(&mut self, escaped: Escaped) -> String {
        self.hidden += escaped.hidden;
        escaped.text
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub what: String,
    /// The same without the model's remarks.
    pub input: String,
    /// The number of escaped characters.
    pub hidden: usize,
}

impl Whole {
    /// A grant rule for exactly this call of `tool`.
    pub fn rule(&self, tool: &str) -> GrantRule {
        GrantRule::Call {
            tool: tool.to_owned(),
            input: self.input.clone(),
        }
    }

    /// Builds the permission request. `places` are all paths that it names.
    pub fn request(
        self,
        id: String,
        tool: String,
        places: Vec<String>,
        rule: Option<GrantRule>,
    ) -> ToolRequest {
        ToolRequest {
            id,
            tool,
            what: self.what,
            hidden: self.hidden,
            outside: places,
            rule,
        }
    }
}
