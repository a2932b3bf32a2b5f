//! Second confirmations of actions that cannot be undone.

use crate::core::{
    Intent, Item, ItemKind, Room,
    leak::secrets::{self, OUTSIDE},
};

impl Room {
    /// The question to ask before a decision is carried out; `None` if it needs no second confirmation.
    pub fn doubt(&self, intent: &Intent) -> Option<String> {
        match intent {
            Intent::Grant(id) => {
                let rule = self.review.inbox.get(*id)?.grant_in_words()?;
                Some(format!("Press again to allow {rule} for this thread."))
            }
            Intent::Accept { target, how } => {
                let ids = self.items(*target).ok()?;
                let items = ids.iter().filter_map(|id| self.review.inbox.get(*id));
                let doubts: Vec<String> = items
                    .filter_map(|item| {
                        let words = why_flagged(self, item, how.text.as_deref());
                        (!words.is_empty()).then(|| format!("{} {}", item.id, words.join(", ")))
                    })
                    .collect();
                (!doubts.is_empty()).then(|| format!("{}. Press again to post it anyway.", doubts.join("; ")))
            }
            Intent::Reject { reason, .. } => doubt_own_words(self, "The reason", reason, "send"),
            Intent::Ask { words } => doubt_own_words(self, "The question", words, "post"),
            _ => None,
        }
    }
}

/// The question about text that is sent as written, if something in it looks like a secret.
fn doubt_own_words(room: &Room, what: &str, words: &str, does: &str) -> Option<String> {
    let own = room.settings.token.as_ref().map(|token| token.0.as_str());
    let mut found: Vec<String> = secrets::secrets(words, own.as_slice())
        .iter()
        .map(secrets::Flag::in_words)
        .collect();
    found.dedup();
    (!found.is_empty()).then(|| format!("{what} {}. Press again to {does} it anyway.", found.join(", ")))
}

/// The reasons for a second confirmation of a draft, with `text` in place of its own if it was edited.
fn why_flagged(room: &Room, item: &Item, text: Option<&str>) -> Vec<String> {
    let ItemKind::Draft(draft) = &item.matter else {
        return Vec::new();
    };
    let Some(text) = text.filter(|text| draft.is_edited(text)) else {
        return match item.wants_a_second_yes() {
            true => item.warnings(),
            false => Vec::new(),
        };
    };
    // Removed text needs no confirmation. For text from outside it is unknown how much is left.
    let own = room.settings.token.as_ref().map(|token| token.0.as_str());
    let brought = draft.flags.iter().filter(|flag| flag.what == OUTSIDE).cloned();
    let mut draft = draft.clone();
    draft.flags = secrets::secrets(text, own.as_slice())
        .into_iter()
        .chain(brought)
        .collect();
    let edited = Item {
        matter: ItemKind::Draft(draft),
        ..item.clone()
    };
    why_flagged(room, &edited, None)
}
