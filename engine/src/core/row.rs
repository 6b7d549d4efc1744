//! A candidate's row of pareto scores while it is being evaluated. It has one trial for each order
//! of its plan.

use std::fmt;
use std::sync::Arc;

use gepa_archive::{Candidate, InstanceIndex, InstanceScore};
use gepa_evaluation::{ExampleId, Stage};

use super::Core;
use super::priority::Priority;
use super::proposal::Proposal;
use super::scale::Scale;
use super::trial::Trial;
use crate::event::{Decision, PolicyPoint, RungDecided};
use crate::ids::TrialKey;
use crate::policy::{ParetoEvaluation, Question, RowPlan, RowQuestion, RowScore, RowStep, Seat};

/// Places of a row's trials within their iteration: the place of the first, and the place that
/// comes before all others.
pub(crate) const PARETO_TRIAL: u32 = 2;
const BEFORE_FURTHER: u32 = 3;

/// A row that is being evaluated.
pub(crate) struct Row {
    iteration: u64,
    /// Trials of a final scoring in the same iteration.
    trials_before: u32,
    stage: Stage,
    candidate: Arc<Candidate>,
    plan: Seat<dyn RowPlan>,
    /// All but the last are complete.
    rungs: Vec<Rung>,
    end: Option<RowEnd>,
    /// Rollouts reserved for the row, executed ones included.
    pub(crate) reserved: u64,
    /// The age of the memory up to which outcomes count as known.
    as_of: u64,
    /// Where its rollouts stand in the queue.
    pub(crate) priority: Priority,
    /// Whether the row begins before it is certain that the child passes its gate.
    pub(crate) speculative: bool,
}

/// One order of a row's plan.
pub(crate) struct Rung {
    pub(crate) trial: Trial,
    /// The position in the pareto set of each example of the trial.
    positions: Vec<usize>,
}

/// What happens to the candidate after its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowEnd {
    Enter,
    Drop(String),
}

/// A plan of one order.
struct OneOrder(Vec<usize>);

impl RowPlan for OneOrder {
    fn next(&mut self, _: &[RowScore]) -> RowStep {
        match std::mem::take(&mut self.0) {
            positions if positions.is_empty() => RowStep::Enter,
            positions => RowStep::Run(positions),
        }
    }
}

impl Row {
    /// Further positions for the row of a member.
    pub(crate) fn of_positions(
        iteration: u64,
        trials_before: u32,
        candidate: Arc<Candidate>,
        positions: Vec<usize>,
        as_of: u64,
    ) -> Self {
        Self {
            iteration,
            trials_before,
            stage: Stage::Pareto,
            candidate,
            plan: Seat {
                configured: Box::new(OneOrder(positions)),
                foreign: None,
            },
            rungs: Vec::new(),
            end: None,
            reserved: 0,
            as_of,
            priority: Priority::ALONE,
            speculative: false,
        }
    }

    /// Whether every ordered rollout has an outcome.
    pub(crate) fn is_idle(&self) -> bool {
        self.rungs
            .last()
            .is_none_or(|rung| rung.trial.is_complete())
    }

    /// Whether it is known if the candidate enters or is dropped.
    pub(crate) fn is_complete(&self) -> bool {
        self.end.is_some() && self.is_idle()
    }

    /// Why the candidate is dropped; `None` if it is not.
    pub(crate) fn dropped(&self) -> Option<&str> {
        match &self.end {
            Some(RowEnd::Drop(detail)) => Some(detail),
            _ => None,
        }
    }

    pub(crate) fn candidate(&self) -> &Arc<Candidate> {
        &self.candidate
    }

