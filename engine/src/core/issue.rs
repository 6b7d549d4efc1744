//! Decides whether a generation begins, which parents it has and which examples it uses.

use std::ops::Range;
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, MergePlan, Origin, plan_merge};
use gepa_evaluation::{ExampleId, Stage};

use super::ledger::Reservation;
use super::order::Issue;
use super::priority::Priority;
use super::proposal::{CHILD_TRIAL, PARENT_TRIAL, Proposal, Rewrite, RewriteState};
use super::state::Pace;
use super::state::{Core, Part};
use super::trial::{Found, Trial};
use crate::config::{Duplicates, SearchRules};
use crate::event::{CandidateProposed, Decision, PolicyPoint, ProposalIssued, StopDecided};
use crate::policy::{
    ComponentQuestion, MinibatchQuestion, ParentQuestion, PolicySet, Question, Standing, StopAnswer,
};
use crate::random::DrawPurpose;
use crate::stop::StopReason;

/// The number of instances a merge is gated on (reference algorithm 1.11).
pub(super) const MERGE_SUBSET: u64 = 5;

/// A run gives up after it looked at every training example this many times without a rollout.
const IDLE_EPOCHS: u64 = 3;
/// A run never gives up after fewer idle iterations than this: an unlucky draw of parents may
/// explain them.
const FEWEST_IDLE: u64 = 50;

impl Core {
    /// Begins the next generation, if the stop conditions and the budget allow one.
    pub(super) fn issue(&mut self) -> Issue {
        if self.is_held() || self.pace == Pace::Waiting {
            return Issue::Blocked;
        }
        match self.stop_answer() {
            StopAnswer::GoOn => {}
            StopAnswer::StopIfIdle(_) if !self.open.is_empty() => return Issue::Blocked,
            StopAnswer::StopIfIdle(reason) if self.issue_last_refinement(&reason) => {
                return Issue::Issued;
            }
            StopAnswer::Stop(reason) | StopAnswer::StopIfIdle(reason) => {
                self.stop_issuing(reason);
                return Issue::Stopped;
            }
        }
        if self.pace.is_paced() {
            self.pace = Pace::Waiting;
        }
        let iteration = self.next_iteration;
        let oldest = self.open.keys().next().copied().unwrap_or(iteration);
        self.policies.answers.forget_before(oldest);
        self.next_iteration += 1;
        let is_issued = self.issue_injected(iteration)
            || self.issue_due_refinement(iteration)
            || self.issue_merge(iteration);
        if !is_issued {
            self.issue_reflections(iteration);
        }
        self.next_generation += 1;
        Issue::Issued
    }

    /// Ends the search. Proposals in flight are still decided on.
    pub(super) fn stop_issuing(&mut self, reason: StopReason) {
        self.decide(Decision::StopDecided(StopDecided {
            reason: reason.clone(),
        }));
        self.stop = Some(reason);
        self.part = Part::Draining;
    }

    /// The answer of the first stop condition that does not say to go on.
    pub(super) fn stop_answer(&mut self) -> StopAnswer {
        let most_repeated = self.config.settings().reflection.max_failures_in_a_row;
        let proposals = self.fruitless.repeated;
        if proposals >= u64::from(most_repeated) {
            return StopAnswer::Stop(StopReason::Repetition { proposals });
        }
        let calls = self.reflections_per_proposal() * self.config.generation_reflections();
        let settings = self.config.settings();
        let minibatch = settings.search.minibatch_size as usize;
        let epoch = self.config.sets().train.len().div_ceil(minibatch) as u64;
        let standing = Standing {
            generation: self.next_generation,
            iteration: self.next_iteration,
            epoch: epoch.div_ceil(self.config.generation_reflections()),
            pareto: self.instances.len(),
            archive: &self.archive,
            limits: &self.limits,
            since_best: self.since_best,
            idle: self.fruitless.idle,
            most_idle: (IDLE_EPOCHS * epoch).max(FEWEST_IDLE),
            unreflected: self.fruitless.unreflected,
            most_unreflected: u64::from(settings.reflection.max_failures_in_a_row),
            last_complaint: &self.fruitless.last_complaint,
            rollouts: self.ledger.rollouts(self.generation_rollouts()),
            reflections: self.ledger.reflections(calls),
        };
        let PolicySet { stop, answers, .. } = &mut self.policies;
        let configured = stop.configured.ask(&standing);
        if configured != StopAnswer::GoOn {
            return configured;
        }
        let question = Question::first(PolicyPoint::Stop, self.next_iteration);
        let asked = answers.ask(question, stop, |condition| match condition.ask(&standing) {
            StopAnswer::GoOn => None,
            StopAnswer::Stop(reason) | StopAnswer::StopIfIdle(reason) => Some(reason),
        });
        asked.answer.map_or(StopAnswer::GoOn, StopAnswer::Stop)
    }

