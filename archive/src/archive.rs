//! The archive: every candidate of a run, its scores, and the fronts over them.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::fronts::{Entered, FrontTable, Shift, Survivor, SurvivorList};
use crate::keys::KeyLayout;
use crate::ranking::Ranking;
use crate::{
    ArchiveError, Candidate, CandidateIndex, FrontKey, Frontier, InstanceIndex, Origin, ScoreRow,
};

/// The settings of an archive.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ArchiveSettings {
    /// The keys over which the fronts are kept.
    pub frontier: Frontier,
    /// The most candidates that stay live; 0 acts as 1. `None`: no limit.
    pub max_size: Option<usize>,
    /// Candidates whose mean is below this are recorded but enter no front; the seed always
    /// enters. `None` admits all.
    pub min_score: Option<f64>,
    /// Whether rows may be extended and candidates ranked by estimates after their insertion. The
    /// archive then keeps the values it needs to rebuild its fronts.
    pub revisable: bool,
}

/// One candidate in the archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The candidate.
    pub candidate: Arc<Candidate>,
    /// The candidates it was made from; empty for the seed.
    pub parents: Vec<CandidateIndex>,
    /// How it was made.
    pub origin: Origin,
    /// Mean score over the instances on which it was scored; negative infinity if there are none.
    pub mean: f64,
    /// What the candidate is ranked by: its mean, unless the archive was given an estimate.
    pub estimate: f64,
    /// Number of instances it was scored on.
    pub scored: u32,
    /// Mean of each objective over the instances that carry it.
    pub objective_means: IndexMap<Arc<str>, f64>,
    /// Whether only its lineage is kept: it has no scores, is in no front, and cannot become a
    /// parent.
    pub evicted: bool,
}

/// The effects of an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Insertion {
    /// The new candidate.
    pub index: CandidateIndex,
    /// Whether the set of survivors differs from the one before.
    pub front_changed: bool,
    /// Whether [`Archive::best`] differs from the one before.
    pub best_changed: bool,
    /// Number of fronts the candidate entered, before any eviction.
    pub joined: usize,
    /// Number of those fronts that it won strictly, new fronts included.
    pub won: usize,
    /// Candidates that survived before and do not now, ascending.
    pub displaced: Vec<CandidateIndex>,
    /// Candidates that left the live archive, the new one included if it was not admitted.
    pub evicted: Vec<CandidateIndex>,
}

/// The survivors, each with the number of fronts that contain it.
#[derive(Clone, Copy, Debug)]
pub struct Front<'a>(&'a SurvivorList);

/// One front of a report.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FrontListing {
    /// The key over which it is kept.
    pub key: FrontKey,
    /// The value its members share.
    pub value: f64,
    /// Its members ascending, redundant ones included.
    pub members: Vec<CandidateIndex>,
}

/// All candidates of a run with their score rows and the fronts over them.
///
/// The best, the top, the front and the weights for selection are computed by each insertion and
/// only read between insertions. The cost of an insertion does not depend on the number of
/// candidates.
#[derive(Clone, Debug)]
pub struct Archive {
    pub(crate) settings: ArchiveSettings,
    pub(crate) entries: Vec<Entry>,
    pub(crate) layout: KeyLayout,
    /// Scores by instance slot; `None` once evicted.
    pub(crate) rows: Vec<Option<Arc<[f64]>>>,
    /// Values by front slot, for when a candidate or an instance is taken out.
    pub(crate) values: Vec<Option<Arc<[f64]>>>,
    pub(crate) fronts: FrontTable,
    pub(crate) ranking: Ranking,
    /// The live candidates ascending.
    pub(crate) live: Vec<CandidateIndex>,
}

impl Archive {
    /// An empty archive.
    pub fn new(settings: ArchiveSettings) -> Self {
        Self {
            layout: KeyLayout::new(settings.frontier),
            settings,
            entries: Vec::new(),
            rows: Vec::new(),
            values: Vec::new(),
            fronts: FrontTable::default(),
            ranking: Ranking::default(),
            live: Vec::new(),
        }
    }

