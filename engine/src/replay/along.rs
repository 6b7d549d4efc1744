//! Compares other settings with every choice of the recorded run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gepa_archive::{
    Archive, Candidate, CandidateIndex, ContentId, InstanceIndex, InstanceScore, Origin, ScoreRow,
};
use gepa_evaluation::{ExampleId, Stage};

use super::data::{Recorded, candidates_of};
use crate::config::{Config, SearchSettings};
use crate::core::{Growth, archive_settings, ranks};
use crate::event::{CandidateAccepted, Decision, Event, EventBody, Fact, RowExtended};
use crate::policy::RowScore;
use crate::random::{DrawPurpose, RandomSource, source_of};

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
        let mut random = source_of(config.settings());
        let candidates = candidates_of(events);
        let mut pool = Pool::new(search, pareto, &mut *random);
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
                        instead = pool
                            .archive
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
                    pool.accept(accepted, recorded, candidates.get(&accepted.candidate));
                }
                EventBody::Fact(Fact::CandidateVetoed(vetoed)) => pool.veto(vetoed.candidate),
                EventBody::Fact(Fact::ExampleExcluded(excluded)) => pool.exclude(&excluded.example),
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    pool.extend(extended, recorded);
                }
                _ => {}
            }
        }
        along
    }
}

/// The archive of the other settings, filled with the recorded candidates.
struct Pool<'a> {
    archive: Archive,
    growth: Option<Growth>,
    instances: Vec<InstanceIndex>,
    positions: HashMap<&'a ExampleId, usize>,
    /// The contents of the members.
    members: Vec<ContentId>,
    /// Positions of the pareto set that count no longer.
    excluded: BTreeSet<usize>,
}

impl<'a> Pool<'a> {
    fn new(
        search: &SearchSettings,
        pareto: &'a [ExampleId],
        random: &mut dyn RandomSource,
    ) -> Self {
        let instances = ranks(pareto);
        // What was run again is in the journal; nothing is ordered here.
        let growth = Growth::new(search, &instances, false, random);
        let archive = Archive::new(archive_settings(search));
        let places = pareto.iter().enumerate();
        Self {
            archive,
            growth,
            instances,
            positions: places.map(|(position, id)| (id, position)).collect(),
            members: Vec::new(),
            excluded: BTreeSet::new(),
        }
    }

    fn accept(
        &mut self,
        accepted: &CandidateAccepted,
        recorded: &Recorded,
        candidate: Option<&Arc<Candidate>>,
    ) {
        self.members.push(accepted.candidate);
        let score_at = |position: usize| accepted.scores.get(position).copied().flatten();
        let iteration = accepted.iteration;
        let scores = self.obtained(iteration, accepted.candidate, recorded, score_at);
        let row = ScoreRow::new(scores.clone());
        let (Ok(row), Some(candidate)) = (row, candidate.cloned()) else {
            return;
        };
        let (parents, origin) = (accepted.parents.clone(), accepted.origin);
        let known = self.known(iteration, recorded, score_at);
        // A journal whose rows do not fit was refused before this point.
        let Some(growth) = &mut self.growth else {
            let _ = self.archive.insert(candidate, parents, origin, &row);
            return;
        };
        growth.add(&parents, &known, &known, scores);
        let ranked = growth.ranked();
        let archive = &mut self.archive;
        if let Ok(inserted) = archive.insert_ranked(candidate, parents, origin, &row, &ranked) {
            inserted.evicted.iter().for_each(|one| growth.freeze(*one));
        }
    }

    fn veto(&mut self, candidate: CandidateIndex) {
        if candidate != CandidateIndex(0)
            && self.archive.withdraw(candidate).is_ok()
            && let Some(growth) = &mut self.growth
        {
            growth.freeze(candidate);
        }
    }

    fn exclude(&mut self, example: &ExampleId) {
        let Some(position) = self.positions.get(example).copied() else {
            return;
        };
        let instance = self.instances[position];
        if !self.excluded.insert(position) || self.archive.is_empty() {
            return;
        }
        let estimates = self.growth.as_mut().map(|growth| {
            growth.exclude(position, instance);
            growth.ranked()
        });
        self.archive
            .exclude(instance, &estimates.unwrap_or_default());
    }

    /// Settings under which no row grows know the rows as they were accepted.
    fn extend(&mut self, extended: &RowExtended, recorded: &Recorded) {
        let member = extended.candidate;
        let Some(content) = self.members.get(member.position()).copied() else {
            return;
        };
        let places = extended.positions.iter().zip(&extended.scores);
        let counts = extended.outcomes.iter().copied();
        let counts = counts.chain(std::iter::repeat(1));
        let before = |position| {
            let growth = self.growth.as_ref();
            growth.map_or((None, 0), |growth| growth.shown(member, position))
        };
        let known: Vec<RowScore> = places
            .zip(counts)
            .map(|((position, mean), outcomes)| {
                let position = *position as usize;
                let score = newest((*mean, outcomes), before(position));
                RowScore { position, score }
            })
            .collect();
        let score_at = |position: usize| {
            let found = known.iter().find(|one| one.position == position);
            found.and_then(|one| one.score)
        };
        let further = self.obtained(extended.iteration, content, recorded, score_at);
        let is_live = self.archive.get(member).is_some_and(|one| !one.evicted);
        let Some(growth) = self.growth.as_mut().filter(|_| is_live) else {
            return;
        };
        if let Some(row) = growth.longer_row(member, &further) {
            growth.extend(member, &known, &known, further);
            let _ = self.archive.extend(member, &row, &growth.ranked());
        }
    }

    /// The outcomes of an iteration's row in the order in which they were ordered.
    fn known(
        &self,
        iteration: u64,
        recorded: &Recorded,
        score_at: impl Fn(usize) -> Option<f64>,
    ) -> Vec<RowScore> {
        let ordered = recorded.ordered(iteration);
        let positions = ordered.filter_map(|example| self.positions.get(example).copied());
        let positions = positions.filter(|position| !self.excluded.contains(position));
        let known = positions.map(|position| RowScore {
            position,
            score: score_at(position),
        });
        known.collect()
    }

    /// The scores of an iteration's row in the order in which the core adds them.
    fn obtained(
        &self,
        iteration: u64,
        candidate: ContentId,
        recorded: &Recorded,
        score_at: impl Fn(usize) -> Option<f64>,
    ) -> Vec<InstanceScore> {
        let obtained = recorded.obtained(iteration).into_iter();
        let scores = obtained.filter_map(|example| {
            let position = *self.positions.get(example)?;
            if self.excluded.contains(&position) {
                return None;
            }
            let outcome = recorded.outcome(Stage::Pareto, candidate, example);
            let scored = outcome.and_then(|outcome| outcome.scored());
            Some(InstanceScore {
                instance: self.instances[position],
                score: score_at(position)?,
                objectives: scored
                    .map(|scored| scored.objectives.clone())
                    .unwrap_or_default(),
            })
        });
        scores.collect()
    }
}

/// The score that made `before` into `now`; each is a mean with the number of outcomes behind it.
fn newest(now: (Option<f64>, u32), before: (Option<f64>, u32)) -> Option<f64> {
    let (Some(mean), Some(earlier)) = (now.0, before.0) else {
        return now.0;
    };
    let sum = mean * f64::from(now.1) - earlier * f64::from(before.1);
    (now.1 > before.1).then_some(sum)
}
