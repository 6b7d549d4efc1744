//! Tokens and money: reserved before each call, settled after it, never exceeded.

use gepa_evaluation::{MicroUsd, Phase, Stage, Usage, UsageBound};

use crate::config::BudgetSettings;
use crate::core::ValidationAhead;
use crate::counters::Counters;
use crate::stop::StopReason;

/// A mean over about as many of the latest rollouts.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// The number of rollouts in the mean, up to [`RECENT`].
    count: f64,
    tokens: f64,
    cost: f64,
}

impl Recent {
    fn note(&mut self, used: Usage) {
        let (tokens, cost) = (used.total_tokens() as f64, used.cost.0 as f64);
        self.count = (self.count + 1.0).min(RECENT);
        self.tokens += (tokens - self.tokens) / self.count;
        self.cost += (cost - self.cost) / self.count;
    }
}

/// The number of rollouts that the mean of the latest ones is taken over.
const RECENT: f64 = 32.0;

/// What is set aside for a rollout of the final scoring, in means: the seed's texts stay as they are, those of
/// the best candidates are longer than the mean.
const SEED_MARGIN: f64 = 1.25;
const BEST_MARGIN: f64 = 1.5;

/// The part of its bound that the first rollout is expected to use, as a divisor.
const FIRST_SHARE: u64 = 20;

/// The limits on tokens and cost, and the amounts reserved for calls in flight.
#[derive(Debug)]
pub(super) struct SpendLimiter {
    max_tokens: Option<u64>,
    max_cost: Option<MicroUsd>,
    used_tokens: u64,
    used_cost: MicroUsd,
    in_flight: UsageBound,
    calls_in_flight: u64,
    /// The most that one rollout has cost so far. The next one is expected to cost at most this.
    largest_rollout: UsageBound,
    largest_reflection: UsageBound,
    /// The mean of the latest rollouts.
    recent: Option<Recent>,
    /// The mean of the latest rollouts of the seed, whose texts are the shortest.
    of_seed: Option<Recent>,
    /// The rollouts that the final scoring still needs.
    validation: ValidationAhead,
}

/// The kind of call that asks for a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// A rollout of this stage.
    Rollout(Stage),
    /// A reflection call.
    Reflection,
}

/// The answer to a request for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The call may begin. Return this amount when it is settled.
    Granted(UsageBound),
    /// The call may not begin while the present calls are in flight.
    Later,
    /// The call may never begin, because the limit is reached.
    Exhausted,
}

impl SpendLimiter {
    pub(super) fn new(
        max_tokens: Option<u64>,
        max_cost_usd: Option<f64>,
        validation: ValidationAhead,
        spent: &Counters,
    ) -> Self {
        Self {
            max_tokens,
            max_cost: max_cost_usd.map(MicroUsd::from_dollars),
            used_tokens: spent.total_tokens,
            used_cost: MicroUsd(spent.total_cost_micro_usd),
            in_flight: UsageBound::default(),
            calls_in_flight: 0,
            largest_rollout: UsageBound::default(),
            largest_reflection: UsageBound::default(),
            recent: None,
            of_seed: None,
            validation,
        }
    }

    /// Applies other limits; `validation` is what the final scoring still needs.
    pub(super) fn limit_to(&mut self, limits: &BudgetSettings, validation: ValidationAhead) {
        self.max_tokens = limits.max_tokens;
        self.max_cost = limits.max_cost_usd.map(MicroUsd::from_dollars);
        self.validation = validation;
    }

    /// Whether any limit is set.
    pub(super) fn is_limited(&self) -> bool {
        self.max_tokens.is_some() || self.max_cost.is_some()
    }

