//! Names that nobody in the room has or had: most are mistyped, and a message to one would never be delivered.

use std::fmt::Write;

use nexscope_relay::protocol::same_name;

use crate::core::Room;

/// Number of names that are suggested for an unknown one.
const OFFERED: usize = 3;
/// Highest edit distance, in letters, of a suggested name.
const NEAR: usize = 2;

/// A name that nobody here has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownNames {
    pub name: String,
    /// Names that may have been meant, the nearest first.
    pub near: Vec<String>,
}

impl UnknownNames {
    /// Formats the problem in one or two sentences.
    pub fn in_words(&self) -> String {
        let mut words = format!("No one called {} has been here.", self.name);
        if let Some((last, others)) = self.near.split_last() {
            let others = match others.is_empty() {
                true => String::new(),
                false => format!("{} or ", others.join(", ")),
            };
            // Writing to a string does not fail.
            let _ = write!(words, " Did you mean {others}{last}?");
        }
        words
    }
}

impl Room {
    /// The first of these names that nobody here has or had, as far as that is known. Before the relay has sent the
    /// member list, no name counts as unknown.
    pub fn unknown_name(&self, names: &[String]) -> Option<UnknownNames> {
        if self.chat.members.list().is_empty() {
            return None;
        }
        let name = names.iter().find(|name| !is_known_name(self, name))?;
        let lower = name.to_ascii_lowercase();
        let mut near: Vec<(usize, &str)> = self
            .chat
            .members
            .list()
            .iter()
            .map(|member| member.name.as_str())
            .filter(|known| !self.is_me(known))
            .map(|known| {
                let away = crate::text::distance(&known.to_ascii_lowercase(), &lower);
                (away, known)
            })
            .filter(|(away, _)| *away <= NEAR)
            .collect();
        near.sort_unstable();
        near.truncate(OFFERED);
        Some(UnknownNames {
            name: name.clone(),
            near: near.into_iter().map(|(_, known)| known.to_owned()).collect(),
        })
    }
}

fn is_known_name(room: &Room, name: &str) -> bool {
    room.is_me(name)
            || room.chat.members.was_here(name)
            // Before this program started, only those who spoke are known.
            || room.chat.timeline.posts().any(|(_, post)| same_name(&post.from, name))
}
