//! Checks the promises in each trait's doc comment on every implementation.

use std::sync::Arc;

use gepa_archive::{
    Archive, ArchiveSettings, Candidate, CandidateIndex, InstanceIndex, InstanceScore, Origin,
    ParentRule, ScoreRow,
};
use indexmap::IndexMap;

use super::stop::built_in;
use super::*;
use crate::config::{Acceptance, BudgetSettings, ComponentSelection, GrowingSettings};
use crate::posterior::{Ancestor, Ancestors, Posterior};
use crate::random::{ChaChaStreams, DrawPurpose, RandomSource};

const INSTANCES: u64 = 8;

/// A number that looks random.
fn noise(of: u64) -> u64 {
    let digest = blake3::hash(&of.to_le_bytes());
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap())
}

fn candidate(number: u64) -> Arc<Candidate> {
    let texts = [("plan", format!("p{number}")), ("act", "b".to_owned())];
    Arc::new(Candidate::new(texts).unwrap())
}

/// Archives of every size up to 12: complete rows, rows with gaps, and a bounded one.
fn archives() -> Vec<Archive> {
    let mut archives = Vec::new();
    for (world, max_size) in [(0, None), (1, None), (2, Some(3))] {
        let settings = ArchiveSettings {
            max_size,
            ..ArchiveSettings::default()
        };
        let mut archive = Archive::new(settings);
        for number in 0..12 {
            let scored = (0..INSTANCES)
                .filter(|at| world != 1 || !noise(number * 31 + at).is_multiple_of(3));
            let row = scored.map(|at| InstanceScore {
                instance: InstanceIndex(at as u32),
                score: (noise(world * 1_000 + number * 50 + at) % 4) as f64 / 3.0,
                objectives: IndexMap::new(),
            });
            let row = ScoreRow::new(row.collect()).unwrap();
            let parents = (number > 0).then_some(CandidateIndex(0));
            archive
                .insert(
                    candidate(number),
                    parents.into_iter().collect(),
                    Origin::Reflection,
                    &row,
                )
                .unwrap();
            archives.push(archive.clone());
        }
    }
    archives
}

#[test]
fn every_parent_selector_keeps_its_obligations() {
    let rules = [
        ParentRule::Pareto,
        ParentRule::CurrentBest,
        ParentRule::EpsilonGreedy { epsilon: 0.4 },
        ParentRule::TopKPareto { k: 3 },
    ];
    for rule in rules {
        let make = || -> Box<dyn ParentSelector> { Box::new(rule) };
        let mut excluded: Vec<CandidateIndex> = Vec::new();
        for archive in archives() {
            if archive.len() == 1 {
                excluded.clear();
            }
            for iteration in 1..20 {
                let question = ParentQuestion {
                    iteration,
                    archive: &archive,
                };
                let chosen = |mut selector: Box<dyn ParentSelector>| {
                    let mut random = ChaChaStreams::new(5);
                    let mut draw = random.stream(DrawPurpose::Parent, iteration);
                    selector.select(&question, &mut *draw)
                };
                let parent = chosen(make()).expect("an archive with its seed");
                assert!(archive.live().contains(&parent), "{rule:?}: {parent}");
                assert_eq!(chosen(make()), Some(parent), "{rule:?} with the same draw");
                assert!(make().may_be_selected(&archive, parent), "{rule:?}");
                assert!(!excluded.contains(&parent), "{rule:?}: `false` is final");
            }
            let members = archive.entries().map(|(index, _)| index);
            excluded.extend(members.filter(|one| !make().may_be_selected(&archive, *one)));
        }
    }
}

#[test]
fn every_minibatch_sampler_keeps_its_obligations() {
    for (examples, size) in [(1, 1), (1, 3), (7, 3), (20, 4)] {
        let make = || -> Box<dyn MinibatchSampler> { Box::new(EpochShuffled::new(examples, size)) };
        let (mut one, mut other) = (make(), make());
        for generation in 1..30 {
            for chunk in 0..2 {
                let question = MinibatchQuestion {
                    iteration: 2 * generation + chunk,
                    generation,
                    chunk,
                    parent: CandidateIndex(0),
                    examples,
                    size,
                };
                let batch = one.sample(&question, &mut ChaChaStreams::new(9));
                assert!((1..=size).contains(&batch.len()));
                assert!(batch.iter().all(|position| *position < examples));
                let again = other.sample(&question, &mut ChaChaStreams::new(9));
                assert_eq!(batch, again, "the same question and the same randomness");
            }
        }
    }
}