    /// Requests a call whose cost is at most `bound`, where that is known. A call without a known
    /// bound is expected to cost at most 25 % more than the most expensive one so far. The first
    /// such call runs alone.
    pub(super) fn ask(&mut self, kind: CallKind, bound: Option<UsageBound>) -> Admission {
        if !self.is_limited() {
            self.calls_in_flight += 1;
            return Admission::Granted(UsageBound::default());
        }
        let learned = match kind {
            CallKind::Rollout(_) => self.largest_rollout,
            CallKind::Reflection => self.largest_reflection,
        };
        let unknown = bound.is_none() && learned == UsageBound::default();
        let wanted = bound.unwrap_or_else(|| with_margin(learned));
        let set_aside = self.set_aside(kind, wanted);
        let fits = self.fits(wanted, set_aside);
        if fits && (!unknown || self.calls_in_flight == 0) {
            self.calls_in_flight += 1;
            self.in_flight.tokens = self.in_flight.tokens.saturating_add(wanted.tokens);
            self.in_flight.cost += wanted.cost;
            Admission::Granted(wanted)
        } else if self.calls_in_flight > 0 {
            Admission::Later
        } else {
            Admission::Exhausted
        }
    }

    /// Returns a grant; `used` is the real cost of the call.
    pub(super) fn settle(&mut self, kind: CallKind, granted: UsageBound, used: Usage) {
        self.calls_in_flight = self.calls_in_flight.saturating_sub(1);
        self.in_flight.tokens = self.in_flight.tokens.saturating_sub(granted.tokens);
        self.in_flight.cost = MicroUsd(self.in_flight.cost.0.saturating_sub(granted.cost.0));
        self.used_tokens = self.used_tokens.saturating_add(used.total_tokens());
        self.used_cost += used.cost;
        let largest = match kind {
            CallKind::Rollout(stage) => {
                self.validation.note_end_of(stage);
                &mut self.largest_rollout
            }
            CallKind::Reflection => &mut self.largest_reflection,
        };
        largest.tokens = largest.tokens.max(used.total_tokens());
        largest.cost = largest.cost.max(used.cost);
        if let CallKind::Rollout(stage) = kind {
            self.recent.get_or_insert_default().note(used);
            if stage == Stage::Seed {
                self.of_seed.get_or_insert_default().note(used);
            }
        }
    }

    /// The reason to stop once a call was refused for good.
    pub(super) fn reason(&self) -> StopReason {
        let kept = self.set_aside(CallKind::Reflection, UsageBound::default());
        match self.max_tokens {
            Some(limit) if self.max_cost.is_none() || self.tokens_are_scarcer() => {
                StopReason::TokenBudget {
                    limit,
                    used: self.used_tokens,
                    set_aside: kept.tokens,
                }
            }
            _ => StopReason::CostBudget {
                limit_micro_usd: self.max_cost.unwrap_or_default().0,
                used_micro_usd: self.used_cost.0,
                set_aside_micro_usd: kept.cost.0,
            },
        }
    }

    /// The amount reserved for the final scoring, estimated from the rollouts so far. A rollout of
    /// the final scoring itself may use it, so for that one the amount is 0.
    fn set_aside(&self, kind: CallKind, wanted: UsageBound) -> UsageBound {
        if matches!(kind, CallKind::Rollout(stage) if stage.phase() == Phase::Validation) {
            return UsageBound::default();
        }
        // Bounds are for calls in flight. What is set aside rests on what rollouts really used; before the
        // first one has ended, on an estimate.
        let ValidationAhead { of_seed, of_best } = self.validation;
        if matches!(kind, CallKind::Rollout(_)) && self.largest_rollout == UsageBound::default() {
            return times(first_estimate(wanted), of_seed + of_best);
        }
        let seed = times(self.next_rollout(self.of_seed, SEED_MARGIN), of_seed);
        let best = times(self.next_rollout(self.recent, BEST_MARGIN), of_best);
        UsageBound {
            tokens: seed.tokens.saturating_add(best.tokens),
            cost: seed.cost + best.cost,
        }
    }