    /// Adds a candidate with its scores and updates the fronts.
    ///
    /// Parents must be in the archive, evicted or not. On an error the archive is unchanged.
    pub fn insert(
        &mut self,
        candidate: Arc<Candidate>,
        parents: Vec<CandidateIndex>,
        origin: Origin,
        row: &ScoreRow,
    ) -> Result<Insertion, ArchiveError> {
        let (index, admitted) = self.append(candidate, parents, origin, row)?;
        if admitted {
            Ok(self.admit(index, row))
        } else {
            Ok(self.record(index, row.mean()))
        }
    }

    /// Appends the entry of a candidate, and says whether its mean lets it into the fronts.
    pub(crate) fn append(
        &mut self,
        candidate: Arc<Candidate>,
        parents: Vec<CandidateIndex>,
        origin: Origin,
        row: &ScoreRow,
    ) -> Result<(CandidateIndex, bool), ArchiveError> {
        if let Some(&parent) = parents.iter().find(|parent| self.get(**parent).is_none()) {
            return Err(ArchiveError::UnknownParent(parent));
        }
        let index = CandidateIndex(self.entries.len() as u32);
        let admitted = self.entries.is_empty() || !self.is_below_minimum(row.mean());
        self.entries.push(Entry {
            candidate,
            parents,
            origin,
            mean: row.mean(),
            estimate: row.mean(),
            scored: row.scored() as u32,
            objective_means: row.objective_means().clone(),
            evicted: !admitted,
        });
        Ok((index, admitted))
    }

    /// Number of candidates ever inserted, evicted ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was ever inserted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One candidate, live or evicted.
    pub fn get(&self, index: CandidateIndex) -> Option<&Entry> {
        self.entries.get(index.position())
    }

