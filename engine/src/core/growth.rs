//! Rows of accepted candidates that go on growing, and the estimates over them.

use std::sync::Arc;

use gepa_archive::{CandidateIndex, InstanceIndex, InstanceScore, ScoreRow, shuffle};

use super::member::{Member, by_place};
use crate::config::{Evaluation, GrowingSettings, RowOrder, SearchSettings};
use crate::event::Leader;
use crate::policy::{Field, Rivals, RowScore};
use crate::posterior::{Ancestor, Ancestors, Estimate, Posterior, draw};
use crate::random::{DrawPurpose, RandomSource};

/// The most candidates whose estimates and fronts are kept up to date, unless
/// `search.archive_max_size` says otherwise. It bounds what a decision costs in a long run. Beyond
/// it the most dispensable candidate leaves the archive.
pub(crate) const MOST_LIVE: usize = 256;

/// The state of growing rows.
#[derive(Debug)]
pub(crate) struct Growth {
    /// Positions of the pareto set in the order in which rows take them.
    order: Arc<[usize]>,
    /// The place of each position in that order.
    places: Vec<usize>,
    posterior: Arc<Posterior>,
    /// By candidate.
    members: Vec<Member>,
    /// By place: whether the example was taken out of all rows.
    excluded: Vec<bool>,
    /// Whether a whole row may get further outcomes of its examples.
    repeats: bool,
    /// Whether the outcomes of the same candidate on the same example differ.
    varies: bool,
    /// Rollouts ordered so far to refine rows.
    refined: u64,
}

impl Growth {
    /// `None` where every candidate is run on the whole set. `instances` names the positions; `varies` says
    /// whether the same candidate may get another outcome on the same example.
    pub(crate) fn new(
        search: &SearchSettings,
        instances: &[InstanceIndex],
        varies: bool,
        random: &mut dyn RandomSource,
    ) -> Option<Self> {
        if search.evaluation == Evaluation::Full {
            return None;
        }
        let mut order: Vec<usize> = (0..instances.len()).collect();
        if search.growing.order == RowOrder::Drawn {
            // By rank, so that the order does not depend on how the set is listed.
            order.sort_by_key(|position| instances[*position]);
            shuffle(&mut *random.stream(DrawPurpose::ParetoOrder, 0), &mut order);
        }
        let mut places = vec![0; order.len()];
        for (place, position) in order.iter().enumerate() {
            places[*position] = place;
        }
        let growing = &search.growing;
        Some(Self {
            posterior: Arc::new(Posterior::new(order.len(), growing.tau, growing.sweeps)),
            excluded: vec![false; order.len()],
            order: order.into(),
            places,
            members: Vec::new(),
            repeats: varies && growing.repeats,
            varies,
            refined: 0,
        })
    }

    /// Other settings for the estimates to come.
    pub(crate) fn tune(&mut self, growing: &GrowingSettings) {
        Arc::make_mut(&mut self.posterior).tune(growing.tau, growing.sweeps);
        self.repeats = self.varies && growing.repeats;
    }

    /// What a child of `parents` is compared with from now on; `leader` is the best candidate.
    pub(crate) fn field(
        &self,
        parents: &[CandidateIndex],
        leader: Option<CandidateIndex>,
    ) -> Field {
        let rivals = leader.map(|leader| Rivals {
            members: Arc::clone(&self.posterior),
            leader,
            length: self.members[leader.position()].length(),
            ancestors: self.ancestors(parents),
        });
        Field {
            order: Arc::clone(&self.order),
            rivals,
        }
    }

    /// Adds the next candidate with the outcomes of its row, failed ones included: what each counts as
    /// (`known`), and its score where it has one (`shown`).
    pub(crate) fn add(
        &mut self,
        parents: &[CandidateIndex],
        known: &[RowScore],
        shown: &[RowScore],
        scores: Vec<InstanceScore>,
    ) {
        let index = CandidateIndex(self.members.len() as u32);
        let ancestors = self.ancestors(parents);
        let outcomes = scored(&self.places, known);
        let posterior = Arc::make_mut(&mut self.posterior);
        posterior.add(index, ancestors, outcomes);
        posterior.fit();
        let mut member = Member::new(self.order.len());
        member.take(known.iter().map(|one| self.places[one.position]));
        member.add(by_place(&self.places, shown), scores);
        self.members.push(member);
        self.read_estimates();
    }

    /// Adds the outcomes that a refinement bought, as in [`add`](Self::add).
    pub(crate) fn extend(
        &mut self,
        index: CandidateIndex,
        known: &[RowScore],
        shown: &[RowScore],
        scores: Vec<InstanceScore>,
    ) {
        let posterior = Arc::make_mut(&mut self.posterior);
        posterior.extend(index, scored(&self.places, known));
        posterior.fit();
        self.members[index.position()].add(by_place(&self.places, shown), scores);
        self.read_estimates();
    }

