//! The counters that every view shows. All are computed by one fold over the journal, so they are
//! equal everywhere.

use gepa_evaluation::{Phase, Purpose, Usage};
use serde::{Deserialize, Serialize};

use crate::event::{Decision, EventBody, Fact, RolloutSettled};

/// All counters of a run. The architecture guide defines the terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Candidates tried: the seed, and every candidate proposed.
    pub trials_tried: u64,
    /// Trials whose rollouts all have outcomes.
    pub total_trials_evaluated: u64,
    /// Trials of phase optimization.
    pub optimization_trials_evaluated: u64,
    /// Rollouts whose outcomes come from the run that this one branches from.
    #[serde(skip_serializing_if = "is_zero")]
    pub recalled_rollouts: u64,
    /// Reflections whose answers come from that run.
    #[serde(skip_serializing_if = "is_zero")]
    pub recalled_reflections: u64,
    /// Trials of phase validation.
    pub validation_trials_evaluated: u64,
    /// Rollouts executed, scored or failed.
    pub total_rollouts: u64,
    /// Rollouts of phase optimization.
    pub optimization_rollouts_executed: u64,
    /// Rollouts of phase validation.
    pub validation_rollouts_executed: u64,
    /// Executed rollouts that ended in a failure.
    pub failed_rollouts: u64,
    /// Outcomes reused from earlier trials instead of executing a rollout. Outcomes that trials in flight
    /// share are executed once and not counted here.
    pub reused_rollouts: u64,
    /// Rollouts of trials that were ordered before it was certain that they were needed.
    pub speculative_rollouts: u64,
    /// Executed rollouts of those trials that were not needed in the end.
    pub wasted_rollouts: u64,
    /// Validation examples scored per candidate.
    pub eval_n: u64,
    /// Iterations begun.
    pub iterations: u64,
    /// Calls of the reflection model that were settled.
    pub reflection_calls: u64,
    /// Candidates in the archive, evicted ones included.
    pub candidates_accepted: u64,
    /// Prompt tokens of policy and judge.
    pub rollouts_prompt_tokens: u64,
    /// Completion tokens of policy and judge.
    pub rollouts_completion_tokens: u64,
    /// Estimated tokens of policy and judge replies that came without usage.
    pub rollouts_unknown_tokens: u64,
    /// Prompt tokens of reflection.
    pub mutation_prompt_tokens: u64,
    /// Completion tokens of reflection.
    pub mutation_completion_tokens: u64,
    /// Estimated tokens of reflection replies that came without usage.
    pub mutation_unknown_tokens: u64,
    /// The sum of the six token counters.
    pub total_tokens: u64,
    /// Known cost in micro-dollars.
    pub total_cost_micro_usd: u64,
    /// Calls that used tokens but have no known price.
    pub unpriced_calls: u64,
    /// The same usage by phase and purpose.
    pub usage: Vec<UsageShare>,
}

/// Usage of one phase and purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageShare {
    /// The phase.
    pub phase: Phase,
    /// The purpose.
    pub purpose: Purpose,
    /// Tokens and cost.
    pub usage: Usage,
}

impl Counters {
    /// Counts one entry of the journal.
    pub fn count(&mut self, body: &EventBody) {
        match body {
            EventBody::Fact(fact) => self.count_fact(fact),
            EventBody::Decision(decision) => self.count_decision(decision),
        }
    }

