//! What starts first where a single slot serves the whole run.

use std::collections::{BTreeMap, BTreeSet};

use gepa_evaluation::Stage;

use super::super::{Priority, Work};
use super::world::World;
use crate::config::{ScheduleKind, Speculation};

/// A rollout started while others were queued.
struct Start {
    stage: Stage,
    iteration: u64,
    is_speculative: bool,
    /// The stages and iterations that waited.
    waiting: BTreeSet<(Stage, u64)>,
    speculative_waiting: bool,
}

/// The order in which one slot works off the orders; reflections are answered at once.
fn starts(world: &World) -> Vec<Start> {
    let mut core = world.core();
    let mut queue: BTreeMap<(Priority, u64), Work> = BTreeMap::new();
    let mut speculative = BTreeSet::new();
    let mut reflections = Vec::new();
    let mut starts = Vec::new();
    let mut place = 0;
    while !core.is_finished() {
        for decision in core.take_decisions() {
            use crate::event::EventBody as Body;
            match decision {
                Body::TrialStarted(started) if started.speculative => {
                    speculative.insert(started.trial.iteration);
                }
                Body::GateDecided(gate) => {
                    speculative.remove(&gate.iteration);
                }
                _ => {}
            }
        }
        for work in core.take_work() {
            match work {
                Work::Rollout(rollout) => {
                    place += 1;
                    queue.insert((rollout.priority, place), Work::Rollout(rollout));
                }
                Work::Reflection(_) => reflections.push(work),
                Work::DropQueued => queue.clear(),
                Work::DropTrial(_) => {}
                Work::Move(trial, priority) => {
                    let moved: Vec<_> = queue
                        .extract_if(.., |_, work| {
                            matches!(work, Work::Rollout(rollout) if rollout.trial == trial)
                        })
                        .collect();
                    queue.extend(
                        moved
                            .into_iter()
                            .map(|((_, place), work)| ((priority, place), work)),
                    );
                }
            }
        }
        // Every third start a reflection comes back, so that rollouts of all kinds wait.
        let next = if starts.len() % 3 == 0 || queue.is_empty() {
            reflections.pop()
        } else {
            None
        };
        let work = match next {
            Some(reflection) => reflection,
            None => match queue.pop_first() {
                Some((_, work)) => work,
                None => continue,
            },
        };
        if let Work::Rollout(rollout) = &work {
            let is_early = |stage: Stage, iteration: u64| {
                stage == Stage::Pareto && speculative.contains(&iteration)
            };
            let waits = queue.values().filter_map(|work| match work {
                Work::Rollout(waits) => Some((waits.stage, waits.trial.iteration)),
                _ => None,
            });
            let waiting: BTreeSet<_> = waits.collect();
            starts.push(Start {
                stage: rollout.stage,
                iteration: rollout.trial.iteration,
                is_speculative: is_early(rollout.stage, rollout.trial.iteration),
                speculative_waiting: waiting.iter().any(|(s, i)| is_early(*s, *i)),
                waiting,
            });
        }
        core.settle(&world.answer(&work));
    }
    starts
}

fn is_gate(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::MinibatchParent | Stage::MinibatchChild | Stage::MergeGate
    )
}

#[test]
fn gates_start_before_the_pareto_sets_of_all_but_the_leader_and_the_oldest_first() {
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        let mut world = World::new(8, 24);
        world.settings.run.schedule = schedule;
        let (mut gates_first, mut leaders) = (0, BTreeSet::new());
        for start in starts(&world) {
            let gate_waits = start.waiting.iter().any(|(stage, _)| is_gate(*stage));
            let pareto_waits = start.waiting.iter().any(|(s, _)| *s == Stage::Pareto);
            if is_gate(start.stage) {
                gates_first += usize::from(pareto_waits);
                let older = start
                    .waiting
                    .iter()
                    .find(|(stage, iteration)| is_gate(*stage) && *iteration < start.iteration);
                assert_eq!(older, None, "iteration {} started", start.iteration);
            } else if start.stage == Stage::Pareto && gate_waits {
                leaders.insert(start.iteration);
            }
        }
        assert!(gates_first > 10, "{gates_first}");
        assert!(!leaders.is_empty(), "no leader went first");
    }
}

#[test]
fn speculative_rollouts_start_only_when_nothing_else_waits() {
    let mut world = World::new(8, 24);
    world.settings.run.speculate = Speculation::Decided;
    let mut others_first = 0;
    for start in starts(&world) {
        if start.is_speculative {
            let others = start.waiting.iter().filter(|(stage, _)| is_gate(*stage));
            assert_eq!(others.count(), 0);
        } else {
            others_first += usize::from(start.speculative_waiting);
        }
    }
    assert!(others_first > 0);
}
