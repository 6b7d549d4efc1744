//! Whose rules a search follows.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose rules hold where the engine and the reference implementation differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchRules {
    /// The engine's: one random stream per purpose and iteration, known outcomes of parents are
    /// reused, and `merge.max_invocations` bounds the merges made.
    #[default]
    Own,
    /// Those of the reference implementation: one generator for all draws, every parent is
    /// evaluated again, and merges that were due before the bound was reached are still made.
    Reference,
}