    /// What a rollout of the final scoring is expected to use: the mean of these with a margin, and no more than
    /// the most expensive one with its own.
    fn next_rollout(&self, mean: Option<Recent>, margin: f64) -> UsageBound {
        let most = with_margin(self.largest_rollout);
        mean.or(self.recent).map_or(most, |mean| UsageBound {
            tokens: most.tokens.min((margin * mean.tokens).ceil() as u64),
            cost: most.cost.min(MicroUsd((margin * mean.cost).ceil() as u64)),
        })
    }

    fn fits(&self, wanted: UsageBound, set_aside: UsageBound) -> bool {
        let tokens = self
            .used_tokens
            .saturating_add(self.in_flight.tokens)
            .saturating_add(wanted.tokens)
            .saturating_add(set_aside.tokens);
        let cost = self.used_cost + self.in_flight.cost + wanted.cost + set_aside.cost;
        self.max_tokens.is_none_or(|limit| tokens <= limit)
            && self.max_cost.is_none_or(|limit| cost <= limit)
    }

    fn tokens_are_scarcer(&self) -> bool {
        let share = |used: u64, limit: u64| used as f64 / limit.max(1) as f64;
        let tokens = self
            .max_tokens
            .map_or(0.0, |limit| share(self.used_tokens, limit));
        let cost = self
            .max_cost
            .map_or(0.0, |limit| share(self.used_cost.0, limit.0));
        tokens >= cost
    }
}

/// The usage that an evaluator reports, up to what a rollout can have.
pub(super) fn believed(reported: Usage) -> Usage {
    let bounded = reported.bounded();
    if bounded != reported {
        tracing::warn!(
            "the evaluator reports more usage than a rollout can have; its counts are cut at {} and its cost at \
             ${}: correct the usage that it returns",
            Usage::MOST_COUNTED,
            Usage::MOST_DOLLARS
        );
    }
    bounded
}

/// What a rollout is expected to use while nothing is known but its bound, which counts every byte as a
/// token and the reply at its longest.
fn first_estimate(bound: UsageBound) -> UsageBound {
    UsageBound {
        tokens: bound.tokens / FIRST_SHARE,
        cost: MicroUsd(bound.cost.0 / FIRST_SHARE),
    }
}

fn times(each: UsageBound, count: u64) -> UsageBound {
    UsageBound {
        tokens: each.tokens.saturating_mul(count),
        cost: MicroUsd(each.cost.0.saturating_mul(count)),
    }
}

