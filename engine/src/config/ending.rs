//! `[validation]` and `[final]`: what follows the search.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[validation]`: the final scoring on held-out examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct ValidationSettings {
    /// How many of the best candidates are scored beside the baseline.
    pub top_k: u32,
}

/// `[final]`: which candidate is the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct FinalSettings {
    /// Keep the seed as the result unless the best candidate is better with at least this
    /// probability, 0.5 to 1. It is computed from the final scoring, or from the pareto scores if no
    /// examples are held out. If absent, the best candidate is the result.
    pub keep_seed_below: Option<f64>,
}

impl FinalSettings {
    /// Whether nothing is set. Stored settings then do not mention the section, as those of older
    /// versions do not.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self { top_k: 1 }
    }
}
