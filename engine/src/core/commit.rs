//! Decisions that change the archive. The schedule fixes their order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, Insertion, Origin, ScoreRow};

use indexmap::IndexMap;

use super::generation::Turns;
use super::ledger::Reservation;
use super::proposal::{Comparison, Proposal, Unwanted, Verdict};
use super::row::Row;
use super::state::{Core, Part};
use super::work::Work;
use crate::config::{Duplicates, SearchRules};
use crate::event::{
    CandidateAccepted, CloseReason, Decision, GateDecided, ProposalClosed, SnapshotTag,
    SnapshotTaken,
};
use crate::record::token_estimate;

impl Core {
    /// The seed enters the archive. If the seed could not be scored, the run fails.
    pub(super) fn commit_seed_if_complete(&mut self) {
        if !matches!(&self.part, Part::Seeding(row) if row.is_complete()) {
            return;
        }
        let Part::Seeding(row) = std::mem::replace(&mut self.part, Part::Searching) else {
            return;
        };
        self.count_row(row.reserved, &row);
        if self.too_many_failed(&row) {
            self.give_up(self.failures.reason());
            return;
        }
        let scores = row.scores(self.instances.len());
        self.scale.learn(scores.into_iter().flatten());
        let seed = Arc::clone(self.config.seed());
        if self
            .accept(0, Origin::Seed, Vec::new(), seed, &row)
            .is_none()
        {
            self.give_up(self.failures.reason());
        }
    }

    /// Continues the seed's row when every rollout of its current order has an outcome.
    pub(super) fn go_on_with_seed(&mut self) {
        match std::mem::replace(&mut self.part, Part::Searching) {
            Part::Seeding(mut row) => {
                self.finish_trial(row.last());
                self.grow(&mut row, None);
                self.part = Part::Seeding(row);
            }
            part => self.part = part,
        }
    }

    /// Commits the gates of a generation: each child passes or ends.
    pub(super) fn commit_gates(&mut self, siblings: Range<u64>) {
        let mut passed = Vec::new();
        let mut turns = BTreeMap::new();
        for iteration in siblings {
            let Some(mut proposal) = self.open.remove(&iteration) else {
                continue;
            };
            Turns::note(&mut turns, &proposal);
            self.settle_gate(&mut proposal);
            match proposal.verdict.take() {
                Some(Verdict::Pass(comparison)) => {
                    self.journal_gate(&proposal, comparison, true);
                    match self.dropped_as_stale(&proposal) {
                        Some(detail) => self.turn_away_stale(proposal, detail),
                        None => passed.push((proposal, comparison)),
                    }
                }
                Some(Verdict::Close(reason, detail, comparison)) => {
                    self.journal_gate(&proposal, comparison, false);
                    if let (CloseReason::Gate, Some(gate)) = (reason, comparison) {
                        let most = self.config.settings().memory() as usize;
                        self.rejected.remember(&proposal, gate, most);
                    }
                    self.turn_away(proposal, reason, detail);
                }
                None => {}
            }
        }
        self.give_turns_back(&turns);
        for (rank, (mut proposal, comparison)) in self.keep_best(passed).into_iter().enumerate() {
            proposal.rank = rank;
            self.go_on_to_pareto(proposal, comparison);
        }
        self.stop_on_failures();
    }

    /// Commits the pareto scores of the kept children of a generation.
    pub(super) fn commit_pareto(&mut self, siblings: Range<u64>) {
        let mut kept: Vec<Proposal> = siblings
            .filter_map(|iteration| self.open.remove(&iteration))
            .collect();
        kept.sort_by_key(|proposal| proposal.rank);
        for proposal in kept {
            self.commit_child(proposal);
        }
        self.stop_on_failures();
    }

    fn settle_gate(&mut self, proposal: &mut Proposal) {
        self.take_over_purchases(proposal);
        let used = proposal.gate_usage();
        self.ledger
            .settle(std::mem::take(&mut proposal.reserved), used);
        if let Some(begun) = &proposal.row {
            proposal.reserved.rollouts = begun.reserved;
            self.ledger.reserve(proposal.reserved);
        }
        for trial in proposal.gate_trials() {
            self.failures.count(trial);
        }
        if let Some(trial) = &proposal.parent_trial {
            self.memory.remember(trial);
        }
        if let Some(trial) = &proposal.child_trial {
            self.memory.remember_undecided(trial);
            if !self.scale.leaves_failures_out() {
                self.memory.remember_tried(trial);
            }
        }
        self.count_fruitless(proposal, used.rollouts);
    }

