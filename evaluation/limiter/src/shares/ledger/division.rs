//! How the even rate and the calls in flight are divided between holders.

use super::{Holder, Ledger};

/// Even rate that may be taken at once, in seconds of it.
const BURST_SECONDS: f64 = 2.0;
const SMALLEST_BURST: f64 = 8.0;
/// Where more holders have calls than may be in flight, one keeps its part for this long, in milliseconds.
const LONGEST_PART: u64 = 4_000;

/// A holder that gets a part of the even rate.
struct Wanting<'l> {
    credit: &'l mut f64,
    /// What it has a use for.
    most: f64,
    /// What its first call needs.
    first: f64,
}

impl Ledger {
    /// Hands the even rate of the time since the last change to holders with a demand, in equal parts.
    pub(super) fn hand_out_rate(&mut self, now: u64) {
        let since = self.credited_until;
        // Holders see now at different delays; no time is handed out twice.
        self.credited_until = since.max(Some(now));
        let seconds = since.map(|since| now.saturating_sub(since) as f64 / 1e3);
        let hand_out = |limit: Option<u64>, spare: &mut f64, wanting: &mut [Wanting<'_>]| {
            let Some(limit) = limit else { return };
            let limit = limit.max(1) as f64;
            let burst = (limit / 60.0 * BURST_SECONDS).max(SMALLEST_BURST.min(limit));
            // A new ledger begins with a burst.
            let mut left = *spare + seconds.map_or(burst, |seconds| limit / 60.0 * seconds);
            let mut parts = wanting.len();
            // What is saved while nothing is free would go out at once, so it is at most a burst.
            let most = burst / parts.max(1) as f64;
            for one in &mut *wanting {
                one.most = one.most.min(most.max(one.first)) - *one.credit;
            }
            wanting.sort_by(|one, other| one.most.total_cmp(&other.most));
            for one in wanting {
                // Rounding can leave a little less than nothing.
                let given = one.most.clamp(0.0, (left / parts as f64).max(0.0));
                *one.credit += given;
                left -= given;
                parts -= 1;
            }
            *spare = left.min(burst);
        };
        let wanting = self.holders.values_mut();
        let wanting = wanting.filter(|holder| holder.demand.requests > 0);
        let (mut requests, mut tokens) = (Vec::new(), Vec::new());
        for holder in wanting {
            let demand = holder.demand;
            requests.push(Wanting {
                credit: &mut holder.credit.requests,
                most: demand.requests as f64,
                first: 1.0,
            });
            tokens.push(Wanting {
                credit: &mut holder.credit.tokens,
                most: demand.tokens.max(demand.first) as f64,
                first: demand.first as f64,
            });
        }
        hand_out(
            self.limits.requests,
            &mut self.spare.requests,
            &mut requests,
        );
        hand_out(self.limits.tokens, &mut self.spare.tokens, &mut tokens);
    }

    /// A holder's part of the calls in flight: by its demand, and never what others hold. Where there are
    /// more holders with calls than calls may be in flight, they take turns.
    pub(super) fn part_of_concurrency(&mut self, holder: &str, limit: u64, now: u64) -> u64 {
        let wanted = |one: &Holder| one.demand.requests + one.demand.in_flight;
        let all: u64 = self.holders.values().map(wanted).sum();
        let others = || self.holders.iter().filter(|(name, _)| *name != holder);
        let held: u64 = others().map(|(_, other)| other.concurrent).sum();
        let are_too_many = others().filter(|(_, other)| wanted(other) > 0).count() as u64 >= limit;
        let somebody_waits =
            others().any(|(_, other)| other.concurrent == 0 && other.demand.requests > 0);
        let Some(own) = self.holders.get_mut(holder) else {
            return 0;
        };
        let free = limit.saturating_sub(held);
        let in_flight = own.demand.in_flight;
        let (wants, all) = (u128::from(wanted(own)), u128::from(all.max(1)));
        let fair = if somebody_waits {
            u128::from(limit) * wants / all
        } else {
            (u128::from(limit) * wants).div_ceil(all)
        };
        let fair = u64::try_from(fair).unwrap_or(u64::MAX).max(1);
        let had_its_turn = now >= own.part_since + LONGEST_PART;
        if own.concurrent > 0 && are_too_many && somebody_waits && had_its_turn {
            // What is in flight counts until it has ended, and then another holder gets it.
            own.concurrent = in_flight;
            own.part_since = own.part_since.min(now);
            return 0;
        }
        let part = fair.min(free);
        if own.concurrent == 0 {
            own.part_since = now;
        }
        own.part_since = own.part_since.min(now);
        own.concurrent = part.max(in_flight);
        part
    }
}
