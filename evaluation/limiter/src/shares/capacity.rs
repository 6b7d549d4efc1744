//! The search for the number of calls that a provider takes at once, on the sum over all holders.
//!
//! Each holder goes on with the search from where the document has it, and its next turn adds what it has
//! learned: by how much it raised the level, or that it lowered it. The level is one for all holders;
//! [`Ledger`](super::Ledger) divides it by demand. A holder that lowered the level after another one has done
//! so is not heard, because the same crowd of calls caused both.

use serde::{Deserialize, Serialize};

/// Where the search stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// The level rises.
    #[default]
    Growing,
    /// The level rises back to the one that was refused.
    Climbing,
    /// The level stays.
    Holding,
    /// One more call is being tried.
    Probing,
}

/// The state of the search that holders have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Common {
    /// Calls in flight at most, over all holders.
    pub level: f64,
    /// How often the level was lowered.
    pub cuts: u64,
    /// Where the search stands.
    pub phase: Phase,
    /// Calls that were in flight when one more was refused.
    pub refused_at: f64,
}

/// What a holder learned since its last turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// The state from which it went on; `None` before its first grant.
    pub from: Option<Common>,
    /// Its state now; `cuts` counts its own cuts on top of those of `from`.
    pub now: Common,
}

/// A holder's view of the common search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The search.
    pub common: Common,
    /// The holder's part of the level.
    pub part: u64,
    /// Calls that others have in flight.
    pub in_flight_elsewhere: u64,
}

impl Common {
    /// Adds what a holder learned, up to `most` calls in flight.
    pub(super) fn learn(known: Option<Self>, learned: &Learned, most: u64) -> Self {
        let most = most.max(1) as f64;
        let (Some(mut known), Some(from)) = (known, learned.from) else {
            let begins = known.unwrap_or(learned.now);
            return Self {
                level: begins.level.clamp(1.0, most),
                ..begins
            };
        };
        let now = learned.now;
        if known.cuts == from.cuts {
            let moved = now.level - from.level;
            // Only a cut lowers the level.
            known.level += if now.cuts > from.cuts {
                moved
            } else {
                moved.max(0.0)
            };
            known.cuts = now.cuts;
            if now.phase != from.phase || now.cuts != from.cuts {
                known.phase = now.phase;
                known.refused_at = now.refused_at;
            }
        }
        known.level = known.level.clamp(1.0, most);
        known
    }

    /// Calls that may be in flight.
    pub(super) fn whole(&self) -> u64 {
        self.level.max(1.0) as u64
    }
}
