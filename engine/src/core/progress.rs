//! What a proposal does between being issued and being decided on. Nothing here looks at other
//! proposals, so the order in which proposals progress does not matter.

use std::sync::Arc;

use gepa_archive::{Candidate, ContentId, Origin};
use gepa_evaluation::{ExampleId, Outcome, ReflectiveRecord, Stage};

use super::priority::Priority;
use super::proposal::{
    CHILD_TRIAL, Comparison, PARENT_TRIAL, Proposal, Rewrite, RewriteState, Verdict,
};
use super::scale::Scale;
use super::state::Core;
use super::state::Steered;
use super::trial::Trial;
use super::work::{ReflectionWork, Work, is_complete};
use crate::config::Duplicates;
use crate::event::{CloseReason, PolicyPoint, ReflectionSettled, RolloutSettled, RolloutsDropped};
use crate::ids::TrialKey;
use crate::policy::{GateQuestion, PolicySet, Question};

impl Core {
    /// Whether the rollout completed its trial.
    pub(super) fn settle_in_proposal(
        &mut self,
        settled: &RolloutSettled,
        outcome: Arc<Outcome>,
    ) -> bool {
        let TrialKey { iteration, index } = settled.trial;
        let Some(proposal) = self.open.get_mut(&iteration) else {
            return false;
        };
        let Some(place) = proposal.place(index) else {
            return false;
        };
        let (scale, work) = (&self.scale, &mut self.work);
        let mut is_new = false;
        let filled = proposal.trial_mut(index).is_some_and(|trial| {
            is_new = trial.settle(settled.position as usize, outcome);
            is_new && is_complete(trial, scale, work)
        });
        if filled {
            self.go_on_from_trial(iteration, place);
        }
        let served = is_new && self.serve_waiting(settled);
        filled || served
    }

    pub(super) fn go_on_from_trial(&mut self, iteration: u64, place: u32) {
        let Some(mut proposal) = self.open.remove(&iteration) else {
            return;
        };
        let siblings = proposal.siblings.clone();
        match place {
            PARENT_TRIAL => self.finish_trial(proposal.parent_trial.as_ref()),
            CHILD_TRIAL => self.child_done(&mut proposal),
            _ => self.rung_done(&mut proposal),
        }
        self.open.insert(iteration, proposal);
        if place == PARENT_TRIAL {
            self.judge_parents(siblings);
        }
    }

    /// Continues the row of a child when every rollout of its current order has an outcome.
    fn rung_done(&mut self, proposal: &mut Proposal) {
        let Some(mut row) = proposal.row.take() else {
            return;
        };
        self.finish_trial(row.last());
        if proposal.unwanted.is_none() {
            self.grow(&mut row, proposal.child_trial.as_ref());
        }
        proposal.row = Some(row);
    }

    pub(super) fn drop_rollouts(&mut self, dropped: &RolloutsDropped) {
        let TrialKey { iteration, index } = dropped.trial;
        let proposal = self.open.get_mut(&iteration);
        if let Some(trial) = proposal.and_then(|proposal| proposal.trial_mut(index)) {
            for position in &dropped.positions {
                trial.drop_open(*position as usize);
            }
        }
    }

    pub(super) fn settle_reflection(&mut self, settled: &ReflectionSettled) {
        let Some(mut proposal) = self.open.remove(&settled.iteration) else {
            return;
        };
        self.apply_reflection(&mut proposal, settled);
        self.open.insert(settled.iteration, proposal);
        if let Some(failure) = settled.failure.as_ref().filter(|f| f.kind.is_fatal()) {
            self.give_up_on_reflection(&failure.message);
        }
    }

    /// The reflection calls of a proposal that have no answer yet.
    pub(super) fn open_reflections(&self, proposal: &Proposal) -> Vec<Work> {
        proposal
            .rewrites
            .iter()
            .filter(|rewrite| rewrite.attempts > 0 && rewrite.state == RewriteState::Waiting)
            .filter_map(|rewrite| self.reflection_order(proposal, rewrite))
            .collect()
    }