fn with_margin(largest: UsageBound) -> UsageBound {
    UsageBound {
        tokens: largest.tokens.saturating_add(largest.tokens / 4),
        cost: largest.cost + MicroUsd(largest.cost.0 / 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLOUT: CallKind = CallKind::Rollout(Stage::Seed);

    fn tokens(count: u64) -> UsageBound {
        UsageBound {
            tokens: count,
            cost: MicroUsd(0),
        }
    }

    fn used(count: u64) -> Usage {
        Usage {
            calls: 1,
            prompt_tokens: count,
            ..Usage::default()
        }
    }

    fn best(count: u64) -> ValidationAhead {
        ValidationAhead {
            of_seed: 0,
            of_best: count,
        }
    }

    #[test]
    fn the_seeds_share_of_the_final_scoring_rests_on_the_seeds_rollouts() {
        let ahead = ValidationAhead {
            of_seed: 10,
            of_best: 0,
        };
        let mut gate = SpendLimiter::new(Some(1_000), None, ahead, &Counters::default());
        let settle = |gate: &mut SpendLimiter, stage, count| {
            let kind = CallKind::Rollout(stage);
            let Admission::Granted(granted) = gate.ask(kind, Some(tokens(100))) else {
                panic!("the call does not fit");
            };
            gate.settle(kind, granted, used(count));
        };
        settle(&mut gate, Stage::Seed, 20);
        // Ten rollouts of the seed at 25 each are set aside, not ten at the price of the longer texts.
        for _ in 0..7 {
            settle(&mut gate, Stage::MinibatchChild, 90);
        }
        assert_eq!(gate.ask(ROLLOUT, Some(tokens(101))), Admission::Exhausted);
    }

    #[test]
    fn grants_in_flight_count_and_the_limit_is_never_overshot() {
        let mut gate = SpendLimiter::new(Some(100), None, best(0), &Counters::default());
        assert_eq!(
            gate.ask(ROLLOUT, Some(tokens(60))),
            Admission::Granted(tokens(60))
        );
        assert_eq!(gate.ask(ROLLOUT, Some(tokens(60))), Admission::Later);
        gate.settle(ROLLOUT, tokens(60), used(30));
        assert_eq!(
            gate.ask(ROLLOUT, Some(tokens(60))),
            Admission::Granted(tokens(60))
        );
        gate.settle(ROLLOUT, tokens(60), used(50));
        assert_eq!(gate.ask(ROLLOUT, Some(tokens(60))), Admission::Exhausted);
        assert_eq!(
            gate.reason(),
            StopReason::TokenBudget {
                limit: 100,
                used: 80,
                set_aside: 0
            }
        );
    }

    #[test]
    fn huge_amounts_reach_the_limit_and_do_not_wrap_around() {
        for (max_tokens, max_cost) in [(Some(100), None), (None, Some(1.0))] {
            let mut gate = SpendLimiter::new(max_tokens, max_cost, best(1), &Counters::default());
            let huge = Usage {
                cost: MicroUsd(u64::MAX),
                ..used(u64::MAX)
            };
            for _ in 0..2 {
                gate.calls_in_flight += 1;
                gate.settle(ROLLOUT, UsageBound::default(), huge);
            }
            assert_eq!(gate.ask(ROLLOUT, None), Admission::Exhausted);
        }
        let mut gate = SpendLimiter::new(None, Some(1.0), best(0), &Counters::default());
        for _ in 0..2 {
            let granted = Admission::Granted(tokens(u64::MAX));
            assert_eq!(gate.ask(ROLLOUT, Some(tokens(u64::MAX))), granted);
        }
    }

    #[test]
    fn the_final_scoring_has_its_share_set_aside() {
        let mut gate = SpendLimiter::new(Some(100), None, best(4), &Counters::default());
        assert_eq!(
            gate.ask(ROLLOUT, Some(tokens(20))),
            Admission::Granted(tokens(20))
        );
        gate.settle(ROLLOUT, tokens(20), used(16));
        assert_eq!(gate.ask(ROLLOUT, Some(tokens(20))), Admission::Exhausted);
        // Four rollouts as the one that used 16 tokens, with a margin of a quarter.
        assert_eq!(
            gate.reason().to_string(),
            "token budget: 16 of 100 tokens used, 80 are kept for the final scoring, and the next call might not have \
             fitted into the rest"
        );
        let validation = CallKind::Rollout(Stage::ValidationTopK);
        for _ in 0..4 {
            assert_eq!(
                gate.ask(validation, Some(tokens(20))),
                Admission::Granted(tokens(20))
            );
        }
    }

    #[test]
    fn a_run_begins_where_real_calls_are_far_below_their_bounds() {
        // 100 rollouts of validation at a bound of 50 each would be ten times the limit.
        let mut gate = SpendLimiter::new(Some(500), None, best(100), &Counters::default());
        assert_eq!(
            gate.ask(ROLLOUT, Some(tokens(50))),
            Admission::Granted(tokens(50))
        );
        gate.settle(ROLLOUT, tokens(50), used(2));
        assert_eq!(
            gate.ask(ROLLOUT, Some(tokens(50))),
            Admission::Granted(tokens(50))
        );
        gate.settle(ROLLOUT, tokens(50), used(8));
        // Validation now needs about 1000.
        assert_eq!(gate.ask(ROLLOUT, Some(tokens(50))), Admission::Exhausted);
    }

    #[test]
    fn a_first_call_of_unknown_cost_goes_alone() {
        let mut gate = SpendLimiter::new(Some(100), None, best(0), &Counters::default());
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Granted(tokens(0)));
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Later);
        gate.settle(ROLLOUT, tokens(0), used(40));
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Granted(tokens(50)));
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Later);
    }
}
