//! Candidates: ordered maps of component name to text, identified by their content.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// BLAKE3 hash over a candidate's component names and texts, in order.
///
/// Two candidates with the same components in the same order are the same candidate, even if they
/// come from different runs or parents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; 32]);

impl ContentId {
    /// The hash as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(12);
        hex
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ContentId({})", self.short())
    }
}

impl FromStr for ContentId {
    type Err = CandidateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| CandidateError::BadContentId(text.to_owned()))
    }
}

impl Serialize for ContentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl<'de> Deserialize<'de> for ContentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// How a candidate was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The starting candidate of the run.
    Seed,
    /// Rewritten by the reflection model from its parent's traces.
    Reflection,
    /// Composed of two parents and their common ancestor.
    Merge,
    /// Added from outside during the run.
    Injected,
}

impl Origin {
    /// The name used in stores, exports and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Reflection => "reflection",
            Self::Merge => "merge",
            Self::Injected => "injected",
        }
    }
}

/// Why components do not form a candidate, or a text is no content id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// A candidate needs at least one component.
    #[error("candidate has no components")]
    Empty,
    /// A component has an empty name.
    #[error("candidate has a component without a name")]
    UnnamedComponent,
    /// A replacement names a component the candidate does not have.
    #[error("candidate has no component named `{0}`")]
    UnknownComponent(String),
    /// The text is not a content id (64 hexadecimal digits).
    #[error("`{0}` is not a content id of 64 hexadecimal digits")]
    BadContentId(String),
}

/// An ordered, non-empty map of component name to text; immutable and cheap to share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    components: IndexMap<Arc<str>, Arc<str>>,
    content_id: ContentId,
}

impl Candidate {
    /// Builds a candidate from its components; their order is part of its identity.
    pub fn new<N, T>(components: impl IntoIterator<Item = (N, T)>) -> Result<Self, CandidateError>
    where
        N: Into<Arc<str>>,
        T: Into<Arc<str>>,
    {
        let components: IndexMap<Arc<str>, Arc<str>> = components
            .into_iter()
            .map(|(name, text)| (name.into(), text.into()))
            .collect();
        if components.is_empty() {
            return Err(CandidateError::Empty);
        }
        if components.keys().any(|name| name.is_empty()) {
            return Err(CandidateError::UnnamedComponent);
        }
        Ok(Self::hashed(components))
    }

    /// The components in order.
    pub fn components(&self) -> &IndexMap<Arc<str>, Arc<str>> {
        &self.components
    }

    /// The text of one component.
    pub fn text(&self, component: &str) -> Option<&Arc<str>> {
        self.components.get(component)
    }

    /// The content id.
    pub fn content_id(&self) -> ContentId {
        self.content_id
    }

    /// A copy with some texts replaced; component order stays.
    pub fn with_texts<'a>(
        &self,
        replacements: impl IntoIterator<Item = (&'a str, Arc<str>)>,
    ) -> Result<Self, CandidateError> {
        let mut components = self.components.clone();
        for (name, text) in replacements {
            match components.get_mut(name) {
                Some(slot) => *slot = text,
                None => return Err(CandidateError::UnknownComponent(name.to_owned())),
            }
        }
        Ok(Self::hashed(components))
    }

    fn hashed(components: IndexMap<Arc<str>, Arc<str>>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for (name, text) in &components {
            // Length prefixes give ("ab", "c") and ("a", "bc") different hashes.
            for part in [name, text] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        Self {
            components,
            content_id: ContentId(*hasher.finalize().as_bytes()),
        }
    }
}

impl Serialize for Candidate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.components.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Candidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let components = IndexMap::<Arc<str>, Arc<str>>::deserialize(deserializer)?;
        Self::new(components).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_depends_on_names_texts_and_order() {
        let one = Candidate::new([("a", "x"), ("b", "y")]).unwrap();
        let same = Candidate::new([("a", "x"), ("b", "y")]).unwrap();
        let swapped = Candidate::new([("b", "y"), ("a", "x")]).unwrap();
        let shifted = Candidate::new([("a", "xb"), ("", "y")]);
        assert_eq!(one.content_id(), same.content_id());
        assert_ne!(one.content_id(), swapped.content_id());
        assert_eq!(shifted, Err(CandidateError::UnnamedComponent));
    }

    #[test]
    fn replacing_an_unknown_component_is_refused() {
        let seed = Candidate::new([("a", "x")]).unwrap();
        assert_eq!(
            seed.with_texts([("z", Arc::from("t"))]),
            Err(CandidateError::UnknownComponent("z".to_owned()))
        );
    }

    #[test]
    fn content_ids_survive_a_round_trip_through_text() {
        let id = Candidate::new([("a", "x")]).unwrap().content_id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("nonsense".parse::<ContentId>().is_err());
    }
}