    /// Begins the reflection once the parent's traces have arrived. Closes the proposal instead if
    /// there is nothing to learn from them.
    pub(super) fn judge_parent(&mut self, proposal: &mut Proposal) {
        let Some(trial) = &proposal.parent_trial else {
            return;
        };
        if let Some(child) = proposal.injected.clone() {
            self.try_injected(proposal, child);
            return;
        }
        let search = &self.config.settings().search;
        let mut scores = trial.scores();
        for (score, example) in scores.iter_mut().zip(&trial.examples) {
            score.take_if(|_| self.steered.is_excluded(example));
        }
        let perfect = |score: &Option<f64>| {
            score.is_some_and(|score| self.scale.is_perfect(score, search.perfect_score))
        };
        if scores.iter().all(Option::is_none) {
            let detail = "no rollout of the parent could be scored".to_owned();
            proposal.verdict = Some(Verdict::Close(CloseReason::NoScores, detail, None));
        } else if search.skip_perfect && scores.iter().all(perfect) {
            proposal.verdict = Some(Verdict::Close(CloseReason::Perfect, String::new(), None));
        } else {
            for rewrite in &mut proposal.rewrites {
                rewrite.attempts = 1;
            }
            let orders = self.open_reflections(proposal);
            self.work.extend(orders);
        }
    }

    fn apply_reflection(&mut self, proposal: &mut Proposal, settled: &ReflectionSettled) {
        let max_attempts = self.config.settings().reflection.max_attempts;
        let Some(at) = proposal.rewrites.iter().position(|rewrite| {
            *rewrite.component == *settled.component
                && rewrite.attempts == settled.attempt
                && rewrite.state == RewriteState::Waiting
        }) else {
            return;
        };
        proposal.reflections += 1;
        let has_length = self.config.has_a_length(&settled.component);
        let rewrite = &mut proposal.rewrites[at];
        if let Some(text) = &settled.text {
            let further = settled.alternatives.iter();
            rewrite.alternatives = further.map(|text| text.as_str().into()).collect();
            rewrite.state = RewriteState::Done(text.as_str().into());
        } else {
            let failure = settled.failure.as_ref();
            rewrite.complaint = failure
                .map(|failure| failure.message.clone())
                .unwrap_or_default();
            let is_fatal = failure.is_some_and(|failure| failure.kind.is_fatal());
            let most =
                rewrite.attempts_after(settled.overlong.as_deref(), max_attempts, has_length);
            if rewrite.attempts < most && !is_fatal {
                rewrite.attempts += 1;
                let order = self.reflection_order(proposal, &proposal.rewrites[at]);
                self.work.extend(order);
            } else {
                rewrite.state = RewriteState::Failed;
            }
        }
        if proposal
            .rewrites
            .iter()
            .all(|rewrite| rewrite.state != RewriteState::Waiting)
        {
            self.build_child(proposal);
        }
    }

    fn build_child(&mut self, proposal: &mut Proposal) {
        let texts: Vec<_> = proposal
            .rewrites
            .iter()
            .filter_map(|rewrite| match &rewrite.state {
                RewriteState::Done(text) => {
                    Some((Arc::clone(&rewrite.component), Arc::clone(text)))
                }
                _ => None,
            })
            .collect();
        let complaint = proposal.rewrites.first();
        let complaint = complaint.map(|rewrite| rewrite.complaint.clone());
        let is_untouched = texts.is_empty();
        self.try_texts(proposal, &texts, complaint.unwrap_or_default(), &[]);
        if is_untouched {
            self.end_companions(proposal);
        } else {
            self.build_companions(proposal);
        }
    }

    /// Makes a child of the new texts and begins its trial. Closes the proposal instead if there is
    /// no new text, or if the child's content is known already or among `others`.
    pub(super) fn try_texts(
        &mut self,
        proposal: &mut Proposal,
        texts: &[(Arc<str>, Arc<str>)],
        complaint: String,
        others: &[ContentId],
    ) {
        let Some(parent_trial) = &proposal.parent_trial else {
            return;
        };
        let is_untouched = texts.is_empty();
        let texts = texts.iter().map(|(name, text)| (&**name, Arc::clone(text)));
        // The components come from the candidate itself, so replacing them cannot fail.
        let child = parent_trial.candidate.with_texts(texts).map(Arc::new);
        let child = child.unwrap_or_else(|_| Arc::clone(&parent_trial.candidate));
        let skips_duplicates = self.config.settings().search.duplicates == Duplicates::Skip;
        let unchanged = child.content_id() == parent_trial.candidate.content_id();
        if is_untouched || (unchanged && skips_duplicates) {
            let verdict = Verdict::Close(CloseReason::Reflection, complaint, None);
            proposal.verdict = Some(verdict);
            return;
        }
        proposal.content = Some(child.content_id());
        if others.contains(&child.content_id()) {
            let detail = "the same reply proposed it already".to_owned();
            proposal.verdict = Some(Verdict::Close(CloseReason::Duplicate, detail, None));
            return;
        }
        let twin = self.contents.get(&child.content_id());
        if let Some(twin) =
            twin.filter(|twin| skips_duplicates && twin.position() < proposal.known_pool)
        {
            let detail = format!("the new text makes it candidate {twin}");
            proposal.verdict = Some(Verdict::Close(CloseReason::Duplicate, detail, None));
            return;
        }
        // Where the parent has neither a score nor a failure that counts there is nothing to compare with.
        let examples = self.counted_examples(parent_trial);
        self.run_at_gate(proposal, child, examples);
    }

