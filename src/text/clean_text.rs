//! Text from outside that was cleaned: the type of what may be drawn, kept and sent on.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize};

/// Text that was cleaned once, where it came in: it has no control characters but line feeds and tabs, no escape
/// sequences, and nothing invisible. Only this module's parent can make one, by cleaning.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Clean(String);

impl Clean {
    /// For the functions that clean.
    pub(super) fn cleaned(text: String) -> Self {
        Self(text)
    }

    /// With its tabs as spaces, as it is drawn.
    pub fn with_spaces(&self) -> Self {
        match self.0.contains('\t') {
            true => super::clean(&self.0).text,
            false => self.clone(),
        }
    }

    /// Without the white space at its ends.
    pub fn trimmed(&self) -> Self {
        Self(self.0.trim().to_owned())
    }

    /// What is left of it from a byte on, which must begin a character.
    pub fn after_byte(&self, start: usize) -> Self {
        Self(self.0[start..].to_owned())
    }
}

impl Deref for Clean {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Clean {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Clean {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for Clean {
    fn from(text: &str) -> Self {
        super::clean_with_tabs(text)
    }
}

impl From<String> for Clean {
    fn from(text: String) -> Self {
        super::clean_with_tabs(&text)
    }
}

impl From<Clean> for String {
    fn from(text: Clean) -> Self {
        text.0
    }
}

impl PartialEq<str> for Clean {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Clean {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for Clean {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

/// Text of a file is from outside, too.
impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}
