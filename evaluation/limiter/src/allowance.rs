//! What the provider says is left of its limits. Unlike limits in the configuration it comes with
//! replies, late, and not everybody means the same by it, so it holds calls back only for a short time.

use std::time::Duration;

use tokio::time::Instant;

use super::terms::{Allowance, Left};

/// What was heard is acted upon for this long, and no call is held back for longer because of it.
const LONGEST_HOLD: Duration = Duration::from_mins(1);

/// How fast the typical size of a call follows what calls turn out to use.
const NEWS: f64 = 0.1;

/// The latest word of the provider, and what has gone out since.
#[derive(Debug, Default)]
pub(super) struct Heard {
    requests: Option<Level>,
    tokens: Option<Level>,
    typical_tokens: f64,
}

/// Something that is used up by calls and comes back evenly, as far as anybody says.
#[derive(Clone, Copy, Debug)]
struct Level {
    left: f64,
    per_second: f64,
    as_of: Instant,
}

impl Heard {
    pub(super) fn hear(&mut self, allowance: &Allowance, now: Instant) {
        let level = |left: Option<Left>| left.and_then(|left| Level::of(left, now));
        self.requests = level(allowance.requests).or(self.requests);
        self.tokens = level(allowance.tokens).or(self.tokens);
    }

    /// When a call of about `tokens` tokens fits into what is left; `None` for now.
    pub(super) fn opens_at(&self, tokens: u64, now: Instant) -> Option<Instant> {
        let tokens = self.expected(tokens);
        let opens =
            |level: Option<Level>, needed| level.and_then(|level| level.opens_at(needed, now));
        opens(self.requests, 1.0).max(opens(self.tokens, tokens))
    }

    pub(super) fn take(&mut self, tokens: u64) {
        let tokens = self.expected(tokens);
        if let Some(level) = &mut self.requests {
            level.left -= 1.0;
        }
        if let Some(level) = &mut self.tokens {
            level.left -= tokens;
        }
    }

    /// A call has used this many tokens.
    pub(super) fn used(&mut self, tokens: u64) {
        let weight = if self.typical_tokens > 0.0 { NEWS } else { 1.0 };
        self.typical_tokens += (tokens as f64 - self.typical_tokens) * weight;
    }

    fn expected(&self, tokens: u64) -> f64 {
        if self.typical_tokens > 0.0 {
            self.typical_tokens.min(tokens as f64)
        } else {
            tokens as f64
        }
    }
}

impl Level {
    fn of(left: Left, now: Instant) -> Option<Self> {
        let full_in = left.full_in.filter(|full_in| !full_in.is_zero())?;
        // Where the limit is not said, one part of it is all that is sure to come back.
        let used = left
            .limit
            .map_or(1, |limit| limit.saturating_sub(left.remaining));
        Some(Self {
            left: left.remaining as f64,
            per_second: used as f64 / full_in.as_secs_f64(),
            as_of: now,
        })
    }

    fn opens_at(self, needed: f64, now: Instant) -> Option<Instant> {
        let forgotten = self.as_of + LONGEST_HOLD;
        if self.left >= needed || now >= forgotten {
            return None;
        }
        let wait = (needed - self.left) / self.per_second;
        let opens = if wait < LONGEST_HOLD.as_secs_f64() {
            self.as_of + Duration::from_secs_f64(wait)
        } else {
            forgotten
        };
        (opens > now).then_some(opens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(limit: u64, remaining: u64, full_in_seconds: f64) -> Left {
        Left {
            limit: Some(limit),
            remaining,
            full_in: Some(Duration::from_secs_f64(full_in_seconds)),
        }
    }

    fn heard(
        requests: impl Into<Option<Left>>,
        tokens: impl Into<Option<Left>>,
        now: Instant,
    ) -> Heard {
        let (requests, tokens) = (requests.into(), tokens.into());
        let mut heard = Heard::default();
        heard.hear(&Allowance { requests, tokens }, now);
        heard
    }

    #[tokio::test]
    async fn a_call_waits_until_what_it_needs_has_come_back() {
        let now = Instant::now();
        // Sixty of sixty are used and come back within a minute: one a second.
        let heard = heard(left(60, 0, 60.0), None, now);
        assert_eq!(heard.opens_at(10, now), Some(now + Duration::from_secs(1)));
        assert_eq!(heard.opens_at(10, now + Duration::from_secs(1)), None);
        let both = self::heard(left(60, 60, 1.0), left(1_000, 100, 9.0), now);
        assert_eq!(both.opens_at(100, now), None);
        assert_eq!(both.opens_at(300, now), Some(now + Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn what_has_gone_out_since_counts() {
        let now = Instant::now();
        let mut heard = heard(left(60, 2, 58.0), None, now);
        for _ in 0..2 {
            assert_eq!(heard.opens_at(1, now), None);
            heard.take(1);
        }
        assert_eq!(heard.opens_at(1, now), Some(now + Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn calls_are_measured_by_what_calls_use_and_not_by_what_they_might() {
        let now = Instant::now();
        let mut heard = heard(None, left(10_000, 1_000, 60.0), now);
        assert!(heard.opens_at(4_096, now).is_some());
        heard.used(200);
        assert_eq!(heard.opens_at(4_096, now), None);
    }

    #[tokio::test]
    async fn no_header_holds_calls_back_for_more_than_a_minute() {
        let now = Instant::now();
        let a_day = heard(left(1_000, 0, 86_400.0), None, now);
        assert_eq!(a_day.opens_at(1, now), Some(now + LONGEST_HOLD));
        assert_eq!(a_day.opens_at(1, now + LONGEST_HOLD), None);
        let without_limit = Some(Left {
            limit: None,
            remaining: 0,
            full_in: Some(Duration::from_secs(7)),
        });
        let unlimited = heard(without_limit, None, now);
        assert_eq!(
            unlimited.opens_at(1, now),
            Some(now + Duration::from_secs(7))
        );
        let silent = Some(Left {
            limit: Some(9),
            remaining: 0,
            full_in: None,
        });
        assert_eq!(heard(silent, None, now).opens_at(1, now), None);
    }
}
