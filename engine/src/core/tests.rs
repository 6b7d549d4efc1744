//! The guarantees of the core, against a small deterministic world whose results arrive in any
//! order one likes.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, FailureKind, Outcome, PromptTemplate, Scored, Usage};
use serde_json::Value;

use super::{Core, Work};
use crate::config::{
    BudgetSettings, ComponentSelection, Config, ExampleSets, MergeSettings, RunSettings,
    ScheduleKind, SearchSettings, Settings,
};
use crate::event::{EventBody, ReflectionSettled, RolloutSettled, RunResumed};
use crate::ids::Timestamp;
use crate::random::{ChaChaStreams, DrawPurpose, RandomSource};

fn ids(from: u64, count: u64) -> Vec<ExampleId> {
    (from..from + count).map(ExampleId::Seed).collect()
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) failing: bool,
    seed: u64,
}

impl World {
    pub(super) fn new(gate_lag: u32, pareto_lag: u32) -> Self {
        let settings = Settings {
            run: RunSettings {
                gate_lag,
                pareto_lag,
                ..RunSettings::default()
            },
            search: SearchSettings {
                skip_perfect: true,
                ..SearchSettings::default()
            },
            merge: MergeSettings {
                enabled: true,
                ..MergeSettings::default()
            },
            budget: BudgetSettings {
                max_rollouts: Some(700),
                ..BudgetSettings::default()
            },
            ..Settings::default()
        };
        Self {
            settings,
            failing: false,
            seed: 3,
        }
    }

    pub(super) fn core(&self) -> Core {
        let seed = Candidate::new([("plan", "a"), ("act", "b")]).unwrap();
        let sets = ExampleSets {
            train: ids(0, 20),
            pareto: ids(100, 12),
            validation: ids(200, 8),
        };
        let config = Config::new(seed, PromptTemplate::default(), sets, self.settings.clone());
        Core::start(
            Arc::new(config.unwrap()),
            true,
            Box::new(ChaChaStreams::new(self.seed)),
        )
    }

    /// What the world says to a piece of work: a function of the work alone.
    fn answer(&self, work: &Work) -> EventBody {
        match work {
            Work::Rollout(work) => {
                let noise = hash(&format!(
                    "{:?}{}",
                    work.candidate.content_id(),
                    work.example
                ));
                let outcome = if self.failing && noise.is_multiple_of(11) {
                    Outcome::failed(FailureKind::Transient, "overloaded")
                } else {
                    let length: usize = work.candidate.components().values().map(|t| t.len()).sum();
                    let threshold = 30 + 6 * length.min(10) as u64;
                    Outcome::Scored(Scored {
                        score: f64::from(u8::from(noise % 100 < threshold)),
                        ..Scored::default()
                    })
                };
                EventBody::RolloutSettled(Box::new(RolloutSettled {
                    trial: work.trial,
                    stage: work.stage,
                    candidate: work.candidate.content_id(),
                    position: work.position as u32,
                    example: work.example.clone(),
                    attempts: 1,
                    again: work.again,
                    started_at: Timestamp(0),
                    finished_at: Timestamp(0),
                    usage: Usage {
                        calls: 1,
                        prompt_tokens: 7,
                        ..Usage::default()
                    },
                    judge_usage: Usage::default(),
                    outcome,
                }))
            }
            Work::Reflection(work) => {
                let noise = hash(&work.prompt);
                let text = (!noise.is_multiple_of(7)).then(|| {
                    format!(
                        "{}{}",
                        work.rules.current,
                        char::from(b'c' + (noise % 20) as u8)
                    )
                });
                EventBody::ReflectionSettled(Box::new(ReflectionSettled {
                    iteration: work.iteration,
                    component: work.component.to_string(),
                    attempt: work.attempt,
                    started_at: Timestamp(0),
                    finished_at: Timestamp(0),
                    usage: Usage {
                        calls: 1,
                        completion_tokens: 3,
                        ..Usage::default()
                    },
                    reply: None,
                    text,
                    failure: None,
                }))
            }
            Work::DropQueued => unreachable!("not a question"),
        }
    }

