//! Prints an item in full in plain mode, with the effect of accepting it, before a person is asked.

use crate::core::{Intent, Item, ItemKind, Room};

/// Everything that a person needs to decide, line by line.
pub fn lines(room: &Room, item: &Item) -> Vec<String> {
    let kind = if item.from.agent.is_some() {
        "an agent"
    } else {
        "a person"
    };
    let agent = item
        .from
        .agent
        .as_ref()
        .map_or_else(String::new, |agent| format!("·{agent}"));
    let who = format!("{}{agent}", item.from.member);
    let label = item.label();
    let mut lines = vec![match &item.matter {
        ItemKind::Mention(mention) => match room.agent_for(mention) {
            Some(agent) => format!("{label} {who} ({kind}) asks {agent}"),
            None => format!("{label} {who} ({kind}) asks; you have no agent"),
        },
        ItemKind::Draft(_) => format!("{label} {who} would post this"),
        ItemKind::Permission(permission) => {
            format!(
                "{label} {who} wants to use {}, for {}",
                permission.request.tool, permission.asker
            )
        }
        ItemKind::File(_) => format!("{label} {who} ({kind}) offers a file"),
    }];
    if let ItemKind::Mention(mention) = &item.matter {
        let agent = room.agent_for(mention);
        let may = agent
            .as_ref()
            .and_then(|agent| room.settings.permissions.get(agent));
        lines.extend(may.map(|may| format!("  permissions: {may}")));
        for number in &mention.files {
            let offer = room.files.get(*number);
            lines.extend(
                offer.map(|offer| format!("  with {}, {}", offer.name, crate::text::bytes(offer.size))),
            );
        }
    }
    if let ItemKind::Draft(draft) = &item.matter {
        lines.extend(
            draft
                .files
                .iter()
                .map(|file| format!("  with {}", file.in_words())),
        );
    }
    if matches!(item.matter, ItemKind::Mention(_) | ItemKind::Draft(_)) {
        lines.push(format!("  seen by: {}", room.audience_of(item).in_words()));
    }
    lines.extend(item.warnings().iter().map(|warning| format!("  ! {warning}")));
    lines.extend(item.text.lines().map(|line| format!("  | {line}")));
    lines.push(format!("End of {label}."));
    lines
}

/// The question before an intent is carried out.
pub fn question(intent: &Intent) -> String {
    match intent {
        Intent::Accept { how, .. } => match &how.instructions {
            Some(instructions) => format!("Accept with “{instructions}”? Type y."),
            None => "Accept? Type y.".to_owned(),
        },
        Intent::Reject { reason, .. } if reason.is_empty() => "Reject? Type y.".to_owned(),
        Intent::Reject { reason, .. } => format!("Reject with “{reason}”? Type y."),
        Intent::Auto => "Turn on auto mode? Type y.".to_owned(),
        Intent::Trust(name) => format!("Trust the key of {name}? Type y."),
        Intent::Ask { .. } => "Ask your agent? Type y.".to_owned(),
        _ => "Do it? Type y.".to_owned(),
    }
}
