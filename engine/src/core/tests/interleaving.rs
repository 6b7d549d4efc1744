//! Tries the promise of the ordered schedule thousands of times: in every order of arrival the
//! journal is the same, except for the order of independent events, and for which of two proposals with
//! the same text in flight bought an outcome.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::world::{Journal, World, shuffler};
use crate::config::{ComponentSelection, Duplicates, Speculation};
use crate::event::{Decision, EventBody};

/// The number of orders of arrival tried per world.
const SHUFFLES: u64 = 64;

/// Lags, generation as parents, minibatches and children kept, and whether rollouts fail.
type Shape = ((u32, u32), (u32, u32, Option<u32>), bool);

const SHAPES: [Shape; 12] = [
    ((1, 1), (1, 1, None), false),
    ((1, 4), (1, 1, None), true),
    ((2, 2), (1, 1, None), false),
    ((3, 9), (1, 1, None), true),
    ((4, 8), (1, 1, None), false),
    ((8, 24), (1, 1, None), true),
    ((16, 48), (1, 1, None), false),
    ((1, 1), (2, 2, None), true),
    ((2, 3), (1, 4, Some(1)), false),
    ((1, 3), (3, 1, Some(2)), true),
    ((2, 4), (2, 2, Some(2)), false),
    ((4, 4), (2, 1, None), true),
];

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for duplicates in [Duplicates::Skip, Duplicates::Keep] {
        for speculate in [Speculation::Off, Speculation::Decided] {
            for ((gate_lag, pareto_lag), (parents, batches, keep_best), failing) in SHAPES {
                let mut world = World::new(gate_lag, pareto_lag);
                let components = if worlds.len() % 3 == 0 {
                    ComponentSelection::All
                } else {
                    ComponentSelection::RoundRobin
                };
                world.failing = failing;
                world.overlapping = worlds.len() % 2 == 0;
                world.repeating = worlds.len() % 5 > 2;
                world.seed = worlds.len() as u64;
                world.settings.run.speculate = speculate;
                let texts = if worlds.len() % 4 == 1 { 3 } else { 1 };
                world.settings.reflection.hypotheses = Some(texts);
                world.settings.budget.max_rollouts = Some(200);
                let search = &mut world.settings.search;
                search.duplicates = duplicates;
                search.components = components;
                search.parents_per_generation = parents;
                search.batches_per_parent = batches;
                search.keep_best = keep_best;
                worlds.push(world);
            }
        }
    }
    worlds
}

/// Everything a journal says: the independent events in sorted order, and the decisions whose order
/// the schedule fixes in that order.
#[derive(PartialEq)]
struct Account {
    entries: Vec<String>,
    in_order: Vec<String>,
}

impl Account {
    fn of(journal: &Journal) -> Self {
        let mut entries: Vec<String> = journal.lines().collect();
        entries.sort_unstable();
        let is_in_order = |entry: &&EventBody| {
            matches!(
                entry,
                EventBody::Decision(
                    Decision::ProposalIssued(_)
                        | Decision::GateDecided(_)
                        | Decision::ProposalClosed(_)
                        | Decision::CandidateAccepted(_)
                        | Decision::SnapshotTaken(_)
                        | Decision::StopDecided(_)
                        | Decision::RunFinished(_)
                )
            )
        };
        let text = |entry: &EventBody| serde_json::to_string(entry).unwrap();
        let in_order = journal.entries.iter().filter(is_in_order).map(text);
        Self {
            in_order: in_order.collect(),
            entries,
        }
    }

    fn first_difference<'a>(&'a self, other: &'a Self) -> Option<(&'a String, &'a String)> {
        let pairs = self.entries.iter().zip(&other.entries);
        let in_order = self.in_order.iter().zip(&other.in_order);
        pairs.chain(in_order).find(|(left, right)| left != right)
    }
}

/// Draws an order of results at random. In one of four orders the newest order is almost always
/// answered first, so that old ones wait very long.
fn arrival(seed: u64) -> impl FnMut(usize) -> usize {
    let mut uniform = shuffler(seed);
    move |open| match seed % 4 {
        3 if uniform(8) > 0 => open - 1,
        _ => uniform(open),
    }
}

#[test]
fn no_order_of_results_changes_anything_under_the_ordered_schedule() {
    let worlds = worlds();
    let expected: Vec<Account> = worlds
        .iter()
        .map(|world| Account::of(&world.run(|_| 0)))
        .collect();
    let next = AtomicUsize::new(0);
    let runs = worlds.len() * SHUFFLES as usize;
    assert!(runs >= 3_000, "{runs} are too few");
    let check_next = || {
        let run = next.fetch_add(1, Ordering::Relaxed);
        if run >= runs {
            return false;
        }
        let (at, seed) = (run % worlds.len(), (run / worlds.len()) as u64);
        let world = &worlds[at];
        let account = Account::of(&world.run(arrival(seed)));
        assert!(
            account == expected[at],
            "world {at}, order {seed}: {:?} under {:?}",
            account.first_difference(&expected[at]),
            world.settings
        );
        true
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while check_next() {});
        }
    });
}
