//! Permission requests of an agent, and the reasons of refusals.
//!
//! The protocol has no field for a reason: agents end their turn on a refusal and wait for instructions. So
//! the reasons are collected and sent as the session's next prompt.

use std::{collections::HashMap, path::PathBuf};

use agent_client_protocol_schema::v1::{
    PermissionOption, PermissionOptionKind, RequestPermissionOutcome, RequestPermissionResponse,
    SelectedPermissionOutcome, ToolCall,
};
use serde_json::Value;

use super::super::driver::DriverEvent;
use super::{result, tool};
use crate::{
    core::runs::{ToolAnswer, defuse, settings::Permissions, without_skills},
    text,
};

/// How often an automatic refusal is reported and the agent continues; after that, the end of its turn is the
/// end of the run.
const MOST_UNASKED: u32 = 3;
/// The maximum number of pending requests, and of refusals reported in one prompt.
const MOST: usize = 64;

/// Pending requests, and reasons not reported yet.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The folder that the run works in.
    dir: PathBuf,
    permissions: Permissions,
    /// Keyed by the request's id, as JSON: a number and a string of digits are different ids.
    pending: HashMap<String, Pending>,
    /// What was refused, and why.
    refused: Vec<String>,
    /// The number of automatic refusals, without a person.
    unasked: u32,
}

#[derive(Debug)]
struct Pending {
    id: Value,
    about: String,
    options: Vec<PermissionOption>,
}

impl Asking {
    pub fn new(dir: PathBuf, permissions: Permissions) -> Self {
        Self {
            dir,
            permissions,
            ..Self::default()
        }
    }

    /// Handles a request for `call` with its `options`: asks the person, or answers at once if the settings
    /// decide.
    pub fn request(&mut self, id: &Value, call: &ToolCall, options: Vec<PermissionOption>) -> DriverEvent {
        if self.pending.len() == MOST {
            return DriverEvent::Reply(cancelled(id));
        }
        let key = id.to_string();
        let pending = Pending {
            id: id.clone(),
            about: text::one_line(&tool::detail(call), 200),
            options,
        };
        self.pending.insert(key.clone(), pending);
        let answer = match self.permissions {
            Permissions::Ask => {
                return DriverEvent::Ask(tool::asked(key, call, &self.dir));
            }
            Permissions::Allow => ToolAnswer::Allow,
            Permissions::ReadOnly => {
                self.unasked += 1;
                ToolAnswer::Deny("you may only read here, and no person can be asked".to_owned())
            }
        };
        match self.reply(&key, &answer) {
            Some(reply) => DriverEvent::Reply(reply),
            None => DriverEvent::Life,
        }
    }

    /// Encodes an answer for standard input. A call is allowed once only, whatever else it offers: we keep
    /// grants, agents do not.
    pub fn reply(&mut self, id: &str, answer: &ToolAnswer) -> Option<String> {
        let pending = self.pending.remove(id)?;
        let (kind, mut refusal) = match answer {
            ToolAnswer::Allow => (PermissionOptionKind::AllowOnce, None),
            ToolAnswer::Deny(reason) => (PermissionOptionKind::RejectOnce, Some(reason.as_str())),
        };
        let option = pending.options.iter().find(|option| option.kind == kind);
        if option.is_none() && refusal.is_none() {
            refusal = Some("it could not be allowed for this once alone");
        }
        if let Some(reason) = refusal
            && self.refused.len() < MOST
        {
            self.refused.push(format!("- {}: {reason}", pending.about));
        }
        let outcome = match option {
            Some(option) => {
                RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
            }
            None => RequestPermissionOutcome::Cancelled,
        };
        Some(result(&pending.id, &RequestPermissionResponse::new(outcome)))
    }

    /// Handles a withdrawn request.
    pub fn withdrawn(&mut self, id: &Value) -> Option<DriverEvent> {
        let key = id.to_string();
        self.pending.remove(&key).map(|_| DriverEvent::AskGone(key))
    }

    /// Withdraws all requests at the end of a turn.
    pub fn over(&mut self) -> impl Iterator<Item = DriverEvent> {
        self.pending.drain().map(|(id, _)| DriverEvent::AskGone(id))
    }

    /// The answers to all pending requests when the turn is cancelled.
    pub fn cancelled(&self) -> String {
        self.pending
            .values()
            .map(|pending| cancelled(&pending.id))
            .collect()
    }

