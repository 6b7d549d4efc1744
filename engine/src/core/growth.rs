//! Rows of accepted candidates that go on growing, and the estimates over them.

use std::sync::Arc;

use gepa_archive::{CandidateIndex, InstanceIndex, InstanceScore, ScoreRow, shuffle};

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
    /// Rollouts ordered so far to refine rows.
    refined: u64,
}

/// One candidate's row.
#[derive(Debug)]
struct Member {
    /// The newest estimate; final once the candidate has left the archive.
    estimate: Estimate,
    /// The number of positions run.
    length: usize,
    /// By place: whether the position was run or is being run. Empty once the candidate has left.
    taken: Vec<bool>,
    /// The number of places taken.
    taken_count: usize,
    /// The scores, in the order in which they were obtained.
    scores: Vec<InstanceScore>,
}

impl Growth {
    /// `None` where every candidate is run on the whole set. `instances` names the positions.
    pub(crate) fn new(
        search: &SearchSettings,
        instances: &[InstanceIndex],
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
            order: order.into(),
            places,
            members: Vec::new(),
            refined: 0,
        })
    }

    /// Other settings for the estimates to come.
    pub(crate) fn tune(&mut self, growing: &GrowingSettings) {
        Arc::make_mut(&mut self.posterior).tune(growing.tau, growing.sweeps);
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
            length: self.members[leader.position()].length,
            ancestors: self.ancestors(parents),
        });
        Field {
            order: Arc::clone(&self.order),
            rivals,
        }
    }

    /// Adds the next candidate with the outcomes of its row, failed ones included.
    pub(crate) fn add(
        &mut self,
        parents: &[CandidateIndex],
        known: &[RowScore],
        scores: Vec<InstanceScore>,
    ) {
        let index = CandidateIndex(self.members.len() as u32);
        let ancestors = self.ancestors(parents);
        let outcomes = scored(&self.places, known);
        let posterior = Arc::make_mut(&mut self.posterior);
        posterior.add(index, ancestors, outcomes);
        posterior.fit();
        let mut member = Member {
            estimate: Estimate::default(),
            length: 0,
            taken: vec![false; self.order.len()],
            taken_count: 0,
            scores: Vec::new(),
        };
        member.take(known.iter().map(|one| self.places[one.position]));
        member.append(known.len(), scores);
        self.members.push(member);
        self.read_estimates();
    }

    /// Adds the outcomes that a refinement bought.
    pub(crate) fn extend(
        &mut self,
        index: CandidateIndex,
        known: &[RowScore],
        scores: Vec<InstanceScore>,
    ) {
        let posterior = Arc::make_mut(&mut self.posterior);
        posterior.extend(index, scored(&self.places, known));
        posterior.fit();
        self.members[index.position()].append(known.len(), scores);
        self.read_estimates();
    }

    /// Takes a position of the pareto set out of all rows.
    pub(crate) fn exclude(&mut self, position: usize, instance: InstanceIndex) {
        let posterior = Arc::make_mut(&mut self.posterior);
        posterior.exclude(self.places[position]);
        posterior.fit();
        for member in &mut self.members {
            member.scores.retain(|score| score.instance != instance);
        }
        self.read_estimates();
    }

    /// The candidate has left the archive.
    pub(crate) fn freeze(&mut self, index: CandidateIndex) {
        Arc::make_mut(&mut self.posterior).freeze(index);
        let member = &mut self.members[index.position()];
        member.taken = Vec::new();
        member.scores = Vec::new();
    }

    /// The whole row of a member, with the outcomes that a refinement bought.
    pub(crate) fn longer_row(
        &self,
        index: CandidateIndex,
        further: &[InstanceScore],
    ) -> Option<ScoreRow> {
        let known = &self.members[index.position()].scores;
        ScoreRow::new(known.iter().chain(further).cloned().collect()).ok()
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
        self.members[index.position()].length
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
    /// may be the best. `None` if every row is whole.
    pub(crate) fn choose(
        &self,
        leader: CandidateIndex,
        iteration: u64,
        random: &mut dyn RandomSource,
    ) -> Option<CandidateIndex> {
        let mut words = random.stream(DrawPurpose::Refine, iteration);
        let is_short = |index: CandidateIndex| {
            let member = &self.members[index.position()];
            member.taken_count < self.order.len()
        };
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

    /// Takes up to `count` further positions of a row, in the order of the set.
    pub(crate) fn take(&mut self, index: CandidateIndex, count: usize) -> Vec<usize> {
        let member = &mut self.members[index.position()];
        let free = (0..member.taken.len()).filter(|place| !member.taken[*place]);
        let places: Vec<usize> = free.take(count).collect();
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

impl Member {
    fn take(&mut self, places: impl Iterator<Item = usize>) {
        for place in places {
            let was_taken = std::mem::replace(&mut self.taken[place], true);
            self.taken_count += usize::from(!was_taken);
        }
    }

    fn append(&mut self, positions: usize, scores: Vec<InstanceScore>) {
        self.length += positions;
        self.scores.extend(scores);
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
