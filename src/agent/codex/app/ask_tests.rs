use super::*;
use crate::core::runs::ToolRequest;

/// Params in the format of the real program.
fn request(method: &str, id: Value, params: Value) -> Value {
    let mut params = params;
    params["threadId"] = "t".into();
    params["turnId"] = "u".into();
    params["itemId"] = "call_1".into();
    json!({ "method": method, "id": id, "params": params })
}

fn command(params: Value) -> Value {
    request("item/commandExecution/requestApproval", json!(0), params)
}

fn asked(step: DriverEvent) -> ToolRequest {
    match step {
        DriverEvent::Ask(request) => request,
        other => panic!("{other:?}"),
    }
}

fn lines(text: Option<String>) -> Vec<Value> {
    let text = text.expect("it is answered");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn call(tool: &str, input: &str) -> Option<GrantRule> {
    let (tool, input) = (tool.to_owned(), input.to_owned());
    Some(GrantRule::Call { tool, input })
}

fn no(reason: &str) -> ToolAnswer {
    ToolAnswer::Deny(reason.to_owned())
}

#[test]
fn a_command_waits_and_is_answered_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut asking = Asking::new(dir.path().to_owned());
    let params = json!({ "kind": "command", "reason": "needs it", "cwd": dir.path(),
        "command": "/bin/bash -lc 'echo hi > x'", "networkApprovalContext": null });
    let request = asked(asking.request(&command(params), &HashMap::new()));
    assert_eq!((request.id.as_str(), request.tool.as_str()), ("0", "shell"));
    assert_eq!(request.what, "/bin/bash -lc 'echo hi > x'\n\n(it says: needs it)");
    assert_eq!(request.rule, call("shell", "/bin/bash -lc 'echo hi > x'"));
    assert_eq!(
        lines(asking.reply("0", &ToolAnswer::Allow)),
        [json!({ "id": 0, "result": { "decision": "accept" } })]
    );
    assert_eq!(asking.reply("0", &ToolAnswer::Allow), None);
}

/// A grant of a command does not cover anything requested along with it.
#[test]
fn a_command_with_more_is_allowed_only_once() {
    for (more, shown) in [
        (json!({ "cwd": "/etc" }), "\"cwd\": \"/etc\""),
        (json!({ "kind": "writeStdin" }), "\"kind\": \"writeStdin\""),
        (
            json!({ "networkApprovalContext": { "host": "a.example" } }),
            "\"host\": \"a.example\"",
        ),
        (json!({ "additionalPermissions": { "x": 1 } }), "\"x\": 1"),
        (
            json!({ "env": { "LD_PRELOAD": "./x" } }),
            "\"LD_PRELOAD\": \"./x\"",
        ),
    ] {
        let mut asking = Asking::new("/".into());
        let mut params = json!({ "command": "make" });
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let request = asked(asking.request(&command(params), &HashMap::new()));
        assert!(
            request.what.starts_with("make\n\n{") && request.what.contains(shown),
            "{}",
            request.what
        );
        assert_eq!(request.rule, None, "{shown}");
    }
}

/// The refusal itself has no field for the reason.
#[test]
fn a_no_says_why_before_it_refuses() {
    let mut asking = Asking::new("/".into());
    asking.request(&command(json!({ "command": "ls" })), &HashMap::new());
    let why = &lines(asking.reply("0", &no("not $today")))[0];
    assert_eq!(
        (
            &why["method"],
            &why["params"]["threadId"],
            &why["params"]["expectedTurnId"]
        ),
        (&json!("turn/steer"), &json!("t"), &json!("u"))
    );
    assert_eq!(
        why["params"]["input"][0]["text"],
        "The person said no: not $\u{200b}today"
    );
    let id = why["id"].as_u64().unwrap();
    assert_eq!(asking.said(id + 1), None);
    let Some(DriverEvent::Reply(refusal)) = asking.said(id) else {
        panic!()
    };
    let decline = json!({ "id": 0, "result": { "decision": "decline" } });
    assert_eq!(lines(Some(refusal))[0], decline);
    assert_eq!(asking.said(id), None);
    // Without a reason it is sent at once.
    asking.request(&command(json!({ "command": "ls" })), &HashMap::new());
    assert_eq!(lines(asking.reply("0", &no(" "))), [decline]);
}

#[test]
fn what_is_withdrawn_is_gone() {
    let mut asking = Asking::new("/".into());
    let text = request("item/fileChange/requestApproval", json!("0"), json!({}));
    asking.request(&command(json!({ "command": "ls" })), &HashMap::new());
    asking.request(&text, &HashMap::from([("call_1".to_owned(), json!({}))]));
    // The number and the string are different ids.
    assert_eq!(asking.resolved(&json!(0)), Some(DriverEvent::AskGone("0".into())));
    assert_eq!(asking.resolved(&json!(0)), None);
    assert!(asking.waits());
    let rest: Vec<DriverEvent> = asking.over().collect();
    assert_eq!(rest, [DriverEvent::AskGone("\"0\"".into())]);
    assert!(!asking.waits());
}

