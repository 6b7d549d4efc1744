//! Compares other settings with every choice of the recorded run.

use std::collections::HashMap;

use gepa_archive::{Archive, ArchiveSettings, CandidateIndex, InstanceScore, Origin, ScoreRow};
use gepa_evaluation::{ExampleId, Stage};

use super::data::{Recorded, candidates_of};
use crate::config::Config;
use crate::core::ranks;
use crate::event::{CandidateAccepted, Decision, Event, EventBody};
use crate::random::{ChaChaStreams, DrawPurpose, RandomSource};

/// The answers of other settings along the recorded path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Along {
    /// The number of parents that were chosen for reflection.
    pub parents: u64,
    /// The choices in which the other settings name another parent.
    pub other_parents: Vec<OtherChoice<CandidateIndex>>,
    /// The number of gates that compared a child with its parent.
    pub gates: u64,
    /// The gates at which the other settings decide otherwise.
    pub other_gates: Vec<OtherChoice<bool>>,
}

/// A choice on which the other settings differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherChoice<T> {
    /// The iteration.
    pub iteration: u64,
    /// The recorded choice.
    pub recorded: T,
    /// The choice of the other settings.
    pub instead: T,
}

impl Along {
    /// Asks `config` at every choice in `events`; `pareto` is the recorded pareto set.
    pub(super) fn of(
        events: &[Event],
        recorded: &Recorded,
        pareto: &[ExampleId],
        config: &Config,
    ) -> Self {
        let search = &config.settings().search;
        let mut random = ChaChaStreams::new(config.settings().run.seed);
        let candidates = candidates_of(events);
        let mut archive = Archive::new(ArchiveSettings {
            frontier: search.frontier,
            max_size: search.archive_max_size.map(|size| size as usize),
            min_score: search.archive_min_score,
            revisable: false,
        });
        let mut along = Self::default();
        // A parent is drawn once for all its minibatches of a generation.
        let mut batches_left = 0;
        let mut instead = CandidateIndex::default();
        for event in events {
            match &event.body {
                EventBody::Decision(Decision::ProposalIssued(issued))
                    if issued.origin == Origin::Reflection =>
                {
                    let Some(recorded) = issued.parents.first().copied() else {
                        continue;
                    };
                    let iteration = issued.iteration;
                    if batches_left == 0 {
                        batches_left = u64::from(search.batches_per_parent) * config.hypotheses();
                        let mut draw = random.stream(DrawPurpose::Parent, iteration);
                        instead = archive
                            .select(&search.parent_rule(), &mut *draw)
                            .unwrap_or_default();
                    }
                    batches_left -= 1;
                    along.parents += 1;
                    if instead != recorded {
                        along.other_parents.push(OtherChoice {
                            iteration,
                            recorded,
                            instead,
                        });
                    }
                }
                EventBody::Decision(Decision::GateDecided(gate))
                    if !recorded.is_merge(gate.iteration) =>
                {
                    let (parent, child) = (gate.parent_sum, gate.child_sum);
                    let instead = search.acceptance.passes(parent, child);
                    along.gates += 1;
                    if instead != gate.passed {
                        along.other_gates.push(OtherChoice {
                            iteration: gate.iteration,
                            recorded: gate.passed,
                            instead,
                        });
                    }
                }
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    let row = score_row(accepted, recorded, pareto);
                    let candidate = candidates.get(&accepted.candidate).cloned();
                    if let (Some(row), Some(candidate)) = (row, candidate) {
                        let parents = accepted.parents.clone();
                        // A journal whose rows do not fit was refused before this point.
                        let _ = archive.insert(candidate, parents, accepted.origin, &row);
                    }
                }
                _ => {}
            }
        }
        along
    }
}

fn score_row(
    accepted: &CandidateAccepted,
    recorded: &Recorded,
    pareto: &[ExampleId],
) -> Option<ScoreRow> {
    let instances = ranks(pareto);
    let positions: HashMap<&ExampleId, usize> = (0..pareto.len())
        .map(|position| (&pareto[position], position))
        .collect();
    // The sums are added in the order in which the core adds them.
    let obtained = recorded.obtained(accepted.iteration);
    let scores = obtained.into_iter().filter_map(|example| {
        let position = *positions.get(example)?;
        let outcome = recorded.outcome(Stage::Pareto, accepted.candidate, example);
        let scored = outcome.and_then(|outcome| outcome.scored());
        Some(InstanceScore {
            instance: instances[position],
            score: (*accepted.scores.get(position)?)?,
            objectives: scored
                .map(|scored| scored.objectives.clone())
                .unwrap_or_default(),
        })
    });
    ScoreRow::new(scores.collect()).ok()
}
