//! Tokens and money: reserved before each call, settled after it, never exceeded.

use gepa_evaluation::{MicroUsd, Phase, Usage, UsageBound};

use crate::config::BudgetSettings;
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

/// The number of rollouts that the mean of the latest ones is taken over.
const RECENT: f64 = 32.0;

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
    /// The number of rollouts that the final scoring still needs.
    validation_rollouts: u64,
}

/// The kind of call that asks for a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// A rollout of this phase.
    Rollout(Phase),
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
        validation_rollouts: u64,
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
            validation_rollouts,
        }
    }

    /// Applies other limits; `validation_rollouts` is the number of rollouts that the final scoring
    /// still needs.
    pub(super) fn limit_to(&mut self, limits: &BudgetSettings, validation_rollouts: u64) {
        self.max_tokens = limits.max_tokens;
        self.max_cost = limits.max_cost_usd.map(MicroUsd::from_dollars);
        self.validation_rollouts = validation_rollouts;
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
            self.in_flight.tokens += wanted.tokens;
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
        self.used_tokens += used.total_tokens();
        self.used_cost += used.cost;
        let largest = match kind {
            CallKind::Rollout(phase) => {
                if phase == Phase::Validation {
                    self.validation_rollouts = self.validation_rollouts.saturating_sub(1);
                }
                &mut self.largest_rollout
            }
            CallKind::Reflection => &mut self.largest_reflection,
        };
        largest.tokens = largest.tokens.max(used.total_tokens());
        largest.cost = largest.cost.max(used.cost);
        if let CallKind::Rollout(_) = kind {
            let (tokens, cost) = (used.total_tokens() as f64, used.cost.0 as f64);
            let recent = self.recent.get_or_insert_default();
            recent.count = (recent.count + 1.0).min(RECENT);
            recent.tokens += (tokens - recent.tokens) / recent.count;
            recent.cost += (cost - recent.cost) / recent.count;
        }
    }

    /// The reason to stop once a call was refused for good.
    pub(super) fn reason(&self) -> StopReason {
        match (self.max_tokens, self.max_cost) {
            (Some(limit), None) => StopReason::TokenBudget {
                limit,
                used: self.used_tokens,
            },
            (Some(limit), Some(_)) if self.tokens_are_scarcer() => StopReason::TokenBudget {
                limit,
                used: self.used_tokens,
            },
            (_, limit) => StopReason::CostBudget {
                limit_micro_usd: limit.unwrap_or_default().0,
                used_micro_usd: self.used_cost.0,
            },
        }
    }

    /// The amount reserved for the final scoring, estimated from the rollouts so far. A rollout of
    /// the final scoring itself may use it, so for that one the amount is 0.
    fn set_aside(&self, kind: CallKind, wanted: UsageBound) -> UsageBound {
        if kind == CallKind::Rollout(Phase::Validation) {
            return UsageBound::default();
        }
        // Bounds are for calls in flight. What is set aside rests on what rollouts really used; before the
        // first one has ended, on an estimate.
        let each = match kind {
            CallKind::Rollout(_) if self.largest_rollout == UsageBound::default() => {
                first_estimate(wanted)
            }
            _ => self.next_validation(),
        };
        UsageBound {
            tokens: each.tokens.saturating_mul(self.validation_rollouts),
            cost: MicroUsd(each.cost.0.saturating_mul(self.validation_rollouts)),
        }
    }

    /// What a rollout of the final scoring is expected to use: half as much again as the latest ones, which
    /// have the longest texts, and no more than the most expensive one with its margin.
    fn next_validation(&self) -> UsageBound {
        let most = with_margin(self.largest_rollout);
        self.recent.map_or(most, |recent| UsageBound {
            tokens: most.tokens.min((1.5 * recent.tokens).ceil() as u64),
            cost: most.cost.min(MicroUsd((1.5 * recent.cost).ceil() as u64)),
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

/// What a rollout is expected to use while nothing is known but its bound, which counts every byte as a
/// token and the reply at its longest.
fn first_estimate(bound: UsageBound) -> UsageBound {
    UsageBound {
        tokens: bound.tokens / FIRST_SHARE,
        cost: MicroUsd(bound.cost.0 / FIRST_SHARE),
    }
}

fn with_margin(largest: UsageBound) -> UsageBound {
    UsageBound {
        tokens: largest.tokens + largest.tokens / 4,
        cost: MicroUsd(largest.cost.0 + largest.cost.0 / 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLOUT: CallKind = CallKind::Rollout(Phase::Optimization);

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

    #[test]
    fn grants_in_flight_count_and_the_limit_is_never_overshot() {
        let mut gate = SpendLimiter::new(Some(100), None, 0, &Counters::default());
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
                used: 80
            }
        );
    }

    #[test]
    fn the_final_scoring_has_its_share_set_aside() {
        let mut gate = SpendLimiter::new(Some(100), None, 4, &Counters::default());
        assert_eq!(
            gate.ask(ROLLOUT, Some(tokens(20))),
            Admission::Granted(tokens(20))
        );
        gate.settle(ROLLOUT, tokens(20), used(16));
        assert_eq!(gate.ask(ROLLOUT, Some(tokens(20))), Admission::Exhausted);
        let validation = CallKind::Rollout(Phase::Validation);
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
        let mut gate = SpendLimiter::new(Some(500), None, 100, &Counters::default());
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
        let mut gate = SpendLimiter::new(Some(100), None, 0, &Counters::default());
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Granted(tokens(0)));
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Later);
        gate.settle(ROLLOUT, tokens(0), used(40));
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Granted(tokens(50)));
        assert_eq!(gate.ask(ROLLOUT, None), Admission::Later);
    }
}
