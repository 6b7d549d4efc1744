//! What people do to the search. Each act is a fact, and it takes effect where that fact stands in
//! the journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, Extension, InstanceScore, Origin};

use super::proposal::{Proposal, Verdict};
use super::row::Row;
use super::state::{Core, Part};
use super::trial::Trial;
use crate::config::Duplicates;
use crate::event::{
    ArchiveRevised, CandidateVetoed, CloseReason, Decision, ExampleExcluded, HintGiven,
    RevisedMean, SnapshotTag,
};
use crate::policy::RowScore;

impl Core {
    pub(super) fn take_hint(&mut self, given: &HintGiven) {
        let text = given.text.trim();
        self.steered.hint = (!text.is_empty()).then(|| Arc::from(text));
    }

    /// A candidate leaves the archive for good. The seed stays, because every candidate is compared
    /// with it.
    pub(super) fn veto(&mut self, vetoed: &CandidateVetoed) {
        let candidate = vetoed.candidate;
        if candidate == CandidateIndex(0) {
            return;
        }
        let Ok(extension) = self.archive.withdraw(candidate) else {
            return;
        };
        if let Some(growth) = &mut self.growth {
            growth.freeze(candidate);
        }
        self.rejected.forget(candidate);
        self.steered.replaces_vetoed |= vetoed.replaced;
        self.say_how_the_archive_stands(vec![candidate], Vec::new(), extension);
    }

    /// An example counts no longer: not in minibatches, fronts or means.
    pub(super) fn exclude(&mut self, excluded: &ExampleExcluded) {
        let example = &excluded.example;
        if !self.steered.excluded.insert(example.clone()) {
            return;
        }
        let mut pareto = self.config.sets().pareto.iter();
        let Some(position) = pareto.position(|one| one == example) else {
            return;
        };
        if self.archive.is_empty() {
            return;
        }
        let before = self.means();
        let estimates = match &mut self.growth {
            Some(growth) => {
                growth.exclude(position, self.instances[position]);
                growth.ranked()
            }
            None => Vec::new(),
        };
        let extension = self.archive.exclude(self.instances[position], &estimates);
        let means = self.means().into_iter().zip(before);
        let changed = means.filter(|(after, before)| after != before);
        let changed = changed.map(|(after, _)| after).collect();
        self.say_how_the_archive_stands(Vec::new(), changed, extension);
    }

    /// A run that goes on after its end says how the archive changed in between.
    pub(super) fn say_what_changed_after_the_end(&mut self) {
        if std::mem::take(&mut self.steered.is_revised) {
            let means = self.means();
            let unchanged = Extension::default();
            self.say_how_the_archive_stands(Vec::new(), means, unchanged);
        }
    }

    /// Begins the iteration of a candidate from outside, if one waits.
    pub(super) fn issue_injected(&mut self, iteration: u64) -> bool {
        let Some(injected) = self.steered.injected.pop_front() else {
            return false;
        };
        let candidate = Arc::new(*injected.candidate);
        let mut proposal = self.proposal(iteration, Origin::Injected);
        if injected.gated {
            self.gate_injected(proposal, candidate, injected.parent);
            return true;
        }
        self.announce(&proposal, Vec::new());
        self.propose(&mut proposal, candidate);
        proposal.verdict = Some(Verdict::Pass(None));
        self.open.insert(iteration, proposal);
        true
    }

    /// Tries a candidate from outside on the examples on which its parent counts.
    pub(super) fn try_injected(&mut self, proposal: &mut Proposal, child: Arc<Candidate>) {
        let Some(parent_trial) = &proposal.parent_trial else {
            return;
        };
        let skips = self.config.settings().search.duplicates == Duplicates::Skip;
        if let Some(twin) = self.contents.get(&child.content_id()).filter(|_| skips) {
            let detail = format!("it is candidate {twin}");
            proposal.verdict = Some(Verdict::Close(CloseReason::Duplicate, detail, None));
            return;
        }
        let examples = self.counted_examples(parent_trial);
        if examples.is_empty() {
            let detail = "no rollout of the parent could be scored".to_owned();
            proposal.verdict = Some(Verdict::Close(CloseReason::NothingToCompare, detail, None));
            return;
        }
        self.run_at_gate(proposal, child, examples);
    }

