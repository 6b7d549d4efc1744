//! Runs rows of pareto scores step by step: which examples come next, and what is reserved for them.

use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex};
use gepa_evaluation::{ExampleId, Stage};

use super::priority::Priority;
use super::proposal::Proposal;
use super::row::{Row, RowEnd, Rung};
use super::state::Core;
use super::trial::Trial;
use crate::event::{Decision, PolicyPoint, RungDecided};
use crate::policy::{ParetoEvaluation, Question, RowQuestion, RowScore, RowStep, Seat};

impl Core {
    /// Creates the row of a proposal's child, with the outcomes known at the age `as_of`. It orders
    /// nothing yet.
    pub(super) fn row_of(&mut self, proposal: &Proposal, as_of: u64) -> Option<Row> {
        let child = proposal.child.clone()?;
        Some(self.new_row(
            proposal.iteration,
            Stage::Pareto,
            child,
            &proposal.parents,
            as_of,
        ))
    }

    pub(super) fn seed_row(&mut self) -> Row {
        let seed = Arc::clone(self.config.seed());
        self.new_row(0, Stage::Seed, seed, &[], 0)
    }

    /// The rollouts to reserve for a row: those of its first order, plus those its plan may request
    /// later, up to what the budget has left.
    pub(super) fn reserved_for(&self, row: &Row, first: &Rung) -> u64 {
        let pareto = self.instances.len();
        let most = self.policies.evaluation.configured.most(pareto).min(pareto);
        let most = most.min(row.plan.configured.most());
        let further = most.saturating_sub(row.len() + first.positions.len()) as u64;
        let open = first.trial.open();
        open + further.min(self.ledger.rollouts_left().saturating_sub(open))
    }

    /// Asks the plan of an idle row for its next order. Returns `None` if the row ends here.
    pub(super) fn next_rung(&mut self, row: &mut Row, gate: Option<&Trial>) -> Option<Rung> {
        let known = row.counted(&self.scale);
        let name = Question {
            iteration: row.iteration,
            point: PolicyPoint::Row,
            number: row.rungs.len() as u32,
        };
        let answers = &mut self.policies.answers;
        let asked = answers.ask(name, &mut row.plan, |plan| plan.next(&known));
        let verdict = row.plan.configured.verdict();
        if let Some(verdict) = verdict.filter(|_| !asked.is_foreign) {
            self.decide(Decision::RungDecided(RungDecided {
                iteration: row.iteration,
                rung: name.number.saturating_sub(1),
                length: known.len() as u32,
                estimate: verdict.child,
                against: verdict.against,
                probability: verdict.probability,
                goes_on: verdict.goes_on,
            }));
        }
        let mut step = asked.answer;
        if let RowStep::Run(positions) = &mut step {
            self.keep_new(&known, positions);
        }
        let positions = match step {
            RowStep::Run(positions) if !positions.is_empty() => positions,
            // A run needs at least one score of the seed.
            _ if row.stage == Stage::Seed && known.is_empty() => vec![0],
            RowStep::Run(_) | RowStep::Enter => {
                row.end = Some(RowEnd::Enter);
                return None;
            }
            RowStep::Drop(detail) => {
                row.end = Some(RowEnd::Drop(detail));
                return None;
            }
        };
        let pareto = &self.config.sets().pareto;
        let examples: Vec<ExampleId> = positions.iter().map(|at| pareto[*at].clone()).collect();
        let content = row.candidate.content_id();
        let candidate = Arc::clone(&row.candidate);
        let (stage, as_of) = (row.stage, row.as_of);
        let known = self.memory.of_child(content, gate, as_of);
        let is_child = stage == Stage::Pareto;
        let trial = Trial::new(row.next_key(), stage, candidate, examples, |example| {
            is_child.then(|| known(example)).flatten().into()
        });
        Some(Rung { trial, positions })
    }

    /// Gives an order of the row.
    pub(super) fn order_rung(&mut self, row: &mut Row, mut rung: Rung) {
        rung.trial.priority = row.priority;
        rung.trial.rung = self.growth.is_some().then_some(row.rungs.len() as u32);
        self.order_trial(&rung.trial);
        if rung.trial.is_complete() {
            self.finish_trial(Some(&rung.trial));
        }
        row.rungs.push(rung);
    }

    /// Continues a row until a rollout is open or the row ends.
    pub(super) fn grow(&mut self, row: &mut Row, gate: Option<&Trial>) {
        while row.end.is_none() && row.is_idle() {
            let Some(rung) = self.next_rung(row, gate) else {
                return;
            };
            if row.executed() + rung.trial.open() > row.reserved {
                row.end = Some(RowEnd::Enter);
                return;
            }
            self.order_rung(row, rung);
        }
    }

    fn new_row(
        &mut self,
        iteration: u64,
        stage: Stage,
        candidate: Arc<Candidate>,
        parents: &[CandidateIndex],
        as_of: u64,
    ) -> Row {
        let leader = self.archive.best();
        let field = self.growth.as_ref();
        let field = field.map(|growth| growth.field(parents, leader));
        let question = RowQuestion {
            iteration,
            archive: &self.archive,
            parents,
            instances: &self.instances,
            field: field.as_ref(),
        };
        let Seat {
            configured,
            foreign,
        } = &mut self.policies.evaluation;
        let mut plan_of =
            |policy: &mut Box<dyn ParetoEvaluation>| policy.row(&question, &mut *self.random);
        let plan = Seat {
            configured: plan_of(configured),
            foreign: foreign.as_mut().map(plan_of),
        };
        Row {
            iteration,
            trials_before: self.scorings.trials_in(iteration),
            stage,
            candidate,
            plan,
            rungs: Vec::new(),
            end: None,
            reserved: 0,
            as_of,
            priority: Priority::ALONE,
        }
    }

    /// Removes from an answer the positions that cannot be ordered.
    fn keep_new(&self, known: &[RowScore], positions: &mut Vec<usize>) {
        let pareto = self.instances.len();
        let mut is_taken = vec![false; pareto];
        for score in known {
            is_taken[score.position] = true;
        }
        positions.retain(|at| *at < pareto && !std::mem::replace(&mut is_taken[*at], true));
        positions.retain(|at| !self.is_excluded_at(*at));
        if known.is_empty() {
            positions.truncate(self.first_order());
        }
    }

    /// The rollouts a generation needs until one of its children enters the archive.
    pub(super) fn generation_rollouts(&self) -> u64 {
        let minibatches = self.config.generation_rollouts() - self.config.first_order();
        minibatches + self.first_order() as u64
    }

    /// Rollouts of the pareto set that a proposal reserves when it begins: the first order of its
    /// child where rows grow. Without them a longer row could take what the child needs.
    pub(super) fn reserved_at_issue(&self) -> u64 {
        match self.growth {
            Some(_) => self.first_order() as u64,
            None => 0,
        }
    }

    /// The largest number of pareto examples in a row's first order.
    pub(super) fn first_order(&self) -> usize {
        let pareto = self.instances.len();
        self.policies
            .evaluation
            .configured
            .first(pareto)
            .clamp(1, pareto)
    }
}
