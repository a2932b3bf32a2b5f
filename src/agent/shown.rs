//! A tool call as a person reads it before allowing it: all of it, whatever it holds.
//!
//! The fields of a call are taken out one by one to be shown in a form of their own; what nobody has taken is shown
//! as JSON. Parts are separated by empty lines, which no part contains, and control characters are written out: so
//! two calls that differ never look the same.

use serde_json::{Map, Value};

use super::shell;
use crate::{
    core::runs::{GrantRule, ToolRequest},
    text::{Escaped, escape, escape_json, escape_line},
};

/// A call that is being written down.
#[derive(Debug, Default)]
pub(super) struct Shown {
    parts: Vec<String>,
    /// What its model says about it, which changes nothing of it.
    notes: Vec<String>,
    hidden: usize,
    /// Fields that are not shown yet.
    fields: Map<String, Value>,
    /// All of the call where that is no object.
    other: Option<Value>,
}

impl Shown {
    /// A call with this input, of which nothing is written down yet.
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

    /// A field that is left.
    pub fn peek(&self, key: &str) -> &Value {
        self.fields.get(key).unwrap_or(&Value::Null)
    }

    /// Takes a field out without showing it: it changes nothing, or something else shows it.
    pub fn skip(&mut self, key: &str) {
        self.fields.remove(key);
    }

    /// As [`Shown::skip`], for each of `keys`.
    pub fn skip_all(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| self.skip(key));
    }

    /// Takes fields out that are set to nothing.
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

    /// Takes out a field that is a text.
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

    /// Takes out a command and shows it as it is executed: a text, or a list of arguments.
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

    /// Text of its own: a single line as it is, several behind a mark.
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

    /// Lines, each behind its mark.
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

    /// Something in one line behind a word of ours.
    pub fn labelled(&mut self, label: &str, text: &str) {
        let text = self.one_line(text);
        self.parts.push(format!("{label}{text}"));
    }

    pub fn json(&mut self, value: &Value) {
        // In one order, whatever order it came in: a grant is compared by it.
        let mut value = value.clone();
        value.sort_all_objects();
        let escaped = escape_json(&value);
        let text = self.count(escaped);
        self.parts.push(match text.contains('\n') {
            true => text,
            // One line could be taken for a command.
            false => format!("input:\n{text}"),
        });
    }

    /// Takes out what the model says about its call: it changes nothing of that, and is told as its words.
    pub fn says(&mut self, key: &str) {
        if let Some(Value::String(_) | Value::Null) = self.fields.get(key) {
            if let Some(text) = self.take_text(key) {
                self.note(&text);
            }
            self.skip(key);
        }
    }

    /// Something that its agent says about the call.
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

    /// Whether fields are left that nobody has shown, but for these.
    pub fn has_more_than(&self, known: &[&str]) -> bool {
        let mut left = self.fields.keys().map(String::as_str);
        self.other.is_some() || left.any(|key| !known.contains(&key))
    }

    /// Shows what is left; gives what binds a grant: all but what the model says about it.
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

    /// One of several lines: none of them holds a line feed.
    fn line(&mut self, line: &str) -> String {
        self.count(escape(line))
    }

    /// A text that is put into one line.
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
    /// The same without the model's words about it.
    pub input: String,
    /// How many characters are written out.
    pub hidden: usize,
}

impl Whole {
    /// A rule for this very call of `tool`.
    pub fn rule(&self, tool: &str) -> GrantRule {
        GrantRule::Call {
            tool: tool.to_owned(),
            input: self.input.clone(),
        }
    }

    /// The request that it is. `places` are all that it names.
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
