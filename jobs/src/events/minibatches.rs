//! What candidates scored on the examples of their gates. A candidate that the gate rejects has no
//! other scores.

use std::collections::{BTreeMap, HashMap};

use gepa_archive::ContentId;
use gepa_engine::{RolloutSettled, TrialFinished, TrialKey, TrialStarted};
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
    candidate: ContentId,
    /// The examples, in order.
    pub(super) seeds: Vec<ExampleId>,
    /// Their scores; `None` where a rollout failed, or has not ended.
    pub(super) scores: Vec<Option<f64>>,
    /// The places without an outcome so far.
    awaited: Vec<bool>,
}

impl Minibatches {
    pub(super) fn started(&mut self, started: &TrialStarted) {
        if !is_gate(started.stage) {
            return;
        }
        let known = self.known.get(&started.candidate);
        let known = known.filter(|_| started.reused > 0).map(Vec::as_slice);
        let score_of = |example: &ExampleId| latest(known.unwrap_or_default(), example);
        let scores: Vec<Option<f64>> = started.examples.iter().map(score_of).collect();
        let minibatch = Minibatch {
            trial: started.trial,
            candidate: started.candidate,
            awaited: scores.iter().map(Option::is_none).collect(),
            scores,
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
        let places = gate.scores.iter_mut().zip(&mut gate.awaited);
        for (seed, (place, is_awaited)) in gate.seeds.iter().zip(places) {
            if *seed == settled.example {
                *place = score;
                *is_awaited = false;
            }
        }
    }

    /// Another trial in flight bought the outcomes that the trial has not bought itself.
    pub(super) fn finished(&mut self, finished: &TrialFinished) {
        let gate = self.gates.get_mut(&finished.trial.iteration);
        let Some(gate) = gate.filter(|gate| gate.trial == finished.trial) else {
            return;
        };
        let known = self.known.get(&gate.candidate);
        let known = known.map(Vec::as_slice).unwrap_or_default();
        let places = gate.scores.iter_mut().zip(&gate.awaited);
        for (seed, (place, is_awaited)) in gate.seeds.iter().zip(places) {
            if *is_awaited {
                *place = latest(known, seed);
            }
        }
    }

    /// The gate of an iteration's candidate.
    pub(super) fn of(&self, iteration: u64) -> Option<&Minibatch> {
        self.gates.get(&iteration)
    }
}

fn latest(known: &[(ExampleId, f64)], example: &ExampleId) -> Option<f64> {
    let mut latest_first = known.iter().rev();
    let found = latest_first.find(|(known, _)| known == example);
    found.map(|(_, score)| *score)
}

fn is_gate(stage: Stage) -> bool {
    matches!(stage, Stage::MinibatchChild | Stage::MergeGate)
}

#[cfg(test)]
mod tests {
    use gepa_archive::Candidate;
    use gepa_evaluation::Outcome;

    use super::*;

    #[test]
    fn a_gate_shows_the_scores_that_another_gate_in_flight_bought() {
        let mut gates = Minibatches::default();
        let candidate = Candidate::new([("a", "x")]).unwrap().content_id();
        let examples: Vec<ExampleId> = [3, 5].map(ExampleId::Seed).into();
        let stage = Stage::MinibatchChild;
        let trial = |iteration| TrialKey {
            iteration,
            index: 1,
        };
        for iteration in [1, 2] {
            gates.started(&TrialStarted {
                trial: trial(iteration),
                stage,
                candidate,
                examples: examples.clone(),
                reused: 0,
                rung: None,
                speculative: false,
            });
        }
        for (position, (example, score)) in (0_u32..).zip(examples.iter().zip([0.25, 0.75])) {
            let outcome = Outcome::score(score);
            gates.settled(&RolloutSettled::new(
                trial(2),
                stage,
                candidate,
                position,
                example.clone(),
                outcome,
            ));
        }
        assert_eq!(gates.of(1).unwrap().scores, [None, None]);
        for iteration in [1, 2] {
            gates.finished(&TrialFinished {
                trial: trial(iteration),
                stage,
                mean_score: Some(0.5),
                scored: 2,
                failed: 0,
            });
            let shown = &gates.of(iteration).unwrap().scores;
            assert_eq!(*shown, [Some(0.25), Some(0.75)], "iteration {iteration}");
        }
    }
}