    /// All candidates in insertion order, evicted ones included.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (CandidateIndex, &Entry)> + '_ {
        self.entries
            .iter()
            .enumerate()
            .map(|(position, entry)| (CandidateIndex(position as u32), entry))
    }

    /// The candidates that are not evicted, ascending.
    pub fn live(&self) -> &[CandidateIndex] {
        &self.live
    }

    /// The score of a live candidate on an instance; `None` if it was not scored there.
    pub fn score(&self, candidate: CandidateIndex, instance: InstanceIndex) -> Option<f64> {
        let slot = self.layout.instance_slot(instance)?;
        let score = *self.row(candidate)?.get(slot)?;
        (!score.is_nan()).then_some(score)
    }

    /// The live candidate with the greatest estimate; the lowest index among equal estimates.
    pub fn best(&self) -> Option<CandidateIndex> {
        self.ranking.descending().next()
    }

    /// The `k` live candidates with the greatest estimates, best first, ties by lower index.
    pub fn top(&self, k: usize) -> Vec<CandidateIndex> {
        self.ranking.descending().take(k).collect()
    }

    /// The survivors of the fronts.
    pub fn front(&self) -> Front<'_> {
        Front(self.fronts.survivors())
    }

    /// Whether a candidate survives, see [`Archive::front`].
    pub fn survives(&self, candidate: CandidateIndex) -> bool {
        self.get(candidate).is_some() && self.fronts.survives(candidate.0)
    }

    /// Every front that has members, in key order, redundant members included.
    ///
    /// Visits all memberships, so it is meant for reports and digests.
    pub fn fronts(&self) -> Vec<FrontListing> {
        self.fronts
            .listing()
            .into_iter()
            .map(|(slot, value, members)| FrontListing {
                key: self.layout.key(slot),
                value,
                members: members.into_iter().map(CandidateIndex).collect(),
            })
            .collect()
    }

    /// Bytes held for scores, fronts, rankings and records. The texts and names of candidates are
    /// not counted, since they are shared.
    pub fn memory_bytes(&self) -> usize {
        // A shared row carries two reference counts.
        let row_bytes = |row: &Arc<[f64]>| size_of_val(&**row) + 2 * size_of::<usize>();
        let rows: usize = self.rows.iter().flatten().map(row_bytes).sum();
        let values: usize = match self.settings.frontier {
            Frontier::Instance => 0,
            _ => self.values.iter().flatten().map(row_bytes).sum(),
        };
        let lineage: usize = self.entries.iter().map(entry_heap_bytes).sum();
        rows + values
            + lineage
            + self.entries.capacity() * size_of::<Entry>()
            + (self.rows.capacity() + self.values.capacity()) * size_of::<Option<Arc<[f64]>>>()
            + self.live.capacity() * size_of::<CandidateIndex>()
            + self.layout.memory_bytes()
            + self.fronts.memory_bytes()
            + self.ranking.memory_bytes()
    }

    /// The entry of a candidate that is in this archive.
    pub(crate) fn entry(&self, index: CandidateIndex) -> &Entry {
        &self.entries[index.position()]
    }

    /// Scores by instance slot. A missing score is NaN or beyond the end.
    pub(crate) fn row(&self, candidate: CandidateIndex) -> Option<&[f64]> {
        self.rows.get(candidate.position())?.as_deref()
    }

    /// The instances by slot.
    pub(crate) fn instances(&self) -> &[u32] {
        self.layout.instances()
    }

    pub(crate) fn drop_scores(&mut self, candidate: CandidateIndex) {
        self.rows[candidate.position()] = None;
        if let Some(values) = self.values.get_mut(candidate.position()) {
            *values = None;
        }
        self.entries[candidate.position()].evicted = true;
    }

    /// Whether candidates may leave the fronts, or be ranked anew, in the ordinary course of a run.
    pub(crate) fn is_revised(&self) -> bool {
        self.settings.revisable || self.settings.max_size.is_some()
    }

    pub(crate) fn is_below_minimum(&self, mean: f64) -> bool {
        self.settings
            .min_score
            .is_some_and(|minimum| mean < minimum)
    }

    /// Records a candidate below the minimum score, for its lineage only.
    fn record(&mut self, index: CandidateIndex, mean: f64) -> Insertion {
        self.rows.push(None);
        self.values.push(None);
        self.fronts.add_outsider(mean);
        Insertion {
            index,
            front_changed: false,
            best_changed: false,
            joined: 0,
            won: 0,
            displaced: Vec::new(),
            evicted: vec![index],
        }
    }

    fn admit(&mut self, index: CandidateIndex, row: &ScoreRow) -> Insertion {
        let best_before = self.best();
        let placed = self.layout.place(row);
        let layout = &self.layout;
        self.fronts
            .grow(layout.front_count(), |slot| layout.is_late(slot));
        let Entered { joined, won } = self.fronts.add(row.mean(), &placed.values);
        self.rows.push(Some(placed.scores));
        self.values.push(Some(placed.values));
        self.ranking.insert(row.mean(), index);
        self.live.push(index);
        let survivors_before = self.is_over_full().then(|| self.fronts.survivors().ids());
        let Shift {
            mut displaced,
            any_new,
        } = self.fronts.settle();
        let mut front_changed = any_new || !displaced.is_empty();
        let evicted = self.evict_surplus(index);
        if let Some(before) = survivors_before {
            front_changed = before != self.fronts.survivors().ids();
            displaced = before;
            displaced.retain(|&candidate| !self.survives(candidate));
        }
        let best_changed = self.best() != best_before;
        Insertion {
            index,
            front_changed,
            best_changed,
            joined,
            won,
            displaced,
            evicted,
        }
    }
}

impl<'a> Front<'a> {
    /// The survivors in order of first appearance: by the first front they are in, then by index.
    pub fn survivors(self) -> &'a [Survivor] {
        self.0.as_slice()
    }

    /// The survivors ascending.
    pub fn ids(self) -> Vec<CandidateIndex> {
        self.0.ids()
    }

    /// Number of survivors.
    pub fn len(self) -> usize {
        self.0.as_slice().len()
    }

    /// Whether there are no fronts at all.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The sum of the weights.
    pub fn total_weight(self) -> usize {
        self.0.total_weight()
    }
}

fn entry_heap_bytes(entry: &Entry) -> usize {
    let objective = size_of::<(Arc<str>, f64)>() + 2 * size_of::<usize>();
    entry.parents.capacity() * size_of::<CandidateIndex>()
        + entry.objective_means.capacity() * objective
}