    pub(crate) fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.rungs.iter().map(|rung| &rung.trial)
    }

    pub(crate) fn trials_mut(&mut self) -> impl Iterator<Item = &mut Trial> {
        self.rungs.iter_mut().map(|rung| &mut rung.trial)
    }

    pub(crate) fn trial_mut(&mut self, key: TrialKey) -> Option<&mut Trial> {
        self.trials_mut().find(|trial| trial.key == key)
    }

    /// The trial that was ordered last.
    pub(crate) fn last(&self) -> Option<&Trial> {
        self.rungs.last().map(|rung| &rung.trial)
    }

    /// Moves the remaining rollouts of the row to another place in the queue. Returns the trial
    /// whose rollouts must be moved, if one is open.
    pub(crate) fn move_to(&mut self, priority: Priority) -> Option<TrialKey> {
        self.priority = priority;
        let last = &mut self.rungs.last_mut()?.trial;
        last.priority = priority;
        (!last.is_complete()).then_some(last.key)
    }

    /// The number of rollouts executed so far.
    pub(crate) fn executed(&self) -> u64 {
        self.trials().map(Trial::executed).sum()
    }

    /// The number of positions with an order so far.
    pub(crate) fn len(&self) -> usize {
        self.rungs.iter().map(|rung| rung.positions.len()).sum()
    }

    /// The outcomes in the order in which they were ordered.
    pub(crate) fn known_scores(&self) -> Vec<RowScore> {
        self.known().collect()
    }

    /// The places run so far with what each counts as in a comparison: its score, or the lowest score
    /// where the candidate failed by its own doing.
    pub(crate) fn counted(&self, scale: &Scale) -> Vec<RowScore> {
        let worst = scale.worst_among(self.known().filter_map(|known| known.score));
        let rungs = self.rungs.iter();
        let places = rungs.flat_map(|rung| rung.positions.iter().zip(rung.trial.values(worst)));
        places
            .map(|(&position, score)| RowScore { position, score })
            .collect()
    }

    /// Scores by position of the pareto set; `None` where a rollout failed, is open or was never
    /// ordered.
    pub(crate) fn scores(&self, pareto: usize) -> Vec<Option<f64>> {
        let mut scores = vec![None; pareto];
        for score in self.known() {
            scores[score.position] = score.score;
        }
        scores
    }

    /// The scores in the order in which they were obtained. Failures of the candidate's own doing count
    /// as the lowest score.
    pub(crate) fn obtained(
        &self,
        instances: &[InstanceIndex],
        scale: &Scale,
    ) -> Vec<InstanceScore> {
        let worst = scale.worst_among(self.known().filter_map(|known| known.score));
        let mut obtained = Vec::with_capacity(self.len());
        for Rung { trial, positions } in &self.rungs {
            obtained.extend(trial.obtained().filter_map(|at| {
                let scored = trial.scored(at);
                Some(InstanceScore {
                    instance: instances[positions[at]],
                    score: trial.value(at, worst)?,
                    objectives: scored.map(|one| one.objectives.clone()).unwrap_or_default(),
                })
            }));
        }
        obtained
    }

    fn known(&self) -> impl Iterator<Item = RowScore> + '_ {
        self.rungs.iter().flat_map(|rung| {
            let scores = rung.trial.scores();
            let places = rung.positions.iter().zip(scores);
            places.map(|(&position, score)| RowScore { position, score })
        })
    }

    fn next_key(&self) -> TrialKey {
        let number = self.rungs.len() as u32;
        let index = match (self.stage, number) {
            (Stage::Seed, number) => number,
            (_, 0) => PARETO_TRIAL,
            (_, number) => BEFORE_FURTHER + number,
        };
        TrialKey {
            iteration: self.iteration,
            index: self.trials_before + index,
        }
    }
}

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
        let trial = Trial::new(row.next_key(), stage, candidate, examples, |example| {
            let is_child = stage == Stage::Pareto;
            let known = || self.memory.of_child(content, example, gate, as_of);
            is_child.then(known).flatten()
        });
        Some(Rung { trial, positions })
    }

    /// Gives an order of the row.
    pub(super) fn order_rung(&mut self, row: &mut Row, mut rung: Rung) {
        rung.trial.priority = row.priority;
        rung.trial.speculative = row.speculative;
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
        parents: &[gepa_archive::CandidateIndex],
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
            speculative: false,
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

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Row")
            .field("iteration", &self.iteration)
            .field("run", &self.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
