//! The throughput of a client that knows the limits at every moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{CapacityPlan, Demand, Overload};
use super::state::{Capacity, PeriodBooks, Verdict};

/// The books of a provider whose client sends each call at the moment it can be served, in the
/// order of their numbers, and sends no call that would be refused.
pub fn oracle(plan: &CapacityPlan, demand: impl Fn(u64) -> Demand) -> Vec<PeriodBooks> {
    let plan = CapacityPlan {
        overload: Overload::Refuse {
            status: 429,
            retry_after: None,
        },
        ..plan.clone()
    };
    let lasts = plan.lasts();
    let start = Instant::now();
    let mut provider = Capacity::new(plan);
    let mut under_way: BinaryHeap<Reverse<(Instant, u64)>> = BinaryHeap::new();
    let mut now = start;
    let mut next = 0;
    while now.saturating_duration_since(start) < lasts {
        while let Some(Reverse((ends, tokens))) = under_way.peek().copied() {
            if ends > now {
                break;
            }
            under_way.pop();
            provider.ends(Some(tokens), now);
        }
        let wanted = demand(next);
        let wait = provider.opens_in(wanted, now);
        if wait == Some(Duration::ZERO) {
            if let Verdict::Served { after } = provider.arrives(wanted, now) {
                under_way.push(Reverse((now + after, wanted.tokens)));
                next += 1;
            }
            continue;
        }
        let first_end = under_way.peek().map(|Reverse((ends, _))| *ends);
        let change = provider.changes_in(now).map(|wait| now + wait);
        // A wait that is rounded to zero would stop the clock.
        let opens = wait.map(|wait| now + wait.max(Duration::from_micros(1)));
        let events = [first_end, change, opens];
        now = events.into_iter().flatten().min().unwrap_or(start + lasts);
    }
    provider.books().to_vec()
}