    fn commit_child(&mut self, mut proposal: Proposal) {
        if let Some(member) = proposal.refines {
            self.commit_refinement(proposal, member);
            return;
        }
        let iteration = proposal.iteration;
        let reserved = std::mem::take(&mut proposal.reserved);
        let (Some(row), Some(child)) = (proposal.row.take(), proposal.child.take()) else {
            return;
        };
        self.count_row(reserved.rollouts, &row);
        let dropped = row.dropped().map(|detail| Unwanted {
            reason: CloseReason::Dropped,
            detail: detail.to_owned(),
            is_dropping: false,
        });
        if let Some(Unwanted { reason, detail, .. }) = proposal.unwanted.or(dropped) {
            if reason != CloseReason::Duplicate {
                row.trials()
                    .for_each(|trial| self.memory.remember_turned_away(trial));
            }
            self.close_with_waste(iteration, reason, detail, row.executed());
            return;
        }
        row.trials().for_each(|trial| self.memory.remember(trial));
        let parents = proposal.parents.clone();
        let accepted = if self.too_many_failed(&row) {
            None
        } else {
            self.accept(iteration, proposal.origin, parents, child, &row)
        };
        match accepted {
            Some(_) => {
                if let Some(trial) = &proposal.child_trial {
                    self.memory.remember(trial);
                }
                self.forget_the_childless();
                self.count_merge(proposal.origin);
            }
            None => self.close(iteration, CloseReason::TooManyFailures, String::new()),
        }
    }

    pub(super) fn close(&mut self, iteration: u64, reason: CloseReason, detail: String) {
        self.close_with_waste(iteration, reason, detail, 0);
    }

    /// Closes an iteration and records `wasted`, the pareto rollouts it executed without a result.
    pub(super) fn close_with_waste(
        &mut self,
        iteration: u64,
        reason: CloseReason,
        detail: String,
        wasted: u64,
    ) {
        self.since_best += 1;
        self.decide(Decision::ProposalClosed(ProposalClosed {
            iteration,
            reason,
            detail,
            wasted,
        }));
    }

    pub(super) fn snapshot(&mut self, tag: SnapshotTag, subject: CandidateIndex) {
        self.snapshots += 1;
        let best = match tag {
            SnapshotTag::Final => subject,
            _ => self.archive.best().unwrap_or(subject),
        };
        let ordinal = self.snapshots;
        let entry = self.archive.get(subject);
        let score = entry
            .map(|entry| entry.mean)
            .filter(|mean| mean.is_finite());
        let token_count = entry.map(|entry| {
            let sections = self.config.prompt().sections(&entry.candidate);
            token_estimate(&sections)
        });
        self.decide(Decision::SnapshotTaken(SnapshotTaken {
            ordinal,
            tag,
            best,
            subject,
            score,
            token_count,
        }));
    }

    fn go_on_to_pareto(&mut self, mut proposal: Proposal, gate: Option<Comparison>) {
        let iteration = proposal.iteration;
        let Some(child) = proposal.child.clone() else {
            return;
        };
        if let Some(detail) = self.twin_of(&child, proposal.generation) {
            self.turn_away(proposal, CloseReason::Duplicate, detail);
            return;
        }
        let priority = self.pareto_priority(&proposal, gate);
        if let Some(begun) = &mut proposal.row {
            let moved = begun.move_to(priority);
            self.work
                .extend(moved.map(|trial| Work::Move(trial, priority)));
            proposal.gate_committed = true;
            self.open.insert(iteration, proposal);
            return;
        }
        // Every later order of the row uses the same age, so timing does not change what it knows.
        let as_of = proposal.as_of.min(self.memory.age());
        let Some(mut row) = self.row_of(&proposal, as_of) else {
            return;
        };
        row.priority = priority;
        let gate_trial = proposal.child_trial.as_ref();
        if let Some(rung) = self.next_rung(&mut row, gate_trial) {
            row.reserved = self.reserved_for(&row, &rung);
            if !self.ledger.covers_rollouts(row.reserved) {
                let detail = "the rest of the budget is promised to earlier proposals".to_owned();
                self.close(iteration, CloseReason::Budget, detail);
                return;
            }
            proposal.reserved = Reservation {
                rollouts: row.reserved,
                reflections: 0,
            };
            self.ledger.reserve(proposal.reserved);
            self.order_rung(&mut row, rung);
            self.grow(&mut row, gate_trial);
        }
        proposal.row = Some(row);
        proposal.gate_committed = true;
        self.open.insert(iteration, proposal);
    }

