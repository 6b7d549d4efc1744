//! Which difference the example sets of a configuration can show, before anything is spent.

use gepa_statistics::detectable_difference;
use serde::Serialize;

use super::evidence::CONFIDENCE;
use super::tables::ComparedSet;
use crate::config::Config;

/// Shares of examples on which a candidate and the seed differ; recorded runs lie between.
const DISCORDANCES: [f64; 2] = [0.15, 0.3];

/// What the example sets can show.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Planned {
    /// The set on which the best candidate is compared with the seed.
    pub set: ComparedSet,
    /// Its examples.
    pub examples: usize,
    /// Candidates among which the best one is chosen on the same examples; 1 on held-out examples.
    pub candidates: u64,
    /// For scores of 0 and 1, the smallest gain that is shown in 80 of 100 cases.
    pub differences: Vec<PlannedDifference>,
}

/// The smallest gain that is shown in 80 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PlannedDifference {
    /// The share of examples on which the two differ.
    pub discordance: f64,
    /// The gain; `None` if these examples cannot show any gain that well.
    pub difference: Option<f64>,
}

/// What a run of this configuration can show. `accepted` is the number of candidates that it is
/// likely to accept; it counts only if no examples are held out.
pub fn planned(config: &Config, accepted: u64) -> Planned {
    let sets = config.sets();
    let (set, examples, candidates) = if sets.validation.is_empty() {
        (ComparedSet::Pareto, sets.pareto.len(), accepted.max(1))
    } else {
        (ComparedSet::Validation, sets.validation.len(), 1)
    };
    let confidence = 1.0 - (1.0 - CONFIDENCE) / candidates as f64;
    let differences = DISCORDANCES.map(|discordance| PlannedDifference {
        discordance,
        difference: detectable_difference(examples, discordance, confidence),
    });
    Planned {
        set,
        examples,
        candidates,
        differences: differences.to_vec(),
    }
}
