//! The decisions that change the archive, in the order the schedule fixes.

use std::sync::Arc;

use gepa_archive::{
    Candidate, CandidateIndex, Insertion, InstanceIndex, InstanceScore, Origin, ScoreRow,
};
use gepa_evaluation::Stage;

use super::ledger::Reservation;
use super::proposal::{Comparison, PARETO_TRIAL, Proposal, Verdict};
use super::trial::Trial;
use super::{Core, Part};
use crate::config::ComponentSelection;
use crate::event::{
    CandidateAccepted, CloseReason, EventBody, GateDecided, ProposalClosed, SnapshotTag,
    SnapshotTaken,
};
use crate::ids::TrialKey;

impl Core {
    /// The seed enters the archive, or the run fails where it could not be scored.
    pub(super) fn commit_seed_if_complete(&mut self) {
        if !matches!(&self.part, Part::Seeding(trial) if trial.is_complete()) {
            return;
        }
        let Part::Seeding(trial) = std::mem::replace(&mut self.part, Part::Searching) else {
            return;
        };
        self.decide(trial.finished());
        self.count_trial(&trial);
        if self.too_many_failed(&trial) {
            self.give_up(self.failures.reason());
            return;
        }
        let seed = Arc::clone(self.config.seed());
        if self
            .accept(0, Origin::Seed, Vec::new(), seed, &trial)
            .is_none()
        {
            self.give_up(self.failures.reason());
        }
    }

    /// Commits what the gate said.
    pub(super) fn commit_gate(&mut self, iteration: u64) {
        let Some(mut proposal) = self.open.remove(&iteration) else {
            return;
        };
        let used = proposal.gate_usage();
        self.ledger
            .settle(std::mem::take(&mut proposal.reserved), used);
        for trial in [&proposal.parent_trial, &proposal.child_trial]
            .into_iter()
            .flatten()
        {
            self.failures.count(trial);
        }
        self.remember_parent(&proposal);
        self.count_fruitless(&proposal, used.rollouts);
        match proposal.verdict.take() {
            Some(Verdict::Pass(comparison)) => {
                self.journal_gate(&proposal, comparison, true);
                self.go_on_to_pareto(proposal);
            }
            Some(Verdict::Close(reason, detail, comparison)) => {
                self.journal_gate(&proposal, comparison, false);
                if matches!(reason, CloseReason::Perfect | CloseReason::NoScores) {
                    self.give_turn_back(&proposal);
                }
                self.close(iteration, reason, detail);
            }
            None => {}
        }
        self.stop_on_failures();
    }

    /// Commits the pareto scores of a child that passed its gate.
    pub(super) fn commit_pareto(&mut self, iteration: u64) {
        let Some(mut proposal) = self.open.remove(&iteration) else {
            return;
        };
        let reserved = std::mem::take(&mut proposal.reserved);
        let (Some(trial), Some(child)) = (proposal.pareto_trial.take(), proposal.child.take())
        else {
            return;
        };
        self.ledger.settle(
            reserved,
            Reservation {
                rollouts: trial.executed(),
                reflections: 0,
            },
        );
        self.failures.count(&trial);
        let parents = proposal.parents.clone();
        let accepted = if self.too_many_failed(&trial) {
            None
        } else {
            self.accept(iteration, proposal.origin, parents, child, &trial)
        };
        match accepted {
            Some(insertion) => {
                self.remember_child(insertion.index, proposal.child_trial.as_ref());
                self.count_merge(proposal.origin);
            }
            None => self.close(iteration, CloseReason::TooManyFailures, String::new()),
        }
        self.stop_on_failures();
    }

    pub(super) fn close(&mut self, iteration: u64, reason: CloseReason, detail: String) {
        self.since_best += 1;
        self.decide(EventBody::ProposalClosed(ProposalClosed {
            iteration,
            reason,
            detail,
        }));
    }

    pub(super) fn snapshot(&mut self, tag: SnapshotTag, subject: CandidateIndex) {
        self.snapshots += 1;
        let best = self.archive.best().unwrap_or(subject);
        let ordinal = self.snapshots;
        self.decide(EventBody::SnapshotTaken(SnapshotTaken {
            ordinal,
            tag,
            best,
            subject,
        }));
    }

    fn go_on_to_pareto(&mut self, mut proposal: Proposal) {
        let iteration = proposal.iteration;
        let Some(child) = proposal.child.clone() else {
            return;
        };
        if let Some(detail) = self.twin_of(&child) {
            self.close(iteration, CloseReason::Duplicate, detail);
            return;
        }
        let key = TrialKey {
            iteration,
            index: PARETO_TRIAL,
        };
        let pareto = self.config.sets().pareto.clone();
        let trial = Trial::new(key, Stage::Pareto, child, pareto, |example| {
            let gate_trial = proposal.child_trial.as_ref().filter(|_| self.reuse)?;
            let mut bought = gate_trial.bought();
            bought
                .find(|(known, outcome)| *known == example && outcome.scored().is_some())
                .map(|(_, outcome)| Arc::clone(outcome))
        });
        if !self.ledger.covers_rollouts(trial.open()) {
            let detail = "the rest of the budget is promised to earlier proposals".to_owned();
            self.close(iteration, CloseReason::Budget, detail);
            return;
        }
        proposal.reserved = Reservation {
            rollouts: trial.open(),
            reflections: 0,
        };
        self.ledger.reserve(proposal.reserved);
        self.order_trial(&trial);
        if trial.is_complete() {
            self.decide(trial.finished());
        }
        proposal.pareto_trial = Some(trial);
        proposal.gate_committed = true;
        self.open.insert(iteration, proposal);
    }