#[test]
fn every_component_selector_keeps_its_obligations() {
    let candidate = candidate(1);
    let components = candidate.components().len();
    for selection in [ComponentSelection::RoundRobin, ComponentSelection::All] {
        let mut selector: Box<dyn ComponentSelector> = Box::new(selection);
        let most = selector.most(components);
        assert!((1..=components).contains(&most));
        for turn in 0..components {
            let chosen = selector.select(&ComponentQuestion {
                iteration: 1,
                parent: CandidateIndex(0),
                candidate: &candidate,
                turn,
            });
            assert!((1..=most).contains(&chosen.len()), "{selection:?}");
            assert!(chosen.iter().all(|position| *position < components));
            let mut different = chosen.clone();
            different.dedup();
            assert_eq!(different, chosen, "{selection:?}");
            assert!(!selector.takes_turns() || chosen == [turn], "{selection:?}");
        }
    }
}

#[test]
fn every_acceptance_rule_keeps_its_obligations() {
    for rule in [
        Acceptance::StrictImprovement,
        Acceptance::ImprovementOrEqual,
    ] {
        let mut rule: Box<dyn AcceptanceRule> = Box::new(rule);
        let mut passes = |pairs: &[(f64, f64)]| {
            rule.passes(&GateQuestion {
                iteration: 1,
                pairs,
                parent_sum: pairs.iter().map(|(parent, _)| parent).sum(),
                child_sum: pairs.iter().map(|(_, child)| child).sum(),
            })
        };
        for world in 0..200 {
            let score = |at: u64| (noise(world * 10 + at) % 3) as f64 / 2.0;
            let pairs: Vec<(f64, f64)> = (0..3).map(|at| (score(at), score(at + 5))).collect();
            let mut better = pairs.clone();
            better[1].1 += 0.5;
            assert!(!passes(&pairs) || passes(&better), "{pairs:?}");
            assert_eq!(passes(&pairs), passes(&pairs));
        }
    }
}

#[test]
fn every_winner_choice_keeps_its_obligations() {
    let mut choice: Box<dyn WinnerChoice> = Box::new(BestMean);
    for archive in archives() {
        for count in 1..14 {
            let ranked = choice.rank(&archive, count);
            assert!((1..=count).contains(&ranked.len()));
            assert!(ranked.iter().all(|one| archive.live().contains(one)));
            let mut different = ranked.clone();
            different.sort_unstable();
            different.dedup();
            assert_eq!(different.len(), ranked.len());
            assert_eq!(choice.rank(&archive, count), ranked);
        }
    }
    assert!(
        choice
            .rank(&Archive::new(ArchiveSettings::default()), 2)
            .is_empty()
    );
}

#[test]
fn every_stop_condition_keeps_its_obligations() {
    let archive = &archives()[4];
    let everything = BudgetSettings {
        max_rollouts: Some(1),
        max_reflection_calls: Some(1),
        max_iterations: Some(1),
        max_candidates: Some(1),
        no_improvement_iterations: Some(1),
        target_score: Some(0.0),
        least_spread: Some(1e9),
        ..BudgetSettings::default()
    };
    let nothing = BudgetSettings::default();
    let standing = |limits, count: u64, limit: Option<u64>| {
        let account = Account {
            limit,
            used: count,
            reserved: 0,
            needed: 1,
        };
        Standing {
            generation: 1 + count,
            iteration: 1 + count,
            epoch: 20,
            pareto: 6,
            archive,
            limits,
            since_best: count,
            idle: count,
            most_idle: 50,
            unreflected: count,
            most_unreflected: 50,
            last_complaint: "",
            rollouts: account,
            reflections: account,
        }
    };
    for mut condition in built_in() {
        let fresh = condition.ask(&standing(&nothing, 0, None));
        assert_eq!(fresh, StopAnswer::GoOn, "no limit is set");
        let spent = standing(&everything, 60, Some(1));
        let reached = condition.ask(&spent);
        assert_ne!(reached, StopAnswer::GoOn, "every limit is passed");
        assert_eq!(condition.ask(&spent), reached, "nothing was decided since");
    }
}

/// Half of the pareto set at first, then the rest unless the candidate does worse than every member
/// of the archive did in the mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InTwoSteps;