    /// Names the candidate with the same content that is in the archive or about to enter it.
    pub(super) fn twin_of(&self, child: &Candidate, generation: u64) -> Option<String> {
        let content_id = child.content_id();
        let skips = self.config.settings().search.duplicates == Duplicates::Skip;
        if let Some(twin) = self.contents.get(&content_id).filter(|_| skips) {
            return Some(format!("it is candidate {twin}"));
        }
        let on_its_way = self
            .open
            .values()
            .filter(|proposal| proposal.is_on_its_way())
            .filter(|proposal| skips || proposal.generation == generation);
        on_its_way
            .filter(|proposal| {
                proposal
                    .child
                    .as_ref()
                    .is_some_and(|c| c.content_id() == content_id)
            })
            .map(|proposal| format!("iteration {} is evaluating it", proposal.iteration))
            .next()
    }

    fn accept(
        &mut self,
        iteration: u64,
        origin: Origin,
        parents: Vec<CandidateIndex>,
        candidate: Arc<Candidate>,
        scored: &Row,
    ) -> Option<Insertion> {
        let obtained = self.obtained_by(scored);
        let content_id = candidate.content_id();
        let row;
        let insertion = if self.growth.is_some() {
            row = ScoreRow::new(obtained.clone()).ok()?;
            let counted = self.counting(scored.counted(&self.scale));
            let shown = self.counting(scored.known_scores());
            let growth = self.growth.as_mut()?;
            growth.add(&parents, &counted, &shown, obtained);
            let ranked = growth.ranked();
            let archive = &mut self.archive;
            let insertion =
                archive.insert_ranked(candidate, parents.clone(), origin, &row, &ranked);
            let insertion = insertion.ok()?;
            insertion
                .evicted
                .iter()
                .for_each(|index| growth.freeze(*index));
            insertion
        } else {
            row = ScoreRow::new(obtained).ok()?;
            self.archive
                .insert(candidate, parents.clone(), origin, &row)
                .ok()?
        };
        let is_best = self.archive.best() == Some(insertion.index);
        for gone in &insertion.evicted {
            self.rejected.forget(*gone);
        }
        self.contents.entry(content_id).or_insert(insertion.index);
        let cursor = parents
            .iter()
            .map(|parent| self.cursors[parent.position()])
            .max();
        self.cursors.push(cursor.unwrap_or_default());
        self.since_best = if insertion.best_changed {
            0
        } else {
            self.since_best + 1
        };
        let growth = self.growth.as_ref();
        self.decide(Decision::CandidateAccepted(Box::new(CandidateAccepted {
            iteration,
            index: insertion.index,
            candidate: content_id,
            parents,
            origin,
            mean_score: row.mean(),
            scores: scored.scores(self.instances.len()),
            objectives: named_means(&row),
            front: self.archive.front().ids(),
            improvement: insertion.front_changed,
            length: growth.map(|_| scored.len() as u32),
            estimate: growth.map(|growth| growth.estimate(insertion.index)),
            leader: self.leader(),
            best: is_best,
            evicted: insertion.evicted.clone(),
            committed_rollouts: self.ledger.settled().rollouts,
        })));
        let tag = match (origin, is_best) {
            (Origin::Seed, _) => SnapshotTag::Seed,
            (_, true) => SnapshotTag::Best,
            _ => SnapshotTag::Improvement,
        };
        if insertion.front_changed || is_best {
            self.snapshot(tag, insertion.index);
        }
        // The scores of one candidate change the estimates of all.
        let other = self.archive.best().filter(|_| !is_best);
        if let Some(best) = other.filter(|_| insertion.best_changed) {
            self.snapshot(SnapshotTag::Best, best);
        }
        Some(insertion)
    }