    /// Runs a child on the examples of its gate.
    pub(super) fn run_at_gate(
        &mut self,
        proposal: &mut Proposal,
        child: Arc<Candidate>,
        examples: Vec<ExampleId>,
    ) {
        let key = proposal.key(CHILD_TRIAL);
        let (content, as_of) = (child.content_id(), proposal.issued_at);
        let (candidate, own) = (Arc::clone(&child), proposal.parent_trial.as_ref());
        let trial = Trial::new(key, Stage::MinibatchChild, candidate, examples, |example| {
            self.found_for_child(content, example, own, as_of)
        });
        self.waiting += trial.waiting();
        let trial = trial.with_priority(Priority::gate(proposal));
        self.propose(proposal, child);
        self.order_trial(&trial);
        let is_known = trial.is_complete();
        proposal.child_trial = Some(trial);
        if is_known {
            self.child_done(proposal);
        }
    }

    pub(super) fn child_done(&mut self, proposal: &mut Proposal) {
        self.finish_trial(proposal.child_trial.as_ref());
        let Some(child) = &proposal.child_trial else {
            return;
        };
        let (opposing, comparison) = self.compared(proposal, child);
        let verdict = if comparison.compared == 0 {
            let detail = "no rollout of the child could be scored".to_owned();
            Verdict::Close(CloseReason::NothingToCompare, detail, None)
        } else if self.passes(proposal, &opposing, comparison) {
            Verdict::Pass(Some(comparison))
        } else {
            Verdict::Close(CloseReason::Gate, String::new(), Some(comparison))
        };
        proposal.verdict = Some(verdict);
    }

    /// The rule of the gate: a merge passes if it equals the better of its parents.
    pub(super) fn passes(
        &mut self,
        proposal: &Proposal,
        opposing: &[[Option<f64>; 2]],
        sums: Comparison,
    ) -> bool {
        if proposal.origin == Origin::Merge {
            return sums.child_sum >= sums.parent_sum;
        }
        let worst = self.worst_of(proposal, opposing);
        let child_scores = proposal
            .child_trial
            .iter()
            .flat_map(|trial| trial.values(worst));
        let pairs: Vec<(f64, f64)> = opposing
            .iter()
            .zip(child_scores)
            .filter_map(|(scores, child)| Some((scores[0]?, child?)))
            .collect();
        let question = GateQuestion {
            iteration: proposal.iteration,
            pairs: &pairs,
            parent_sum: sums.parent_sum,
            child_sum: sums.child_sum,
        };
        let name = Question::first(PolicyPoint::Gate, proposal.iteration);
        let PolicySet {
            acceptance,
            answers,
            ..
        } = &mut self.policies;
        let asked = answers.ask(name, acceptance, |rule| rule.passes(&question));
        asked.answer
    }

    /// The scores a child is compared with, and the comparison so far.
    pub(super) fn compared(
        &self,
        proposal: &Proposal,
        child: &Trial,
    ) -> (Vec<[Option<f64>; 2]>, Comparison) {
        let worst = self.worst_of(proposal, &[]);
        let mut opposing = opposing_scores(proposal, worst);
        self.without_excluded(child, &mut opposing);
        let comparison = compare_with(child, &opposing, worst);
        (opposing, comparison)
    }

