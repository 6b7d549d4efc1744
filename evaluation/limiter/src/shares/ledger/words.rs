//! What holders say to the ledger of a shared limit, and what it says to them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::capacity::{Learned, View};
use super::super::health::{CommonOutage, Signs};
use super::calendar::DayView;

/// Limits per minute and day; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedLimits {
    /// Requests in any 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Tokens in any 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Calls in flight at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
    /// Millionths of a dollar on a day in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_dollars: Option<u64>,
}

/// Requests, tokens and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// Millionths of a dollar. Those of closed grants are counted for the day instead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micro_dollars: u64,
}

/// What a holder could use now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Calls that wait or are about to.
    pub requests: u64,
    /// The tokens that they reserve.
    pub tokens: u64,
    /// The tokens that the first of them reserves; a call needs all of them.
    pub first: u64,
    /// Calls in flight.
    pub in_flight: u64,
    /// What the calls that wait or are about to can cost, in millionths of a dollar.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micro_dollars: u64,
    /// What the first of them can cost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_cost: u64,
}

/// What a holder may do until its next turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// What it may use.
    pub amount: Amount,
    /// How many calls it may have in flight.
    pub concurrent: u64,
    /// What is left of a pause that the provider requested of any holder.
    pub pause: Option<Duration>,
    /// The search for the number of calls at once.
    pub view: View,
    /// The outage of the provider that holders know of.
    pub outage: Option<CommonOutage>,
    /// The cost of the day.
    pub day: DayView,
}

/// What a holder says at its turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Turn {
    /// Its name.
    pub holder: String,
    /// The number of the grant that it asks for; each one is higher than those before.
    pub number: u64,
    /// The number of an earlier turn of which it does not know whether it was taken.
    pub unsure: Option<u64>,
    /// The number of its last grant and what it used of it.
    pub used: Option<(u64, Amount)>,
    /// Tokens that were not used after all, with the change that closed the grant they came from.
    pub returned: Vec<(u64, u64)>,
    /// Tokens used beyond reservations.
    pub excess: u64,
    /// Reserved costs that calls did not cause, with the day for which they were reserved, in millionths of a
    /// dollar.
    pub returned_costs: Vec<(u64, u64)>,
    /// Costs beyond reservations.
    pub excess_cost: u64,
    /// What it could use.
    pub demand: Demand,
    /// Whether it has no use for a grant.
    pub leaves: bool,
    /// What is left of a pause that the provider requested of it.
    pub pause: Option<Duration>,
    /// The limits it knows.
    pub limits: SharedLimits,
    /// What it learned about the number of calls at once.
    pub learned: Learned,
    /// What its calls said about the provider's health.
    pub signs: Signs,
}

/// When turns are taken.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The version of the document that is changed.
    pub revision: u64,
    /// When it was written.
    pub written_at: u64,
    /// The time of now, not later than the server's.
    pub now: u64,
    /// Whether it is a few seconds earlier than the server's at most.
    pub is_known: bool,
}

impl Amount {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            micro_dollars: self.micro_dollars.saturating_add(other.micro_dollars),
        }
    }

    pub(super) fn without_cost(self) -> Self {
        Self {
            micro_dollars: 0,
            ..self
        }
    }

    pub(super) fn at_most(self, most: Self) -> Self {
        Self {
            requests: self.requests.min(most.requests),
            tokens: self.tokens.min(most.tokens),
            micro_dollars: 0,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}
