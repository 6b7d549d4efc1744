//! Checks that a resumed run fits its configuration, and loads the outcomes it knows from other
//! runs.

use super::error::RunError;
use crate::config::{BudgetSettings, Config};
use crate::core::Core;
use crate::event::{Decision, EventBody, Fact, LimitsChanged, RunOrigin, RunStarted, SteeredBy};
use crate::record::RunRow;
use crate::replay::{Recorded, read_all};
use crate::store::{Store, StoreError};

pub(super) fn limits_changed(core: &Core, after: BudgetSettings, by: SteeredBy) -> Fact {
    let before = core.limits().clone();
    Fact::LimitsChanged(Box::new(LimitsChanged { before, after, by }))
}

/// The sets that the run's rows name must equal those of the configuration.
pub(super) fn check_examples(run: &RunRow, config: &Config) -> Result<(), RunError> {
    let sets = config.sets();
    let pairs = [
        ("pareto", &run.pareto, &sets.pareto),
        ("validation", &run.validation, &sets.validation),
    ];
    match pairs.iter().find(|(_, stored, given)| stored != given) {
        None => Ok(()),
        Some((name, ..)) => Err(RunError::OtherTask {
            what: format!("the set of {name} examples"),
        }),
    }
}

/// The task in the journal must fit the configuration.
pub(super) fn check_start(started: &RunStarted, config: &Config) -> Result<(), RunError> {
    let what = if started.seed != **config.seed() {
        "the seed candidate"
    } else if started.train != config.sets().train.len() as u64 {
        "the number of train examples"
    } else {
        return Ok(());
    };
    let what = what.to_owned();
    Err(RunError::OtherTask { what })
}

/// The outcomes bought by the runs from which this run branches. An earlier run that is no longer
/// in the store gives none, so they are bought again.
pub(super) async fn origins_of(
    store: &dyn Store,
    mut origin: Option<RunOrigin>,
) -> Result<Vec<Recorded>, RunError> {
    let mut origins = Vec::new();
    while let Some(known) = origin.take() {
        let events = match read_all(store, &known.run).await {
            Ok(events) => events,
            Err(RunError::Store(StoreError::UnknownRun(_))) => break,
            Err(error) => return Err(error),
        };
        origin = events.iter().find_map(|event| match &event.body {
            EventBody::Decision(Decision::RunStarted(started)) => started.origin.clone(),
            _ => None,
        });
        origins.push(Recorded::of(&events));
    }
    Ok(origins)
}
