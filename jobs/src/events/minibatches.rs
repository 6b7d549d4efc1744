//! What candidates scored on the examples of their gates. A candidate that the gate rejects has no
//! other scores.

use std::collections::{BTreeMap, HashMap};

use gepa_archive::ContentId;
use gepa_engine::{RolloutSettled, TrialKey, TrialStarted};
use gepa_evaluation::{ExampleId, Stage};

/// The gates so far.
#[derive(Debug, Default)]
pub(super) struct Minibatches {
    /// By iteration; the last trial counts where a candidate was compared twice.
    gates: BTreeMap<u64, Minibatch>,
    /// All scores by candidate, for gates that reuse them. They are searched only then.
    known: HashMap<ContentId, Vec<(ExampleId, f64)>>,
}

/// The scores of one candidate on the examples of its gate.
#[derive(Debug)]
pub(super) struct Minibatch {
    trial: TrialKey,
    /// The examples, in order.
    pub(super) seeds: Vec<ExampleId>,
    /// Their scores; `None` where a rollout failed, or has not ended.
    pub(super) scores: Vec<Option<f64>>,
}

impl Minibatches {
    pub(super) fn started(&mut self, started: &TrialStarted) {
        if !is_gate(started.stage) {
            return;
        }
        let known = self.known.get(&started.candidate);
        let known = known.filter(|_| started.reused > 0).map(Vec::as_slice);
        let score_of = |example: &ExampleId| {
            let mut latest_first = known.unwrap_or_default().iter().rev();
            let found = latest_first.find(|(known, _)| known == example);
            found.map(|(_, score)| *score)
        };
        let minibatch = Minibatch {
            trial: started.trial,
            scores: started.examples.iter().map(score_of).collect(),
            seeds: started.examples.clone(),
        };
        self.gates.insert(started.trial.iteration, minibatch);
    }

    pub(super) fn settled(&mut self, settled: &RolloutSettled) {
        let score = settled.outcome.scored().map(|scored| scored.score);
        if let Some(score) = score {
            let known = self.known.entry(settled.candidate).or_default();
            known.push((settled.example.clone(), score));
        }
        if !is_gate(settled.stage) {
            return;
        }
        let gate = self.gates.get_mut(&settled.trial.iteration);
        let Some(gate) = gate.filter(|gate| gate.trial == settled.trial) else {
            return;
        };
        // A small train set fills minibatches with examples that are in them already. Those share
        // one rollout.
        for (seed, place) in gate.seeds.iter().zip(&mut gate.scores) {
            if *seed == settled.example {
                *place = score;
            }
        }
    }

    /// The gate of an iteration's candidate.
    pub(super) fn of(&self, iteration: u64) -> Option<&Minibatch> {
        self.gates.get(&iteration)
    }
}

fn is_gate(stage: Stage) -> bool {
    matches!(stage, Stage::MinibatchChild | Stage::MergeGate)
}
