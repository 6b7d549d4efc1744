//! Outcomes that other runs bought and this run need not buy.

use super::error::RunError;
use crate::core::{RolloutWork, Work};
use crate::event::{EventBody, Fact, RolloutSettled};
use crate::ids::RunId;
use crate::replay::{Recorded, read_all};
use crate::store::Store;

/// What these runs bought, for any purpose.
pub(super) async fn known_by(store: &dyn Store, runs: &[RunId]) -> Result<Vec<Recorded>, RunError> {
    let mut known = Vec::new();
    for run in runs {
        let events = read_all(store, run).await?;
        known.push(Recorded::of(&events).for_any_purpose());
    }
    Ok(known)
}

/// The orders to execute, and the outcomes of the others.
pub(super) fn sort_out(orders: Vec<Work>, origins: &[Recorded]) -> (Vec<Work>, Vec<EventBody>) {
    let mut known = Vec::new();
    let mut rest = Vec::new();
    for order in orders {
        let fact = match &order {
            Work::Rollout(work) => recalled(origins, work),
            _ => None,
        };
        match fact {
            Some(fact) => known.push(EventBody::Fact(fact)),
            None => rest.push(order),
        }
    }
    (rest, known)
}

/// The outcome of a rollout that a run bought which this run branches from or knows.
pub(super) fn recalled(origins: &[Recorded], work: &RolloutWork) -> Option<Fact> {
    let candidate = work.candidate.content_id();
    let mut origins = origins.iter();
    let known = origins.find_map(|origin| origin.bought(work.stage, candidate, &work.example))?;
    let settled = RolloutSettled {
        trial: work.trial,
        stage: work.stage,
        position: work.position as u32,
        ..known.clone().for_free()
    };
    Some(Fact::RolloutRecalled(Box::new(settled)))
}
