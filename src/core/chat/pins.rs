//! The key that each name is known by, and whom auto mode may answer.
//!
//! Bounded: the keys of all names that the person has spoken with are kept, and of the others the [`NAMES`] seen
//! last. A name beyond that counts as new.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Number of names whose keys are remembered although the person has never spoken with them.
pub(in crate::core) const NAMES: usize = 10_000;

/// The pinned keys; see the [module](self).
#[derive(Debug, Default)]
pub(in crate::core) struct Pins {
    /// By name in lower case.
    by_name: HashMap<String, Pin>,
    /// Names that the person has spoken with, in lower case; bounded by what a person can do.
    spoken_with: HashSet<String>,
    /// All other names, the least recently seen first.
    by_age: BTreeMap<u64, String>,
    clock: u64,
    /// Names without a key of which the person has accepted something: trusted only as long as they are seen to
    /// stay, since anybody can take such a name afterwards.
    trusted_here: HashSet<String>,
    /// The key, or its absence, with which a name is trusted; only the person adds to it.
    trusted: HashMap<String, Option<String>>,
}

#[derive(Debug)]
struct Pin {
    key: String,
    /// Its key in `by_age`.
    age: u64,
}

/// Result of comparing a name's key with its pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Look {
    /// The name is new, and pinned to this key.
    First,
    /// The key is the pinned one, or neither has one.
    Same,
    /// The key differs from the pinned one, or is missing.
    Other,
}

impl Pins {
    /// The key pinned for a name.
    pub fn key(&self, name: &str) -> Option<&str> {
        let pin = self.by_name.get(&name.to_ascii_lowercase())?;
        Some(&pin.key)
    }

    /// Whether a key differs from the pinned one.
    pub fn is_other(&self, name: &str, key: Option<&str>) -> bool {
        self.key(name).is_some_and(|known| key != Some(known))
    }

    /// Notes that a name was seen with this key.
    pub fn see(&mut self, name: &str, key: Option<&str>) -> Look {
        match (self.key(name), key) {
            (None, None) => Look::Same,
            (None, Some(key)) => {
                self.pin(name, key.to_owned());
                Look::First
            }
            (Some(known), Some(key)) if known == key => {
                self.pin(name, key.to_owned());
                Look::Same
            }
            (Some(_), _) => Look::Other,
        }
    }

    /// Pins a name to this key. Returns whether it was pinned to another one before.
    pub fn pin(&mut self, name: &str, key: String) -> bool {
        let name = name.to_ascii_lowercase();
        self.clock += 1;
        let age = self.clock;
        if !self.spoken_with.contains(&name) {
            self.by_age.insert(age, name.clone());
        }
        let before = self.by_name.insert(
            name,
            Pin {
                key: key.clone(),
                age,
            },
        );
        if let Some(before) = &before {
            self.by_age.remove(&before.age);
        }
        if self.by_age.len() > NAMES
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_name.remove(&oldest);
        }
        before.is_some_and(|before| before.key != key)
    }

    /// Removes the pin of a name.
    pub fn unpin(&mut self, name: &str) {
        if let Some(pin) = self.by_name.remove(&name.to_ascii_lowercase()) {
            self.by_age.remove(&pin.age);
        }
    }

    /// Notes that the person has spoken with a name, so that its key is kept.
    pub fn spoke_with(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if let Some(pin) = self.by_name.get(&name) {
            self.by_age.remove(&pin.age);
        }
        self.spoken_with.insert(name);
    }

    /// Notes that the person trusts a name with this key, or without one.
    pub fn trust(&mut self, name: &str, key: Option<String>) {
        self.trusted.insert(name.to_ascii_lowercase(), key);
    }

    /// Whether the person trusts a name with this key.
    pub fn is_trusted(&self, name: &str, key: Option<&str>) -> bool {
        let name = name.to_ascii_lowercase();
        let trusted = self.trusted.get(&name);
        trusted.is_some_and(|trusted| trusted.as_deref() == key)
            || key.is_none() && self.trusted_here.contains(&name)
    }

    /// Trusts a name without a key for as long as it stays, because the person has accepted something of it.
    pub fn trust_while_here(&mut self, name: &str) {
        self.trusted_here.insert(name.to_ascii_lowercase());
    }

    /// Ends the trust in a name without a key, which may belong to somebody else from now on.
    pub fn may_be_another(&mut self, name: &str) {
        self.trusted_here.remove(&name.to_ascii_lowercase());
    }

    /// Ends the trust in every name without a key.
    pub fn all_may_be_others(&mut self) {
        self.trusted_here.clear();
    }

    /// Number of pinned keys, for tests of the bound.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Issue 14, 15: 10,000 joins ended pinning for newcomers, silently and for good.
    #[test]
    fn pinning_continues_during_a_flood() {
        let mut pins = Pins::default();
        pins.see("friend", Some("f"));
        pins.spoke_with("Friend");
        pins.see("passer-by", Some("p"));
        for nth in 0..3 * NAMES {
            assert_eq!(pins.see(&format!("n{nth}"), Some("k")), Look::First);
            assert!(pins.len() <= NAMES + 1);
            if nth % 1000 == 0 {
                assert_eq!(pins.see("regular", Some("r")) == Look::First, nth == 0);
            }
        }
        assert_eq!(pins.see("bob", Some("b")), Look::First);
        assert_eq!(pins.see("BOB", Some("other")), Look::Other);
        assert_eq!(pins.see("bob", None), Look::Other);
        assert_eq!(pins.see("friend", Some("x")), Look::Other);
        assert_eq!(pins.see("regular", Some("x")), Look::Other);
        assert_eq!(pins.see("passer-by", Some("x")), Look::First, "it is new again");
    }

    #[test]
    fn trust_is_for_a_name_with_a_key() {
        let mut pins = Pins::default();
        pins.trust("Bob", Some("b".into()));
        pins.trust("plain", None);
        assert!(pins.is_trusted("bob", Some("b")) && pins.is_trusted("PLAIN", None));
        assert!(!pins.is_trusted("bob", Some("c")) && !pins.is_trusted("bob", None));
        assert!(!pins.is_trusted("plain", Some("b")) && !pins.is_trusted("carol", None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Both indexes hold the same names after any sequence of operations.
        #[test]
        fn the_indexes_agree(ops in proptest::collection::vec((0..4_u8, 0..6_u8, 0..3_u8), 0..80)) {
            let mut pins = Pins::default();
            for (op, name, key) in ops {
                let (name, key) = (format!("n{name}"), format!("k{key}"));
                match op {
                    0 => _ = pins.see(&name, Some(&key)),
                    1 => _ = pins.pin(&name, key),
                    2 => pins.unpin(&name),
                    _ => pins.spoke_with(&name),
                }
                let aged: HashSet<&String> = pins.by_age.values().collect();
                prop_assert_eq!(aged.len(), pins.by_age.len());
                for (name, pin) in &pins.by_name {
                    let spoken = pins.spoken_with.contains(name);
                    prop_assert_eq!(pins.by_age.get(&pin.age) == Some(name), !spoken);
                }
                prop_assert!(aged.into_iter().all(|name| pins.by_name.contains_key(name)));
            }
        }
    }
}