#[derive(Debug)]
struct TwoSteps {
    pareto: usize,
    least: f64,
}

impl ParetoEvaluation for InTwoSteps {
    fn row(&mut self, question: &RowQuestion<'_>, _: &mut dyn RandomSource) -> Box<dyn RowPlan> {
        let members = question.archive.entries();
        Box::new(TwoSteps {
            pareto: question.instances.len(),
            least: members.map(|(_, one)| one.mean).fold(0.3, f64::min),
        })
    }

    fn first(&self, pareto: usize) -> usize {
        pareto.div_ceil(2)
    }

    fn replayable(&self) -> bool {
        true
    }
}

impl RowPlan for TwoSteps {
    fn next(&mut self, known: &[RowScore]) -> RowStep {
        let half = self.pareto.div_ceil(2);
        let scores: Vec<f64> = known.iter().filter_map(|one| one.score).collect();
        let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        match known.len() {
            // From the end, so that an order is not a range that begins with 0.
            0 => RowStep::Run(
                (half..self.pareto)
                    .rev()
                    .chain(0..2 * half - self.pareto)
                    .collect(),
            ),
            known if known >= self.pareto => RowStep::Enter,
            _ if mean < self.least => RowStep::Drop(format!("{mean} on half of the examples")),
            _ if mean < 0.5 => RowStep::Enter,
            _ => RowStep::Run((0..half).collect()),
        }
    }
}

/// The members of an archive as a child sees them. Instances are named by their positions.
fn field(archive: &Archive, pareto: usize) -> Field {
    let mut members = Posterior::new(pareto, 0.1, 3);
    for index in archive.live() {
        let scores = (0..pareto).filter_map(|at| {
            let instance = InstanceIndex(at as u32);
            Some((at, archive.score(*index, instance)?))
        });
        members.add(*index, Ancestors::default(), scores);
    }
    members.fit();
    let rivals = archive.best().map(|leader| Rivals {
        members: Arc::new(members),
        leader,
        length: pareto,
        ancestors: Ancestors::new(vec![Ancestor::Final(0.4)]),
    });
    Field {
        order: (0..pareto).rev().collect(),
        rivals,
    }
}

#[test]
fn every_pareto_evaluation_keeps_its_obligations() {
    let growing = |n0, grow| {
        let settings = GrowingSettings {
            n0,
            grow,
            ..GrowingSettings::default()
        };
        Box::new(Growing::new(settings))
    };
    let evaluations: [Box<dyn ParetoEvaluation>; 5] = [
        Box::new(Full),
        Box::new(InTwoSteps),
        growing(12, 2.0),
        growing(1, 1.1),
        growing(3, 100.0),
    ];
    for mut evaluation in evaluations {
        for pareto in [1, 2, 7, 12] {
            let (first, most) = (evaluation.first(pareto), evaluation.most(pareto));
            assert!((1..=pareto).contains(&first) && (first..=pareto).contains(&most));
            let instances: Vec<InstanceIndex> = (0..pareto as u32).map(InstanceIndex).collect();
            for archive in archives() {
                let field = field(&archive, pareto);
                let question = RowQuestion {
                    iteration: 3,
                    archive: &archive,
                    parents: &[CandidateIndex(0)],
                    instances: &instances,
                    field: Some(&field),
                };
                let mut plan = evaluation.row(&question, &mut ChaChaStreams::new(1));
                let mut again = evaluation.row(&question, &mut ChaChaStreams::new(1));
                let mut known: Vec<RowScore> = Vec::new();
                let mut orders = 0;
                loop {
                    let step = plan.next(&known);
                    assert_eq!(
                        again.next(&known),
                        step,
                        "the same row from the same question"
                    );
                    let RowStep::Run(positions) = step else { break };
                    assert!(orders > 0 || positions.len() <= first);
                    assert!(!positions.is_empty(), "an order without an example");
                    for position in positions {
                        assert!(position < pareto);
                        assert!(
                            known.iter().all(|one| one.position != position),
                            "run twice"
                        );
                        let draw = noise(pareto as u64 * 100 + position as u64) % 4;
                        let score = (draw > 0).then_some(draw as f64 / 3.0);
                        known.push(RowScore { position, score });
                    }
                    orders += 1;
                }
                assert!((1..=most).contains(&known.len()));
                assert!(!evaluation.is_fixed() || orders == 1);
            }
        }
    }
}