    /// Runs to the end; `pick` chooses which open piece of work is answered next.
    pub(super) fn run(&self, mut pick: impl FnMut(usize) -> usize) -> Journal {
        let mut core = self.core();
        let mut journal = Journal {
            entries: core.take_decisions(),
        };
        let mut open = core.take_work();
        while !core.is_finished() {
            assert!(!open.is_empty(), "the core waits for nothing: {core:?}");
            let work = open.swap_remove(pick(open.len()));
            let fact = self.answer(&work);
            core.settle(&fact);
            journal.entries.push(fact);
            journal.entries.extend(core.take_decisions());
            for work in core.take_work() {
                match work {
                    Work::DropQueued => open.clear(),
                    work => open.push(work),
                }
            }
        }
        journal
    }
}

pub(super) struct Journal {
    pub(super) entries: Vec<EventBody>,
}

impl Journal {
    /// The decisions without the order in which independent ones happened to be made.
    pub(super) fn decisions(&self) -> Vec<String> {
        let mut decisions: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| !entry.is_fact())
            .map(|entry| serde_json::to_string(entry).unwrap())
            .collect();
        decisions.sort();
        decisions
    }

    pub(super) fn count(&self, of: impl Fn(&EventBody) -> bool) -> usize {
        self.entries.iter().filter(|entry| of(entry)).count()
    }
}

fn hash(text: &str) -> u64 {
    u64::from_le_bytes(
        blake3::hash(text.as_bytes()).as_bytes()[..8]
            .try_into()
            .unwrap(),
    )
}

pub(super) fn shuffler(seed: u64) -> impl FnMut(usize) -> usize {
    let mut source = ChaChaStreams::new(seed);
    let mut draws = 0;
    move |open| {
        draws += 1;
        source.stream(DrawPurpose::Parent, draws).below(open)
    }
}

#[test]
fn ordered_decisions_do_not_depend_on_the_order_of_results() {
    for (gate_lag, pareto_lag, failing) in [(1, 1, false), (4, 8, false), (8, 24, true)] {
        let mut world = World::new(gate_lag, pareto_lag);
        world.failing = failing;
        let expected = world.run(|_| 0).decisions();
        for seed in 0..40 {
            let decisions = world.run(shuffler(seed)).decisions();
            let differing = expected
                .iter()
                .zip(&decisions)
                .find(|(left, right)| left != right);
            let context = format!("lags {gate_lag}/{pareto_lag}, shuffle {seed}");
            assert_eq!(differing, None, "{context}");
            assert_eq!(expected.len(), decisions.len(), "{context}");
        }
    }
}

#[test]
fn rollouts_never_exceed_the_budget_and_are_all_accounted_for() {
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        for budget in [60, 100, 333, 700] {
            let mut world = World::new(6, 12);
            world.settings.run.schedule = schedule;
            world.settings.budget.max_rollouts = Some(budget);
            let journal = world.run(shuffler(budget));
            let executed = journal.count(|entry| matches!(entry, EventBody::RolloutSettled(_)));
            assert!(executed as u64 <= budget, "{executed} of {budget}");
            let Some(EventBody::RunFinished(finished)) = journal
                .entries
                .iter()
                .find(|entry| matches!(entry, EventBody::RunFinished(_)))
            else {
                panic!("no end")
            };
            let counters = &finished.counters;
            assert_eq!(counters.total_rollouts, executed as u64);
            assert_eq!(
                counters.validation_rollouts_executed,
                8 * finished.validation.len() as u64
            );
            assert_eq!(
                counters.total_tokens,
                7 * executed as u64 + 3 * counters.reflection_calls
            );
        }
    }
}

#[test]
fn a_run_cut_anywhere_and_replayed_makes_the_same_decisions() {
    let mut world = World::new(4, 8);
    world.failing = true;
    world.settings.search.components = ComponentSelection::All;
    let whole = world.run(shuffler(9));
    let facts: Vec<&EventBody> = whole
        .entries
        .iter()
        .filter(|entry| entry.is_fact())
        .collect();
    for cut in (0..facts.len()).step_by(17) {
        let mut core = world.core();
        let mut remade = core.take_decisions();
        for fact in &facts[..cut] {
            core.settle(fact);
            remade.extend(core.take_decisions());
        }
        let stored: Vec<EventBody> = whole
            .entries
            .iter()
            .filter(|entry| !entry.is_fact())
            .cloned()
            .collect();
        assert_eq!(remade[..], stored[..remade.len()], "cut after {cut} facts");
    }
}