    /// Counts a fact.
    pub(crate) fn count_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::RolloutsDropped(dropped) => {
                let never_begun = dropped.positions.len() as u64;
                self.speculative_rollouts = self.speculative_rollouts.saturating_sub(never_begun);
            }
            Fact::RolloutSettled(rollout) | Fact::RolloutSuspended(rollout) => {
                self.count_rollout(rollout);
            }
            Fact::RolloutRecalled(_) => self.recalled_rollouts += 1,
            Fact::ReflectionRecalled(_) => self.recalled_reflections += 1,
            Fact::ReflectionSettled(reflection) => {
                self.reflection_calls += 1;
                self.spend(Phase::Optimization, Purpose::Reflection, reflection.usage);
            }
            _ => {}
        }
    }

    /// Counts a decision.
    pub(crate) fn count_decision(&mut self, decision: &Decision) {
        match decision {
            Decision::RunStarted(_) | Decision::CandidateProposed(_) => self.trials_tried += 1,
            Decision::TrialStarted(started) => {
                self.reused_rollouts += u64::from(started.reused);
                if started.speculative {
                    let ordered = started.examples.len() as u64;
                    self.speculative_rollouts += ordered.saturating_sub(u64::from(started.reused));
                }
            }
            Decision::ProposalClosed(closed) => self.wasted_rollouts += closed.wasted,
            Decision::TrialFinished(finished) => {
                self.total_trials_evaluated += 1;
                match finished.stage.phase() {
                    Phase::Optimization => self.optimization_trials_evaluated += 1,
                    Phase::Validation => {
                        self.validation_trials_evaluated += 1;
                        self.eval_n = self.eval_n.max(u64::from(finished.scored));
                    }
                }
            }
            Decision::ProposalIssued(_) | Decision::RefinementIssued(_) => self.iterations += 1,
            Decision::CandidateAccepted(_) => self.candidates_accepted += 1,
            _ => {}
        }
    }

    /// Known cost in dollars.
    pub fn total_cost_usd(&self) -> f64 {
        self.total_cost_micro_usd as f64 / 1e6
    }

    fn count_rollout(&mut self, rollout: &RolloutSettled) {
        let phase = rollout.stage.phase();
        let failed = rollout.outcome.scored().is_none();
        if !rollout.again {
            self.total_rollouts += 1;
            match phase {
                Phase::Optimization => self.optimization_rollouts_executed += 1,
                Phase::Validation => self.validation_rollouts_executed += 1,
            }
            self.failed_rollouts += u64::from(failed);
        } else if !failed {
            self.failed_rollouts = self.failed_rollouts.saturating_sub(1);
        }
        self.spend(phase, Purpose::Rollout, rollout.usage);
        self.spend(phase, Purpose::Judge, rollout.judge_usage);
    }

    fn spend(&mut self, phase: Phase, purpose: Purpose, usage: Usage) {
        if usage.is_zero() {
            return;
        }
        if purpose == Purpose::Reflection {
            self.mutation_prompt_tokens = self
                .mutation_prompt_tokens
                .saturating_add(usage.prompt_tokens);
            self.mutation_completion_tokens = self
                .mutation_completion_tokens
                .saturating_add(usage.completion_tokens);
            self.mutation_unknown_tokens = self
                .mutation_unknown_tokens
                .saturating_add(usage.unknown_tokens);
        } else {
            self.rollouts_prompt_tokens = self
                .rollouts_prompt_tokens
                .saturating_add(usage.prompt_tokens);
            self.rollouts_completion_tokens = self
                .rollouts_completion_tokens
                .saturating_add(usage.completion_tokens);
            self.rollouts_unknown_tokens = self
                .rollouts_unknown_tokens
                .saturating_add(usage.unknown_tokens);
        }
        self.total_tokens = self.total_tokens.saturating_add(usage.total_tokens());
        self.total_cost_micro_usd = self.total_cost_micro_usd.saturating_add(usage.cost.0);
        self.unpriced_calls = self.unpriced_calls.saturating_add(usage.unpriced_calls);
        let share = self
            .usage
            .iter_mut()
            .find(|s| s.phase == phase && s.purpose == purpose);
        if let Some(share) = share {
            share.usage += usage;
        } else {
            self.usage.push(UsageShare {
                phase,
                purpose,
                usage,
            });
            // The purpose seen first depends on timing; the order shown must not.
            self.usage.sort_by_key(|share| (share.phase, share.purpose));
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