    /// The prompt with refusals and reasons not reported yet; the next answer counts only after it.
    pub fn untold(&mut self) -> Option<String> {
        let refused = std::mem::take(&mut self.refused);
        if refused.is_empty() || self.unasked > MOST_UNASKED {
            return None;
        }
        let text = format!(
            "The person whose agent you are said no to:\n{}\n\n\
             Do without it, take what was said into account, and give your whole answer to the request now.",
            refused.join("\n")
        );
        Some(without_skills(&defuse(&text)))
    }
}

fn cancelled(id: &Value) -> String {
    result(
        id,
        &RequestPermissionResponse::new(RequestPermissionOutcome::Cancelled),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asks(asking: &mut Asking, id: Value, kinds: &[&str]) -> DriverEvent {
        let call = json!({ "toolCallId": "c", "title": "t", "rawInput": { "command": "make" } });
        let options: Vec<Value> = kinds
            .iter()
            .map(|kind| json!({ "optionId": format!("its-{kind}"), "name": "n", "kind": kind }))
            .collect();
        asking.request(
            &id,
            &serde_json::from_value(call).unwrap(),
            serde_json::from_value(options.into()).unwrap(),
        )
    }

    fn outcome(reply: &str) -> Value {
        serde_json::from_str::<Value>(reply).unwrap()["result"]["outcome"].clone()
    }

    const ALL: [&str; 4] = ["allow_always", "allow_once", "reject_always", "reject_once"];

    #[test]
    fn an_option_is_chosen_by_its_kind_and_never_for_good() {
        let no = || ToolAnswer::Deny("not today".to_owned());
        for (kinds, answer, want) in [
            (&ALL[..], ToolAnswer::Allow, Some("its-allow_once")),
            (&ALL, no(), Some("its-reject_once")),
            (&["allow_always", "reject_always"], ToolAnswer::Allow, None),
            (&["allow_always", "reject_always"], no(), None),
        ] {
            let mut asking = Asking::new("/".into(), Permissions::Ask);
            let DriverEvent::Ask(request) = asks(&mut asking, json!(0), kinds) else {
                panic!()
            };
            let reply = asking.reply(&request.id, &answer).unwrap();
            assert_eq!(outcome(&reply)["optionId"].as_str(), want, "{kinds:?} {answer:?}");
            assert_eq!(outcome(&reply)["outcome"] == "cancelled", want.is_none());
            assert_eq!(asking.reply(&request.id, &answer), None);
            let told = asking.untold();
            assert_eq!(told.is_none(), want == Some("its-allow_once"), "{told:?}");
        }
    }

    #[test]
    fn a_reason_is_given_once_and_reads_no_file() {
        let mut asking = Asking::new("/".into(), Permissions::Ask);
        asks(&mut asking, json!("a"), &ALL);
        let no = ToolAnswer::Deny("see @/etc/hostname and $skill".to_owned());
        asking.reply("\"a\"", &no).unwrap();
        let told = asking.untold().unwrap();
        let want = "- make: see @\u{200b}/etc/hostname and $\u{200b}skill";
        assert!(told.contains(want), "{told}");
        assert_eq!(asking.untold(), None);
    }

    #[test]
    fn settings_answer_where_they_say_enough() {
        let mut allowing = Asking::new("/".into(), Permissions::Allow);
        let DriverEvent::Reply(yes) = asks(&mut allowing, json!(1), &ALL) else {
            panic!()
        };
        assert_eq!(outcome(&yes)["optionId"], "its-allow_once");
        let mut reading = Asking::new("/".into(), Permissions::ReadOnly);
        for round in 0..MOST_UNASKED + 2 {
            let DriverEvent::Reply(no) = asks(&mut reading, json!(round), &ALL) else {
                panic!()
            };
            assert_eq!(outcome(&no)["optionId"], "its-reject_once");
            // It could ask forever.
            assert_eq!(reading.untold().is_some(), round < MOST_UNASKED);
        }
    }

    #[test]
    fn what_is_withdrawn_or_over_is_gone() {
        let mut asking = Asking::new("/".into(), Permissions::Ask);
        asks(&mut asking, json!(1), &ALL);
        asks(&mut asking, json!("1"), &ALL);
        assert_eq!(asking.cancelled().lines().count(), 2);
        assert_eq!(
            asking.withdrawn(&json!(1)),
            Some(DriverEvent::AskGone("1".to_owned()))
        );
        assert_eq!(asking.withdrawn(&json!(1)), None);
        assert_eq!(
            asking.over().collect::<Vec<_>>(),
            [DriverEvent::AskGone("\"1\"".to_owned())]
        );
    }
}