    /// What a failure counts as where a proposal's child is compared with its parents or with `others`.
    pub(super) fn worst_of(&self, proposal: &Proposal, others: &[[Option<f64>; 2]]) -> Option<f64> {
        let trials = [&proposal.parent_trial, &proposal.child_trial].into_iter();
        let own = trials.flatten().flat_map(Trial::scores).flatten();
        let merged = proposal.merge_scores.iter().flatten().copied();
        let others = others.iter().flatten().copied().flatten();
        self.scale.worst_among(own.chain(merged).chain(others))
    }

    /// The examples of a parent's trial on which it has a score or a failure that counts.
    pub(super) fn counted_examples(&self, trial: &Trial) -> Vec<ExampleId> {
        let positions = counted_positions(trial, &self.scale);
        positions
            .map(|position| trial.examples[position].clone())
            .collect()
    }

    pub(super) fn finish_trial(&mut self, trial: Option<&Trial>) {
        if let Some(trial) = trial.filter(|trial| !trial.is_cut_short()) {
            self.decide(trial.finished());
        }
    }

    fn reflection_order(&self, proposal: &Proposal, rewrite: &Rewrite) -> Option<Work> {
        let component = &rewrite.component;
        let trial = proposal.parent_trial.as_ref()?;
        let current = trial.candidate.text(component).cloned().unwrap_or_default();
        let texts = match rewrite.shorten {
            Some(_) => 1,
            None => self.config.settings().hypotheses(),
        };
        Some(Work::Reflection(Box::new(ReflectionWork {
            iteration: proposal.iteration,
            component: Arc::clone(component),
            attempt: rewrite.attempts,
            candidate: Arc::clone(&trial.candidate),
            records: records(trial, &self.steered),
            complaint: rewrite.complaint.clone(),
            hint: proposal.hint.clone(),
            rules: self.config.text_rules(component, current),
            shorten: rewrite.shorten.clone(),
            earlier: proposal
                .earlier
                .iter()
                .filter(|attempt| attempt.component == *component)
                .cloned()
                .collect(),
            texts,
        })))
    }
}

fn scored_positions(trial: &Trial) -> impl Iterator<Item = usize> + '_ {
    (0..trial.examples.len()).filter(|position| trial.scored(*position).is_some())
}

fn counted_positions<'t>(trial: &'t Trial, scale: &Scale) -> impl Iterator<Item = usize> + 't {
    // Which positions count does not depend on what a failure counts as.
    let worst = scale.worst_among(std::iter::empty());
    (0..trial.examples.len()).filter(move |position| trial.value(*position, worst).is_some())
}

fn records(trial: &Trial, steered: &Steered) -> Vec<ReflectiveRecord> {
    let counts = |position: &usize| !steered.is_excluded(&trial.examples[*position]);
    let records = scored_positions(trial)
        .filter(counts)
        .filter_map(|position| {
            Some(ReflectiveRecord {
                example: trial.examples[position].clone(),
                scored: trial.scored(position)?.clone(),
            })
        });
    records.collect()
}

/// What a child's parents scored on the examples of its trial, by position. A single parent's score
/// stands there twice.
pub(super) fn opposing_scores(proposal: &Proposal, worst: Option<f64>) -> Vec<[Option<f64>; 2]> {
    match &proposal.parent_trial {
        // A child is tried only on examples on which its parent counts.
        Some(parent) => {
            let scored = parent.values(worst).into_iter().flatten();
            scored.map(|score| [Some(score); 2]).collect()
        }
        None => proposal
            .merge_scores
            .iter()
            .map(|scores| scores.map(Some))
            .collect(),
    }
}

/// Sums over the examples on which both sides have a score. With two opposing sums, returns the
/// greater.
pub(super) fn compare_with(
    child: &Trial,
    opposing: &[[Option<f64>; 2]],
    worst: Option<f64>,
) -> Comparison {
    let mut compared = 0;
    let mut child_sum = 0.0;
    let mut parent_sums = [0.0_f64; 2];
    for (child_score, scores) in child.values(worst).into_iter().zip(opposing) {
        let (Some(score), [Some(first), Some(second)]) = (child_score, scores) else {
            continue;
        };
        compared += 1;
        child_sum += score;
        parent_sums[0] += first;
        parent_sums[1] += second;
    }
    Comparison {
        compared,
        parent_sum: parent_sums[0].max(parent_sums[1]),
        child_sum,
    }
}
