//! Several texts from one reflection.

use std::collections::BTreeMap;

use gepa_evaluation::Stage;

use super::world::{Journal, World, shuffler};
use crate::event::{CloseReason, Decision, EventBody, Fact};

const HYPOTHESES: u64 = 3;

fn is_minibatch(stage: Stage) -> bool {
    matches!(stage, Stage::MinibatchParent | Stage::MinibatchChild)
}

fn journals() -> Vec<Journal> {
    let journals = (0..10).map(|seed| {
        let mut world = World::new(4, 8);
        world.seed = seed;
        world.settings.merge.enabled = false;
        world.settings.reflection.hypotheses = Some(HYPOTHESES as u32);
        world.run(shuffler(seed))
    });
    journals.collect()
}

/// The iteration whose reflection requested this text. Merges are off, so iterations come in
/// threes.
fn asker(iteration: u64) -> u64 {
    iteration - (iteration - 1) % HYPOTHESES
}

#[test]
fn every_hypothesis_is_tried_on_the_same_minibatch_for_one_reflection() {
    for journal in journals() {
        let mut batches = BTreeMap::new();
        let (mut proposed, mut replied) = (BTreeMap::new(), BTreeMap::new());
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::TrialStarted(started))
                    if is_minibatch(started.stage) =>
                {
                    let asker = asker(started.trial.iteration);
                    let batch = batches.entry(asker).or_insert(started.examples.clone());
                    assert_eq!(*batch, started.examples);
                }
                EventBody::Fact(Fact::ReflectionSettled(settled)) => {
                    assert_eq!(asker(settled.iteration), settled.iteration);
                    if let Some(text) = &settled.text {
                        let mut texts = vec![text.clone()];
                        texts.extend(settled.alternatives.clone());
                        texts.sort();
                        texts.dedup();
                        replied.insert(settled.iteration, texts.len());
                    }
                }
                EventBody::Decision(Decision::CandidateProposed(child)) => {
                    *proposed.entry(asker(child.iteration)).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        assert!(
            proposed
                .iter()
                .all(|(asker, count)| replied[asker] >= *count)
        );
        assert!(proposed.values().any(|count| *count == 3));
        assert!(proposed.values().any(|count| *count < 3));
    }
}

#[test]
fn only_the_best_hypothesis_goes_on_and_the_first_among_equals() {
    let mut outranked = 0;
    for journal in journals() {
        // Pareto sets may begin before their gates are committed.
        let mut gates: BTreeMap<u64, Vec<(u64, f64)>> = BTreeMap::new();
        let mut begun = Vec::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::GateDecided(gate)) if gate.passed => {
                    let of_reply = gates.entry(asker(gate.iteration)).or_default();
                    of_reply.push((gate.iteration, gate.child_sum - gate.parent_sum));
                }
                EventBody::Decision(Decision::ProposalClosed(closed)) => {
                    outranked += usize::from(closed.reason == CloseReason::Outranked);
                }
                EventBody::Decision(Decision::TrialStarted(started))
                    if started.stage == Stage::Pareto =>
                {
                    begun.push(started.trial.iteration);
                }
                _ => {}
            }
        }
        for iteration in begun {
            let passed = &gates[&asker(iteration)];
            let best = passed.iter().map(|(_, gain)| *gain).fold(0.0, f64::max);
            let first = passed.iter().find(|(_, gain)| *gain == best);
            assert_eq!(first.map(|(iteration, _)| *iteration), Some(iteration));
        }
    }
    assert!(outranked > 0);
}
