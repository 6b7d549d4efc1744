//! Trials, examples and stages as the Python layer names them.

use gepa_engine::{ExampleId, Stage, TrialKey};

/// A trial as its iteration and its place in it.
pub(crate) fn key(trial: TrialKey) -> (u64, u32) {
    (trial.iteration, trial.index)
}

/// An example as its number.
pub(crate) fn id(example: &ExampleId) -> u64 {
    match example {
        ExampleId::Seed(number) => *number,
        ExampleId::Name(_) => u64::MAX,
    }
}

/// A stage's name.
pub(crate) fn stage_name(stage: Stage) -> &'static str {
    stage.as_str()
}
