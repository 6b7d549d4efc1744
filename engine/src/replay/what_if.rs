//! The complete answer to the question what other settings would have done.

use super::along::Along;
use super::data::Recorded;
use super::own_path::OwnPath;
use super::verify::{Verified, follow, read_all};
use crate::config::Config;
use crate::event::{Event, EventBody, Fact};
use crate::ids::RunId;
use crate::run::RunError;
use crate::store::Store;

/// What other settings would have chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// The recorded run, decided again under its own settings.
    pub verified: Verified,
    /// The best mean pareto score it reached.
    pub recorded_best: Option<f64>,
    /// Choices along the recorded path.
    pub along: Along,
    /// The path that the other settings would have taken.
    pub own_path: OwnPath,
}

/// Asks what `other` would have chosen in a run that was made under `config`.
///
/// # Errors
///
/// [`RunError::Diverged`] if even `config` does not make the recorded decisions. The journal then
/// says nothing about other settings either.
pub async fn what_if(
    store: &dyn Store,
    run: &RunId,
    config: &Config,
    other: &Config,
) -> Result<WhatIf, RunError> {
    let row = store.run(run).await?;
    let events = read_all(store, run).await?;
    let verified = follow(&events, config)?;
    let other = &with_limits_in_force(&events, config, other);
    let recorded = Recorded::of(&events);
    let reuse = other
        .settings()
        .search
        .reuse_outcomes
        .unwrap_or(verified.reuse);
    Ok(WhatIf {
        verified,
        recorded_best: row.summary.best_score,
        along: Along::of(&events, &recorded, &row.pareto, other),
        own_path: OwnPath::of(&recorded, other, reuse),
    })
}

/// If the other settings do not change the limits, the limits at the end of the run apply.
fn with_limits_in_force(events: &[Event], config: &Config, other: &Config) -> Config {
    let last = events.iter().rev().find_map(|event| match &event.body {
        EventBody::Fact(Fact::LimitsChanged(changed)) => Some(&changed.after),
        _ => None,
    });
    let mut settings = other.settings().clone();
    match last {
        Some(limits) if settings.budget == config.settings().budget => {
            settings.budget = limits.clone();
            other
                .with_settings(settings)
                .unwrap_or_else(|_| other.clone())
        }
        _ => other.clone(),
    }
}