#[test]
fn a_change_of_files_shows_what_its_item_said() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().canonicalize().unwrap();
    let mut asking = Asking::new(dir.path().to_owned());
    let item = json!({ "type": "fileChange", "changes": [
        { "path": inside.join("n.txt"), "kind": { "type": "add" }, "diff": "hi\n" } ] });
    let known = HashMap::from([("call_1".to_owned(), item)]);
    let of = |params: Value| request("item/fileChange/requestApproval", json!(1), params);
    let first = asked(asking.request(&of(json!({ "reason": null, "grantRoot": null })), &known));
    assert_eq!(first.tool, "edit");
    assert_eq!(first.what, format!("new: {}/n.txt\n\n+ hi\n+ ", inside.display()));
    assert_eq!(first.rule, Some(GrantRule::Below(inside)));
    let more = asked(asking.request(&of(json!({ "grantRoot": "/srv" })), &known));
    assert!(more.what.contains("\"grantRoot\": \"/srv\"") && more.rule.is_none());
    assert!(more.outside.contains(&"/srv".to_owned()));
    // Unknown requests are refused.
    let DriverEvent::Reply(reply) = asking.request(&of(json!({})), &HashMap::new()) else {
        panic!()
    };
    assert_eq!(lines(Some(reply))[0]["result"]["decision"], "decline");
}

#[test]
fn more_room_is_for_one_turn() {
    let mut asking = Asking::new("/".into());
    let wanted = json!({ "network": { "enabled": true }, "fileSystem": null });
    let ask = request(
        "item/permissions/requestApproval",
        json!(2),
        json!({ "permissions": wanted }),
    );
    let request = asked(asking.request(&ask, &HashMap::new()));
    assert!(request.what.contains("\"enabled\": true") && request.rule.is_none());
    let granted = json!({ "permissions": { "network": { "enabled": true } }, "scope": "turn" });
    assert_eq!(lines(asking.reply("2", &ToolAnswer::Allow))[0]["result"], granted);
    asking.request(&ask, &HashMap::new());
    let refused = json!({ "permissions": {}, "scope": "turn" });
    assert_eq!(lines(asking.reply("2", &no("")))[0]["result"], refused);
}

#[test]
fn a_servers_tool_can_be_granted_and_a_form_is_declined() {
    let of = |params: Value| request("mcpServer/elicitation/request", json!(3), params);
    let mut asking = Asking::new("/".into());
    let tool = of(json!({ "serverName": "x", "mode": "form",
        "_meta": { "codex_approval_kind": "mcp_tool_call", "tool_name": "poke", "tool_params": { "who": "bob" } },
        "message": "Allow the x MCP server to run tool \"poke\"?",
        "requestedSchema": { "type": "object", "properties": {} } }));
    let request = asked(asking.request(&tool, &HashMap::new()));
    assert_eq!(request.tool, "x.poke");
    assert!(
        request.what.ends_with("{\n  \"who\": \"bob\"\n}"),
        "{}",
        request.what
    );
    assert_eq!(request.rule, call("x.poke", &request.what));
    let accept = json!({ "action": "accept", "content": {} });
    assert_eq!(lines(asking.reply("3", &ToolAnswer::Allow))[0]["result"], accept);
    let plain = of(json!({ "serverName": "x", "mode": "form", "message": "Sure?" }));
    let request = asked(asking.request(&plain, &HashMap::new()));
    assert_eq!((request.what.as_str(), request.rule), ("Sure?", None));
    let decline = json!({ "action": "decline", "content": null });
    assert_eq!(lines(asking.reply("3", &no("")))[0]["result"], decline);
    for form in [
        json!({ "mode": "url", "url": "https://a.example" }),
        json!({ "mode": "form", "requestedSchema": { "properties": { "name": {} } } }),
    ] {
        let DriverEvent::Reply(reply) = asking.request(&of(form), &HashMap::new()) else {
            panic!()
        };
        assert_eq!(lines(Some(reply))[0]["result"], decline);
        assert!(!asking.waits());
    }
}

#[test]
fn a_question_is_answered_in_words() {
    let mut asking = Asking::new("/".into());
    let questions =
        json!([{ "id": "q1", "question": "Which?", "options": [{ "label": "A" }, { "label": "B" }] }]);
    let ask = request(
        "item/tool/requestUserInput",
        json!(4),
        json!({ "questions": questions }),
    );
    let request = asked(asking.request(&ask, &HashMap::new()));
    assert!(
        request.what.starts_with("Which?\n\n- A\n- B\n\n"),
        "{}",
        request.what
    );
    let answers = json!({ "answers": { "q1": { "answers": ["B"] } } });
    assert_eq!(
        lines(asking.reply("4", &no("B"))),
        [json!({ "id": 4, "result": answers })]
    );
}

#[test]
fn what_is_unknown_does_not_wait() {
    let mut asking = Asking::new("/".into());
    for method in ["item/tool/call", "execCommandApproval", "attestation/generate"] {
        let DriverEvent::Reply(reply) =
            asking.request(&request(method, json!(5), json!({})), &HashMap::new())
        else {
            panic!()
        };
        assert_eq!(lines(Some(reply))[0]["error"]["code"], -32601);
    }
    assert!(!asking.waits());
}
