//! Which rollout starts first when a single slot serves the whole run.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::CandidateIndex;
use gepa_evaluation::Stage;

use super::super::{Priority, Work};
use super::world::World;
use crate::config::{ScheduleKind, Speculation};
use crate::event::Decision;

/// A rollout that was started or waited: its stage and iteration.
type Place = (Stage, u64);

/// A rollout started, and those that waited.
struct Start {
    place: Place,
    waiting: BTreeSet<Place>,
    /// Iterations whose gates were open although their pareto sets had begun.
    early: BTreeSet<u64>,
    /// The promises of children that passed.
    promises: BTreeMap<u64, f64>,
}

impl Start {
    fn is_early(&self, (stage, iteration): &Place) -> bool {
        *stage == Stage::Pareto && self.early.contains(iteration)
    }
}

/// What a slot has seen of the run.
#[derive(Default)]
struct Seen {
    early: BTreeSet<u64>,
    parents: BTreeMap<u64, Vec<CandidateIndex>>,
    means: Vec<f64>,
    promises: BTreeMap<u64, f64>,
}

impl Seen {
    fn see(&mut self, decision: &Decision) {
        match decision {
            Decision::TrialStarted(started) if started.stage == Stage::Pareto => {
                let iteration = started.trial.iteration;
                if !self.promises.contains_key(&iteration) {
                    self.early.insert(iteration);
                }
            }
            Decision::ProposalIssued(issued) => {
                self.parents
                    .insert(issued.iteration, issued.parents.clone());
            }
            Decision::CandidateAccepted(accepted) => self.means.push(accepted.mean_score),
            Decision::GateDecided(gate) => {
                self.early.remove(&gate.iteration);
                let of = |parent: &CandidateIndex| self.means[parent.position()];
                let best = self.parents[&gate.iteration].iter().map(of);
                let gained = (gate.child_sum - gate.parent_sum) / f64::from(gate.compared);
                let promise = best.reduce(f64::max).unwrap() + gained;
                self.promises.insert(gate.iteration, promise);
            }
            _ => {}
        }
    }
}

/// The order in which one slot works off the orders. A reflection returns at every third start, so
/// that rollouts of all kinds wait.
fn starts(world: &World) -> Vec<Start> {
    let mut core = world.core();
    let mut queue: BTreeMap<(Priority, u64), Work> = BTreeMap::new();
    let mut reflections = Vec::new();
    let mut seen = Seen::default();
    let mut starts: Vec<Start> = Vec::new();
    let mut ordered = 0;
    while !core.is_finished() {
        for decision in core.take_decisions() {
            seen.see(&decision);
        }
        for work in core.take_work() {
            match work {
                Work::Rollout(rollout) => {
                    ordered += 1;
                    queue.insert((rollout.priority, ordered), Work::Rollout(rollout));
                }
                Work::Reflection(_) => reflections.push(work),
                Work::DropQueued => queue.clear(),
                Work::DropTrial(_) => {}
                Work::Move(trial, priority) => {
                    let is_moved =
                        |work: &Work| matches!(work, Work::Rollout(r) if r.trial == trial);
                    let moved: Vec<_> = queue.extract_if(.., |_, work| is_moved(work)).collect();
                    for ((_, place), work) in moved {
                        queue.insert((priority, place), work);
                    }
                }
            }
        }
        let reflected = starts.len().is_multiple_of(3) || queue.is_empty();
        let reflection = reflections.pop_if(|_| reflected);
        let started = reflection.or_else(|| queue.pop_first().map(|(_, work)| work));
        let Some(work) = started else { continue };
        if let Work::Rollout(rollout) = &work {
            let waits = queue.values().filter_map(|work| match work {
                Work::Rollout(rollout) => Some((rollout.stage, rollout.trial.iteration)),
                _ => None,
            });
            starts.push(Start {
                place: (rollout.stage, rollout.trial.iteration),
                waiting: waits.collect(),
                early: seen.early.clone(),
                promises: seen.promises.clone(),
            });
        }
        core.settle(&world.answer(&work));
    }
    starts
}

fn is_gate((stage, _): Place) -> bool {
    matches!(
        stage,
        Stage::MinibatchParent | Stage::MinibatchChild | Stage::MergeGate
    )
}

fn is_pareto((stage, _): Place) -> bool {
    stage == Stage::Pareto
}

#[test]
fn gates_start_before_pareto_sets_and_the_oldest_before_the_others() {
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        let mut world = World::new(8, 24);
        world.settings.run.schedule = schedule;
        let mut gates_first = 0;
        for start in starts(&world) {
            if is_gate(start.place) {
                gates_first += usize::from(start.waiting.iter().any(|place| is_pareto(*place)));
                let mut gates = start.waiting.iter().filter(|place| is_gate(**place));
                let older = gates.find(|(_, iteration)| *iteration < start.place.1);
                assert_eq!(older, None, "{:?} went first", start.place);
            } else {
                assert_eq!(start.waiting.iter().find(|place| is_gate(**place)), None);
            }
        }
        assert!(gates_first > 10, "{gates_first}");
    }
}

#[test]
fn the_oldest_pareto_set_goes_first_in_order_and_the_most_promising_one_freely() {
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        let mut world = World::new(8, 24);
        world.settings.run.schedule = schedule;
        let mut choices = 0;
        for start in starts(&world).iter().filter(|s| is_pareto(s.place)) {
            for (_, other) in start.waiting.iter().filter(|place| is_pareto(**place)) {
                let iteration = start.place.1;
                choices += usize::from(*other != iteration);
                match schedule {
                    ScheduleKind::Ordered => assert!(iteration <= *other),
                    ScheduleKind::Free => {
                        assert!(start.promises[&iteration] >= start.promises[other]);
                    }
                }
            }
        }
        assert!(choices > 10, "{choices}");
    }
}

#[test]
fn pareto_sets_ahead_of_their_turn_start_only_when_nothing_else_waits() {
    let mut world = World::new(8, 24);
    world.settings.run.speculate = Speculation::Decided;
    let mut others_first = 0;
    for start in starts(&world) {
        let waits_early = start.waiting.iter().any(|place| start.is_early(place));
        if start.is_early(&start.place) {
            let all_early = start.waiting.iter().all(|place| start.is_early(place));
            assert!(all_early, "{:?} before {:?}", start.place, start.waiting);
        } else {
            others_first += usize::from(waits_early);
        }
    }
    assert!(others_first > 0);
}