    fn reflections_per_proposal(&self) -> u64 {
        let components = self.config.seed().components().len();
        let most = self
            .policies
            .components
            .configured
            .most(components)
            .min(components);
        let attempts = u64::from(self.config.settings().reflection.max_attempts);
        let shortened = self.config.components_with_a_length().min(most);
        most as u64 * attempts + shortened as u64
    }

    fn issue_merge(&mut self, iteration: u64) -> bool {
        let settings = &self.config.settings().merge;
        let in_flight = self
            .open
            .values()
            .filter(|p| p.origin == Origin::Merge)
            .count() as u64;
        let wanted = settings.enabled
            && std::mem::take(&mut self.merge.after_acceptance)
            && self.merge.due > in_flight
            && (self.merge.accepted + in_flight < u64::from(settings.max_invocations)
                || self.config.settings().search.rules == SearchRules::Reference);
        if !wanted {
            return false;
        }
        let floor = gepa_archive::MergeSettings {
            overlap_floor: settings.overlap_floor as usize,
        };
        let mut draw = self.random.stream(DrawPurpose::Merge, iteration);
        let plan = plan_merge(&self.archive, &mut self.merge.log, floor, &mut *draw);
        drop(draw);
        match plan {
            Some(plan) if !self.is_duplicate(&plan.candidate) => {
                self.gate_merge(iteration, plan);
                true
            }
            _ => false,
        }
    }

    fn gate_merge(&mut self, iteration: u64, plan: MergePlan) {
        let mut proposal = self.proposal(iteration, Origin::Merge);
        proposal.parents = plan.parents.to_vec();
        for instance in &plan.subset {
            let position = self.instances.iter().position(|one| one == instance);
            let example = position.map(|at| self.config.sets().pareto[at].clone());
            proposal.batch.extend(example);
            let score = |parent| self.archive.score(parent, *instance).unwrap_or_default();
            proposal.merge_scores.push(plan.parents.map(score));
        }
        proposal.reserved = Reservation {
            rollouts: MERGE_SUBSET + self.reserved_at_issue(),
            reflections: 0,
        };
        self.ledger.reserve(proposal.reserved);
        self.announce(&proposal, Vec::new());
        let child = Arc::new(plan.candidate);
        self.propose(&mut proposal, Arc::clone(&child));
        let key = proposal.key(CHILD_TRIAL);
        let content = child.content_id();
        let batch = proposal.batch.clone();
        let trial = {
            let known = self.memory.of_child(content, None, u64::MAX);
            Trial::new(key, Stage::MergeGate, child, batch, |example| {
                let in_flight = || self.found_in_flight(Stage::MergeGate, content, example, None);
                known(example).map_or_else(in_flight, Found::Known)
            })
        };
        self.waiting += trial.waiting();
        let trial = trial.with_priority(Priority::gate(&proposal));
        self.order_trial(&trial);
        let complete = trial.is_complete();
        proposal.child_trial = Some(trial);
        if complete {
            self.child_done(&mut proposal);
        }
        self.open.insert(iteration, proposal);
    }