#[test]
fn a_resumed_run_orders_exactly_what_is_open_and_tries_passing_failures_again() {
    let mut world = World::new(2, 4);
    world.failing = true;
    let mut core = world.core();
    let first = core.take_work();
    let (answered, open) = first.split_at(7);
    let mut failed = 0;
    for work in answered {
        let fact = world.answer(work);
        if let EventBody::RolloutSettled(settled) = &fact {
            failed += usize::from(settled.outcome.scored().is_none());
        }
        core.settle(&fact);
    }
    core.settle(&EventBody::RunResumed(RunResumed {
        engine_version: "test".to_owned(),
    }));
    let orders = core.outstanding();
    assert_eq!(orders.len(), open.len() + failed);
    let again = orders
        .iter()
        .filter(|work| matches!(work, Work::Rollout(r) if r.again))
        .count();
    assert_eq!(again, failed);
}

#[test]
fn impossible_merges_never_keep_a_run_from_ending() {
    let mut world = World::new(1, 1);
    world.settings.merge.overlap_floor = 1_000;
    world.settings.merge.max_invocations = 1_000;
    let journal = world.run(|_| 0);
    let merges = journal.count(|entry| {
        matches!(entry, EventBody::ProposalIssued(p) if p.origin == gepa_archive::Origin::Merge)
    });
    assert_eq!(merges, 0);
    assert!(journal.count(|entry| matches!(entry, EventBody::CandidateAccepted(_))) > 1);
}

#[test]
fn merges_happen_and_stay_within_their_limit() {
    let is_merge = |origin| origin == gepa_archive::Origin::Merge;
    let mut gated = 0;
    for seed in 0..20 {
        let mut world = World::new(1, 1);
        world.seed = seed;
        world.settings.merge.max_invocations = 2;
        let journal = world.run(|_| 0);
        let accepted = journal
            .count(|entry| matches!(entry, EventBody::CandidateAccepted(a) if is_merge(a.origin)));
        gated += journal
            .count(|entry| matches!(entry, EventBody::ProposalIssued(p) if is_merge(p.origin)));
        assert!(accepted <= 2, "{accepted} merges accepted with seed {seed}");
    }
    assert!(gated > 0);
}

#[test]
fn known_outcomes_of_a_parent_are_not_bought_again() {
    let world = World::new(1, 1);
    let journal = world.run(|_| 0);
    let mut seen = std::collections::BTreeSet::new();
    for entry in &journal.entries {
        let EventBody::RolloutSettled(settled) = entry else {
            continue;
        };
        if settled.stage == gepa_evaluation::Stage::MinibatchParent {
            let fresh = seen.insert((settled.candidate, settled.example.clone()));
            assert!(
                fresh,
                "{:?} on {} bought twice",
                settled.candidate, settled.example
            );
        }
    }
    assert!(!seen.is_empty());
}

#[test]
fn every_stop_condition_ends_the_run_with_its_own_reason() {
    let check = |change: fn(&mut BudgetSettings), expected: &str| {
        let mut world = World::new(2, 4);
        world.settings.budget = BudgetSettings {
            max_rollouts: Some(5_000),
            ..Default::default()
        };
        change(&mut world.settings.budget);
        let journal = world.run(|_| 0);
        let stop = journal.entries.iter().find_map(|entry| match entry {
            EventBody::StopDecided(stop) => Some(stop.reason.clone()),
            _ => None,
        });
        let stop = stop.expect("a run stops for a reason");
        assert_eq!(stop.as_str(), expected);
        let value = serde_json::to_value(&stop).unwrap();
        assert_eq!(value["reason"], Value::from(expected));
    };
    check(|budget| budget.max_rollouts = Some(200), "rollout_budget");
    check(
        |budget| budget.max_reflection_calls = Some(6),
        "reflection_budget",
    );
    check(|budget| budget.max_iterations = Some(5), "iterations");
    check(|budget| budget.max_candidates = Some(3), "candidates");
    check(|budget| budget.target_score = Some(0.1), "target_score");
    check(
        |budget| budget.no_improvement_iterations = Some(3),
        "no_improvement",
    );
}

#[test]
fn a_run_with_nothing_left_to_execute_ends() {
    let mut world = World::new(1, 1);
    world.settings.search.perfect_score = 0.0;
    let journal = world.run(|_| 0);
    let stop = journal.entries.iter().find_map(|entry| match entry {
        EventBody::StopDecided(stop) => Some(stop.reason.as_str()),
        _ => None,
    });
    assert_eq!(stop, Some("nothing_left"));
}
