//! What a worker offers and a run wants: an evaluator by name, and the digests of what decides its
//! outcomes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::plain;

/// Hexadecimal digits of a digest that names an offer.
const DIGITS: usize = 12;

/// An evaluator by its name, with a digest for each part that decides its outcomes. Work goes only to
/// workers whose offer equals the run's in every part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The name under which it is offered.
    pub name: String,
    /// A value or a digest by part, such as `version`, `rows`, `prompt`, `policy`, `programs`.
    pub parts: BTreeMap<String, String>,
}

impl Offer {
    /// An offer with no parts.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parts: BTreeMap::new(),
        }
    }

    /// Adds a short value, which is shown to people as it is.
    #[must_use]
    pub fn with(mut self, part: &str, value: impl Into<String>) -> Self {
        self.parts.insert(part.to_owned(), value.into());
        self
    }

    /// Adds the digest of a content of any length.
    #[must_use]
    pub fn with_content(self, part: &str, content: &[u8]) -> Self {
        let digest = blake3::hash(content).to_hex()[..DIGITS].to_owned();
        self.with(part, digest)
    }

    /// The digest over all parts.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (part, value) in &self.parts {
            for text in [part, value] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        hasher.finalize().to_hex()[..DIGITS].to_owned()
    }

    /// The name and the digest as one part of a subject.
    pub(crate) fn token(&self) -> String {
        format!("{}-{}", plain(&self.name), self.digest())
    }

    /// The parts in which another offer differs, for people: `rows`, `version (0.1.0, here 0.2.0)`.
    pub(crate) fn differences(&self, other: &Self) -> String {
        let names = self.parts.keys().chain(other.parts.keys());
        let mut names: Vec<&String> = names.collect();
        names.sort();
        names.dedup();
        let differing = names.into_iter().filter_map(|part| {
            let (here, there) = (self.parts.get(part), other.parts.get(part));
            if here == there {
                return None;
            }
            Some(match (here, there) {
                (Some(here), Some(there)) if part == "version" => {
                    format!("version ({there}, here {here})")
                }
                _ => part.clone(),
            })
        });
        differing.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` ({})", self.name, self.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_differ_where_any_part_does() {
        let one = Offer::new("heart")
            .with("version", "1")
            .with_content("rows", b"a");
        let same = Offer::new("heart")
            .with_content("rows", b"a")
            .with("version", "1");
        let other = Offer::new("heart")
            .with("version", "2")
            .with_content("rows", b"b");
        assert_eq!(one.token(), same.token());
        assert_ne!(one.token(), other.token());
        assert_eq!(one.differences(&other), "rows, version (2, here 1)");
    }
}