    /// Begins a generation of reflections: it draws parents, and for each parent the configured
    /// number of minibatches. The order of draws is: parent, its minibatches, next parent.
    fn issue_reflections(&mut self, first: u64) {
        let search = &self.config.settings().search;
        let (parents, batches) = (search.parents_per_generation, search.batches_per_parent);
        let siblings = first..first + self.config.generation_size();
        self.next_iteration = siblings.end;
        let mut chunks = 0..self.config.generation_reflections();
        let hypotheses = self.config.hypotheses();
        for _ in 0..parents {
            let drawn_for = first + chunks.start * hypotheses;
            let parent = self.select_parent(drawn_for);
            for chunk in chunks.by_ref().take(batches as usize) {
                let iteration = first + chunk * hypotheses;
                self.issue_reflection(iteration, &siblings, parent, chunk);
            }
        }
        self.judge_parents(siblings);
    }

    fn issue_reflection(
        &mut self,
        iteration: u64,
        siblings: &Range<u64>,
        parent: CandidateIndex,
        chunk: u64,
    ) {
        let batch = self.minibatch(iteration, chunk, parent);
        let candidate = self.candidate_of(parent);
        let (components, turn) = self.take_components(iteration, parent, &candidate);
        let mut proposal = self.proposal(iteration, Origin::Reflection);
        proposal.siblings = siblings.clone();
        proposal.turn = turn;
        proposal.earlier = self.rejected.of(parent);
        proposal.hint.clone_from(&self.steered.hint);
        proposal.rewrites = components.iter().cloned().map(Rewrite::new).collect();
        self.open_with_parent(proposal, parent, batch, self.reflections_per_proposal());
        self.issue_companions(iteration, &components);
    }

    /// The examples on which a parent and its child are compared.
    pub(super) fn minibatch(
        &mut self,
        iteration: u64,
        chunk: u64,
        parent: CandidateIndex,
    ) -> Vec<ExampleId> {
        self.sample_minibatch(MinibatchQuestion {
            iteration,
            generation: self.next_generation,
            chunk,
            parent,
            examples: self.config.sets().train.len(),
            size: self.config.settings().search.minibatch_size as usize,
        })
    }

    /// Opens a proposal with the trial of its parent on the minibatch.
    pub(super) fn open_with_parent(
        &mut self,
        mut proposal: Proposal,
        parent: CandidateIndex,
        batch: Vec<ExampleId>,
        reflections: u64,
    ) {
        let candidate = self.candidate_of(parent);
        let content = candidate.content_id();
        let trial = Trial::new(
            proposal.key(PARENT_TRIAL),
            Stage::MinibatchParent,
            candidate,
            batch.clone(),
            |example| {
                let stage = Stage::MinibatchParent;
                let in_flight = || self.found_in_flight(stage, content, example, None);
                let known = self.memory.of_parent(content, example);
                known.map_or_else(in_flight, Found::Known)
            },
        );
        self.waiting += trial.waiting();
        let trial = trial.with_priority(Priority::gate(&proposal));
        proposal.parent_survived = self.archive.survives(parent);
        proposal.parents = vec![parent];
        proposal.reserved = Reservation {
            rollouts: trial.unknown() + batch.len() as u64 + self.reserved_at_issue(),
            reflections,
        };
        proposal.batch = batch;
        self.ledger.reserve(proposal.reserved);
        let components = proposal.rewrites.iter();
        let components = components.map(|rewrite| rewrite.component.to_string());
        self.announce(&proposal, components.collect());
        self.order_trial(&trial);
        if trial.is_complete() {
            self.finish_trial(Some(&trial));
        }
        proposal.parent_trial = Some(trial);
        self.open.insert(proposal.iteration, proposal);
    }

    pub(super) fn proposal(&self, iteration: u64, origin: Origin) -> Proposal {
        let as_of = if self.begins_decided() {
            self.memory.age()
        } else {
            u64::MAX
        };
        Proposal {
            trials_before: self.scorings.trials_in(iteration),
            known_pool: self.archive.len(),
            as_of,
            issued_at: self.memory.age(),
            ..Proposal::new(self.next_generation, iteration, origin)
        }
    }

    fn is_duplicate(&self, candidate: &Candidate) -> bool {
        self.config.settings().search.duplicates == Duplicates::Skip
            && self.contents.contains_key(&candidate.content_id())
    }