    /// The same candidate in the archive, or on its way there.
    fn twin_of(&self, child: &Candidate) -> Option<String> {
        let content_id = child.content_id();
        if let Some(twin) = self.contents.get(&content_id) {
            return Some(format!("it is candidate {twin}"));
        }
        let on_its_way = self
            .open
            .values()
            .filter(|proposal| proposal.gate_committed);
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
        trial: &Trial,
    ) -> Option<Insertion> {
        let row = ScoreRow::new(instance_scores(trial)).ok()?;
        let content_id = candidate.content_id();
        let insertion = self
            .archive
            .insert(candidate, parents.clone(), origin, &row)
            .ok()?;
        self.contents.insert(content_id, insertion.index);
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
        let objectives = row.objective_means();
        self.decide(EventBody::CandidateAccepted(Box::new(CandidateAccepted {
            iteration,
            index: insertion.index,
            candidate: content_id,
            parents,
            origin,
            mean_score: row.mean(),
            scores: trial.scores(),
            objectives: objectives
                .iter()
                .map(|(name, mean)| (name.to_string(), *mean))
                .collect(),
            front: self.archive.front().ids(),
            improvement: insertion.front_changed,
            best: insertion.best_changed,
            evicted: insertion.evicted.clone(),
            committed_rollouts: self.ledger.settled().rollouts,
        })));
        let tag = match (origin, insertion.best_changed) {
            (Origin::Seed, _) => SnapshotTag::Seed,
            (_, true) => SnapshotTag::Best,
            _ => SnapshotTag::Improvement,
        };
        if insertion.front_changed || insertion.best_changed {
            self.snapshot(tag, insertion.index);
        }
        Some(insertion)
    }

    fn count_fruitless(&mut self, proposal: &Proposal, executed: u64) {
        let fruitless = &mut self.fruitless;
        fruitless.idle = if executed == 0 { fruitless.idle + 1 } else { 0 };
        match &proposal.verdict {
            Some(Verdict::Close(CloseReason::Reflection, complaint, _)) => {
                fruitless.unreflected += 1;
                fruitless.last_complaint.clone_from(complaint);
            }
            // Nobody was asked, so nothing is known about who answers.
            Some(Verdict::Close(CloseReason::Perfect | CloseReason::NoScores, ..)) => {}
            _ => fruitless.unreflected = 0,
        }
    }

    fn journal_gate(&mut self, proposal: &Proposal, comparison: Option<Comparison>, passed: bool) {
        let (Some(comparison), Some(child)) = (comparison, &proposal.child) else {
            return;
        };
        self.decide(EventBody::GateDecided(GateDecided {
            iteration: proposal.iteration,
            candidate: child.content_id(),
            passed,
            compared: comparison.compared,
            parent_sum: comparison.parent_sum,
            child_sum: comparison.child_sum,
        }));
    }

    /// The seed's trial is reserved and settled like any other.
    fn count_trial(&mut self, trial: &Trial) {
        let executed = Reservation {
            rollouts: trial.executed(),
            reflections: 0,
        };
        self.ledger.settle(executed, executed);
        self.failures.count(trial);
    }

    fn too_many_failed(&self, trial: &Trial) -> bool {
        let scored = trial.scores().iter().flatten().count();
        let failed = trial.examples.len() - scored;
        let allowed = self.config.settings().rollouts.max_failure_fraction;
        scored == 0 || failed as f64 > allowed * trial.examples.len() as f64
    }

    fn stop_on_failures(&mut self) {
        if let Some(reason) = self.failures.verdict() {
            self.give_up(reason);
        }
    }

    /// A skipped iteration does not use up its parent's turn (reference algorithm 1.9).
    fn give_turn_back(&mut self, proposal: &Proposal) {
        let round_robin =
            self.config.settings().search.components == ComponentSelection::RoundRobin;
        let (true, Some(parent)) = (round_robin, proposal.parents.first()) else {
            return;
        };
        let components = self.config.seed().components();
        let taken = proposal
            .rewrites
            .first()
            .and_then(|r| components.get_index_of(&*r.component));
        let cursor = &mut self.cursors[parent.position()];
        if let Some(taken) = taken
            && *cursor == (taken + 1) % components.len()
        {
            *cursor = taken;
        }
    }

    fn remember_parent(&mut self, proposal: &Proposal) {
        if let (Some(parent), Some(trial)) = (proposal.parents.first(), &proposal.parent_trial) {
            self.remember(*parent, trial);
        }
    }

    fn remember_child(&mut self, index: CandidateIndex, trial: Option<&Trial>) {
        if let Some(trial) = trial.filter(|trial| trial.stage == Stage::MinibatchChild) {
            self.remember(index, trial);
        }
    }

    fn remember(&mut self, candidate: CandidateIndex, trial: &Trial) {
        if !self.reuse {
            return;
        }
        for (example, outcome) in trial
            .bought()
            .filter(|(_, outcome)| outcome.scored().is_some())
        {
            self.known
                .insert((candidate, example.clone()), Arc::clone(outcome));
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

fn instance_scores(trial: &Trial) -> Vec<InstanceScore> {
    (0..trial.examples.len())
        .filter_map(|position| {
            let scored = trial.scored(position)?;
            Some(InstanceScore {
                instance: InstanceIndex(position as u32),
                score: scored.score,
                objectives: scored.objectives.clone(),
            })
        })
        .collect()
}