    /// Puts a counting example in the place of each one that was excluded.
    pub(super) fn replace_excluded(&self, positions: Vec<usize>) -> Vec<usize> {
        if self.steered.counts_all() {
            return positions;
        }
        let train = &self.config.sets().train;
        let counts = |at: &usize| !self.steered.is_excluded(&train[*at]);
        let mut chosen: Vec<usize> = positions.iter().copied().filter(counts).collect();
        for at in positions.into_iter().filter(|at| !counts(at)) {
            let others = (1..train.len()).map(|step| (at + step) % train.len());
            let mut others = others.filter(counts);
            let fresh = others.clone().find(|other| !chosen.contains(other));
            chosen.extend(fresh.or_else(|| others.next()));
        }
        chosen
    }

    /// Leaves examples out of a comparison that count no longer.
    pub(super) fn without_excluded(&self, child: &Trial, opposing: &mut [[Option<f64>; 2]]) {
        for (scores, example) in opposing.iter_mut().zip(&child.examples) {
            if self.steered.is_excluded(example) {
                *scores = [None; 2];
            }
        }
    }

    /// The scores of a row that count.
    pub(super) fn obtained_by(&self, row: &Row) -> Vec<InstanceScore> {
        let mut obtained = row.obtained(&self.instances, &self.scale);
        if !self.steered.counts_all() {
            let pareto = &self.config.sets().pareto;
            let excluded = pareto.iter().zip(&self.instances);
            let excluded = excluded.filter(|(example, _)| self.steered.is_excluded(example));
            let excluded: BTreeSet<_> = excluded.map(|(_, instance)| *instance).collect();
            obtained.retain(|score| !excluded.contains(&score.instance));
        }
        obtained
    }

    /// The places of a row that count.
    pub(super) fn counting(&self, mut places: Vec<RowScore>) -> Vec<RowScore> {
        places.retain(|place| !self.is_excluded_at(place.position));
        places
    }

    /// Whether the pareto example at a position was excluded.
    pub(super) fn is_excluded_at(&self, position: usize) -> bool {
        let example = self.config.sets().pareto.get(position);
        example.is_some_and(|example| self.steered.is_excluded(example))
    }

    fn gate_injected(
        &mut self,
        mut proposal: Proposal,
        child: Arc<Candidate>,
        parent: Option<CandidateIndex>,
    ) {
        let is_live = |index: &CandidateIndex| {
            let entry = self.archive.get(*index);
            entry.is_some_and(|entry| !entry.evicted)
        };
        let parent = parent.filter(is_live).or_else(|| self.archive.best());
        let parent = parent.unwrap_or_default();
        let batch = self.minibatch(proposal.iteration, 0, parent);
        proposal.injected = Some(child);
        let siblings = proposal.siblings.clone();
        self.open_with_parent(proposal, parent, batch, 0);
        self.judge_parents(siblings);
    }

    fn say_how_the_archive_stands(
        &mut self,
        withdrawn: Vec<CandidateIndex>,
        means: Vec<RevisedMean>,
        extension: Extension,
    ) {
        if matches!(self.part, Part::Finished) {
            self.steered.is_revised = true;
            return;
        }
        let best = self.archive.best().or_else(|| self.seed_if_alone());
        let score = best.and_then(|best| self.archive.get(best));
        self.decide(Decision::ArchiveRevised(Box::new(ArchiveRevised {
            withdrawn,
            means,
            front: self.archive.front().ids(),
            best,
            best_score: score
                .map(|entry| entry.mean)
                .filter(|mean| mean.is_finite()),
        })));
        if let Some(best) = best.filter(|_| extension.best_changed) {
            self.snapshot(SnapshotTag::Best, best);
        }
    }

    fn means(&self) -> Vec<RevisedMean> {
        let live = self.archive.live().iter();
        live.filter_map(|candidate| {
            let mean = self.archive.get(*candidate)?.mean;
            Some(RevisedMean {
                candidate: *candidate,
                mean_score: mean.is_finite().then_some(mean),
            })
        })
        .collect()
    }
}