    fn select_parent(&mut self, iteration: u64) -> CandidateIndex {
        let question = ParentQuestion {
            iteration,
            archive: &self.archive,
        };
        let mut draw = self.random.stream(DrawPurpose::Parent, iteration);
        let PolicySet {
            parent, answers, ..
        } = &mut self.policies;
        let asked = answers.ask(
            Question::first(PolicyPoint::Parent, iteration),
            parent,
            |selector| selector.select(&question, &mut *draw),
        );
        self.policies.any_may_be_parent |= asked.is_foreign;
        asked
            .answer
            .filter(|parent| self.archive.get(*parent).is_some_and(|one| !one.evicted))
            .or_else(|| self.archive.best())
            .unwrap_or_default()
    }

    fn sample_minibatch(&mut self, question: MinibatchQuestion) -> Vec<ExampleId> {
        let PolicySet {
            minibatch, answers, ..
        } = &mut self.policies;
        let name = Question::first(PolicyPoint::Minibatch, question.iteration);
        let positions = answers.ask(name, minibatch, |sampler| {
            sampler.sample(&question, &mut *self.random)
        });
        let most = question.examples;
        let positions = positions.answer.into_iter().filter(|at| *at < most);
        let positions = self.replace_excluded(positions.collect());
        let train = &self.config.sets().train;
        let named = positions.into_iter().filter_map(|at| train.get(at));
        let mut batch: Vec<ExampleId> = named.take(question.size).cloned().collect();
        if batch.is_empty() {
            batch.extend(train.first().cloned());
        }
        batch
    }

    pub(super) fn candidate_of(&self, member: CandidateIndex) -> Arc<Candidate> {
        let entry = self.archive.get(member);
        let candidate = entry.map_or(self.config.seed(), |entry| &entry.candidate);
        Arc::clone(candidate)
    }

    /// The components to rewrite, and the turn that they use. The parent's turn moves on at once,
    /// so that two proposals in flight from the same parent rewrite different components.
    fn take_components(
        &mut self,
        iteration: u64,
        parent: CandidateIndex,
        candidate: &Candidate,
    ) -> (Vec<Arc<str>>, Option<usize>) {
        let names = self.config.seed().components();
        let turn = self.cursors[parent.position()];
        let question = ComponentQuestion {
            iteration,
            parent,
            candidate,
            turn,
        };
        let PolicySet {
            components,
            answers,
            ..
        } = &mut self.policies;
        let name = Question::first(PolicyPoint::Components, iteration);
        let asked = answers.ask(name, components, |selector| selector.select(&question));
        let selector = &components.configured;
        let mut chosen: Vec<usize> = Vec::new();
        for at in asked.answer {
            if at < names.len() && !chosen.contains(&at) {
                chosen.push(at);
            }
        }
        chosen.truncate(selector.most(names.len()));
        if chosen.is_empty() {
            chosen.push(turn);
        }
        let takes_turns = selector.takes_turns() && !asked.is_foreign;
        let turn = takes_turns.then_some(turn);
        if let Some(turn) = turn {
            self.cursors[parent.position()] = (turn + 1) % names.len();
        }
        let components = chosen.into_iter().filter_map(|at| names.get_index(at));
        (components.map(|(name, _)| Arc::clone(name)).collect(), turn)
    }

    pub(super) fn announce(&mut self, proposal: &Proposal, components: Vec<String>) {
        self.decide(Decision::ProposalIssued(ProposalIssued {
            iteration: proposal.iteration,
            origin: proposal.origin,
            parents: proposal.parents.clone(),
            examples: proposal.batch.clone(),
            components,
        }));
    }

    /// Journals a new candidate and makes it the proposal's child.
    pub(super) fn propose(&mut self, proposal: &mut Proposal, child: Arc<Candidate>) {
        self.decide(Decision::CandidateProposed(Box::new(CandidateProposed {
            iteration: proposal.iteration,
            origin: proposal.origin,
            parents: proposal.parents.clone(),
            candidate: (*child).clone(),
        })));
        proposal.child = Some(child);
    }
}

impl Rewrite {
    fn new(component: Arc<str>) -> Self {
        Self {
            component,
            attempts: 0,
            complaint: String::new(),
            shorten: None,
            has_shortened: false,
            alternatives: Vec::new(),
            state: RewriteState::Waiting,
        }
    }
}
