//! Stable ids of the task's examples.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stable id of one example: an integer seed or a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExampleId {
    /// A row number or a task app's seed.
    Seed(u64),
    /// A name from the dataset.
    Name(Arc<str>),
}

impl fmt::Display for ExampleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => write!(formatter, "{seed}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

impl From<u64> for ExampleId {
    fn from(seed: u64) -> Self {
        Self::Seed(seed)
    }
}

impl From<&str> for ExampleId {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl Serialize for ExampleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Seed(seed) => serializer.serialize_u64(*seed),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for ExampleId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl serde::de::Visitor<'_> for IdVisitor {
            type Value = ExampleId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a non-negative integer or a string")
            }

            fn visit_u64<E>(self, seed: u64) -> Result<ExampleId, E> {
                Ok(ExampleId::Seed(seed))
            }

            fn visit_i64<E: serde::de::Error>(self, seed: i64) -> Result<ExampleId, E> {
                u64::try_from(seed)
                    .map(ExampleId::Seed)
                    .map_err(|_| E::custom("an example id is not negative"))
            }

            fn visit_str<E>(self, name: &str) -> Result<ExampleId, E> {
                Ok(ExampleId::Name(name.into()))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}