    /// Drops cached outcomes of archive members that can no longer be selected as parents.
    fn forget_the_childless(&mut self) {
        if self.policies.any_may_be_parent {
            return;
        }
        let selector = &self.policies.parent.configured;
        let (archive, contents) = (&self.archive, &self.contents);
        self.memory.sweep(|content| {
            let member = contents.get(content);
            member.is_none_or(|member| selector.may_be_selected(archive, *member))
        });
    }

    fn count_fruitless(&mut self, proposal: &Proposal, executed: u64) {
        if proposal.asker.is_some() {
            return;
        }
        let fruitless = &mut self.fruitless;
        // The reference implementation goes on, and so did the versions before 0.2.
        let is_own = self.config.settings().search.rules == SearchRules::Own;
        if is_own
            && !self.scale.leaves_failures_out()
            && let Some(content) = proposal.content
        {
            // Another parent or another minibatch may lead to another text, so only one and the same text
            // counts.
            let child = proposal.child_trial.as_ref();
            let is_known = child.is_none_or(|trial| trial.executed() == 0);
            let is_same = fruitless.last_content == Some(content);
            fruitless.repeated = if is_known && is_same {
                fruitless.repeated + 1
            } else {
                0
            };
            fruitless.last_content = Some(content);
        }
        fruitless.idle = if executed == 0 { fruitless.idle + 1 } else { 0 };
        match &proposal.verdict {
            Some(Verdict::Close(CloseReason::Reflection, complaint, _)) => {
                fruitless.unreflected += 1;
                fruitless.last_complaint.clone_from(complaint);
            }
            // The reflection model was not called, so this says nothing about whether it answers.
            Some(Verdict::Close(CloseReason::Perfect | CloseReason::NoScores, ..)) => {}
            _ => fruitless.unreflected = 0,
        }
    }

    pub(super) fn journal_gate(
        &mut self,
        proposal: &Proposal,
        comparison: Option<Comparison>,
        passed: bool,
    ) {
        let (Some(comparison), Some(child)) = (comparison, &proposal.child) else {
            return;
        };
        self.decide(Decision::GateDecided(GateDecided {
            iteration: proposal.iteration,
            candidate: child.content_id(),
            passed,
            compared: comparison.compared,
            parent_sum: comparison.parent_sum,
            child_sum: comparison.child_sum,
            against: None,
        }));
    }

    /// Returns the unused part of a row's reservation and counts the row's failed rollouts.
    pub(super) fn count_row(&mut self, reserved: u64, row: &Row) {
        let rollouts = |rollouts| Reservation {
            rollouts,
            reflections: 0,
        };
        self.ledger
            .settle(rollouts(reserved), rollouts(row.executed()));
        row.trials().for_each(|trial| self.failures.count(trial));
    }

    fn too_many_failed(&self, row: &Row) -> bool {
        let scored = row.scores(self.instances.len()).iter().flatten().count();
        let failed = row.len() - scored;
        let allowed = self.config.settings().rollouts.max_failure_fraction;
        scored == 0 || failed as f64 > allowed * row.len() as f64
    }

    fn stop_on_failures(&mut self) {
        if let Some(reason) = self.failures.verdict() {
            self.give_up(reason);
        }
    }

    fn count_merge(&mut self, origin: Origin) {
        let most = u64::from(self.config.settings().merge.max_invocations);
        match origin {
            Origin::Reflection => {
                self.merge.after_acceptance = true;
                if self.merge.accepted < most {
                    self.merge.due += 1;
                }
            }
            Origin::Merge => {
                self.merge.due = self.merge.due.saturating_sub(1);
                self.merge.accepted += 1;
            }
            _ => {}
        }
    }
}

/// The means of the further objectives, by name.
pub(super) fn named_means(row: &ScoreRow) -> IndexMap<String, f64> {
    let means = row.objective_means().iter();
    means
        .map(|(name, mean)| (name.to_string(), *mean))
        .collect()
}
