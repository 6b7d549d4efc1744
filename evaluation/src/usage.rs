//! The cost of calls: tokens as the provider reported them, money in integer micro-dollars.

use std::fmt;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Money in millionths of a US dollar, as an integer, so that sums are exact.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// The amount in dollars, for people and JSON.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// From dollars, rounded to the nearest micro-dollar; negative or non-finite amounts are zero.
    pub fn from_dollars(dollars: f64) -> Self {
        Self((dollars * 1e6).round() as u64)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "${:.6}", self.dollars())
    }
}

impl Add for MicroUsd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MicroUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The policy model answering an example.
    Rollout,
    /// The reflection model rewriting a component.
    Reflection,
    /// A model scoring an answer.
    Judge,
}

impl Purpose {
    /// The name used in stores, exports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollout => "rollout",
            Self::Reflection => "reflection",
            Self::Judge => "judge",
        }
    }
}

/// Tokens, money and calls, summed over the attempts of one piece of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Requests that reached a model, failed attempts included.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls: u64,
    /// Prompt tokens as reported, cached ones included.
    #[serde(skip_serializing_if = "is_zero")]
    pub prompt_tokens: u64,
    /// Completion tokens as reported.
    #[serde(skip_serializing_if = "is_zero")]
    pub completion_tokens: u64,
    /// The part of `prompt_tokens` the provider served from its cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Estimated tokens of replies without usage. No other field includes them.
    #[serde(skip_serializing_if = "is_zero")]
    pub unknown_tokens: u64,
    /// Cost of the calls whose price is known; an estimate where the tokens are one.
    #[serde(skip_serializing_if = "is_free")]
    pub cost: MicroUsd,
    /// Calls that used tokens and whose price is unknown. No sum includes their cost.
    #[serde(skip_serializing_if = "is_zero")]
    pub unpriced_calls: u64,
}

impl Usage {
    /// More tokens, or calls, than this are a mistake of the program that reports them.
    pub const MOST_COUNTED: u64 = 1 << 40;

    /// More dollars than this are a mistake of the program that reports them.
    pub const MOST_DOLLARS: f64 = 1e6;

    /// This usage without what cannot be: no count above [`MOST_COUNTED`](Self::MOST_COUNTED), no cost
    /// above [`MOST_DOLLARS`](Self::MOST_DOLLARS).
    #[must_use]
    pub fn bounded(self) -> Self {
        let count = |count: u64| count.min(Self::MOST_COUNTED);
        Self {
            calls: count(self.calls),
            prompt_tokens: count(self.prompt_tokens),
            completion_tokens: count(self.completion_tokens),
            cached_tokens: count(self.cached_tokens),
            unknown_tokens: count(self.unknown_tokens),
            cost: self.cost.min(MicroUsd::from_dollars(Self::MOST_DOLLARS)),
            unpriced_calls: count(self.unpriced_calls),
        }
    }

    /// The sum of prompt, completion and unknown tokens. Cached tokens are part of the prompt
    /// tokens.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens
            .saturating_add(self.completion_tokens)
            .saturating_add(self.unknown_tokens)
    }

    /// The cost of the calls with a known price, in dollars. `None` if there are calls, and none of them has one.
    pub fn known_dollars(&self) -> Option<f64> {
        let is_unknown = self.unpriced_calls > 0 && self.cost.0 == 0;
        (!is_unknown).then(|| self.cost.dollars())
    }

    /// Whether all fields are zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self
                .completion_tokens
                .saturating_add(other.completion_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            unknown_tokens: self.unknown_tokens.saturating_add(other.unknown_tokens),
            cost: self.cost + other.cost,
            unpriced_calls: self.unpriced_calls.saturating_add(other.unpriced_calls),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The most one piece of work can cost, reserved before it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageBound {
    /// Upper bound on tokens, all attempts included.
    pub tokens: u64,
    /// Upper bound on cost; zero if the price is unknown.
    pub cost: MicroUsd,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_free(cost: &MicroUsd) -> bool {
    cost.0 == 0
}