    /// Takes a position of the pareto set out of all rows.
    pub(crate) fn exclude(&mut self, position: usize, instance: InstanceIndex) {
        let posterior = Arc::make_mut(&mut self.posterior);
        posterior.exclude(self.places[position]);
        posterior.fit();
        self.excluded[self.places[position]] = true;
        for member in &mut self.members {
            member.exclude(instance);
        }
        self.read_estimates();
    }

    /// The candidate has left the archive.
    pub(crate) fn freeze(&mut self, index: CandidateIndex) {
        Arc::make_mut(&mut self.posterior).freeze(index);
        self.members[index.position()].freeze();
    }

    /// The whole row of a member, with the outcomes that a refinement bought.
    pub(crate) fn longer_row(
        &self,
        index: CandidateIndex,
        further: &[InstanceScore],
    ) -> Option<ScoreRow> {
        self.members[index.position()].row_with(further).ok()
    }

    /// The mean score of a member at a position, and the number of outcomes with a score behind it.
    pub(crate) fn shown(&self, index: CandidateIndex, position: usize) -> (Option<f64>, u32) {
        self.members[index.position()].shown(self.places[position])
    }

    /// The estimates by which the live candidates are ranked, ascending by index.
    pub(crate) fn ranked(&self) -> Vec<(CandidateIndex, f64)> {
        let estimates = self.posterior.estimates();
        estimates.map(|(index, one)| (index, one.mean)).collect()
    }

    pub(crate) fn estimate(&self, index: CandidateIndex) -> Estimate {
        self.members[index.position()].estimate
    }

    /// The number of positions in a candidate's row.
    pub(crate) fn length(&self, index: CandidateIndex) -> usize {
        self.members[index.position()].length()
    }

    pub(crate) fn leader(&self, index: CandidateIndex, mean_score: f64) -> Leader {
        Leader {
            candidate: index,
            mean_score,
            estimate: self.estimate(index),
        }
    }

    /// Whether refinement has had less than its share of `rollouts`, and has a choice.
    pub(crate) fn is_due(&self, share: f64, rollouts: u64) -> bool {
        let has_choice = self.members.len() > 1;
        has_choice && (self.refined as f64) < share * rollouts as f64
    }

    /// Chooses whose row to refine: the leader's half of the time, otherwise the row whose candidate
    /// may be the best. `None` if every row is whole and no example may be run again.
    pub(crate) fn choose(
        &self,
        leader: CandidateIndex,
        iteration: u64,
        random: &mut dyn RandomSource,
    ) -> Option<CandidateIndex> {
        let mut words = random.stream(DrawPurpose::Refine, iteration);
        let is_short =
            |index: CandidateIndex| self.repeats || !self.members[index.position()].is_whole();
        if words.unit() < 0.5 && is_short(leader) {
            return Some(leader);
        }
        let mut best: Option<(CandidateIndex, f64)> = None;
        for (index, estimate) in self.posterior.estimates() {
            let drawn = estimate.mean + estimate.sd() * draw(&mut *words);
            if is_short(index) && best.is_none_or(|(_, most)| drawn > most) {
                best = Some((index, drawn));
            }
        }
        best.map(|(index, _)| index)
    }

    /// Takes up to `count` further positions of a row, in the order of the set. Of a row that is whole it
    /// takes those again that were run the fewest times, if they may be run again.
    pub(crate) fn take(&mut self, index: CandidateIndex, count: usize) -> Vec<usize> {
        let member = &mut self.members[index.position()];
        let mut places = member.free(count);
        if places.is_empty() && self.repeats {
            places = member.rarest(count, |place| !self.excluded[place]);
        }
        member.take(places.iter().copied());
        self.refined += places.len() as u64;
        places.into_iter().map(|place| self.order[place]).collect()
    }

    fn ancestors(&self, parents: &[CandidateIndex]) -> Ancestors {
        let of = |parent: &CandidateIndex| match self.posterior.estimate(*parent) {
            Some(_) => Ancestor::Active(*parent),
            None => Ancestor::Final(self.members[parent.position()].estimate.mean),
        };
        Ancestors::new(parents.iter().map(of).collect())
    }

    fn read_estimates(&mut self) {
        for (index, estimate) in self.posterior.estimates() {
            self.members[index.position()].estimate = estimate;
        }
    }
}

/// The scores among the outcomes, by place.
fn scored<'a>(
    places: &'a [usize],
    known: &'a [RowScore],
) -> impl Iterator<Item = (usize, f64)> + 'a {
    let scored = known.iter();
    scored.filter_map(|one| Some((places[one.position], one.score?)))
}
