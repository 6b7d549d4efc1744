//! The document of a shared limit, and how a holder changes it. Plain functions of the document, the time
//! and what the holder says.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::capacity::{Common, View};
use super::health::{Health, Signs};

mod calendar;
mod day;
mod division;
mod words;

use calendar::Day;
pub use calendar::DayView;
pub use words::{Amount, Demand, Grant, Moment, SharedLimits, Turn};

/// How long a grant may be used.
pub const VALID: Duration = Duration::from_secs(3);
/// How much later than its end others close the grant of a holder that does not.
pub const GRACE: Duration = Duration::from_millis(500);
/// Closed units are kept in one entry if their changes are not further apart.
pub const GRAIN: Duration = Duration::from_millis(100);
pub(super) const WINDOW_MILLIS: u64 = 60_000;

/// The units of a shared limit that are in use or were in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// The strictest limits that holders name.
    limits: SharedLimits,
    /// Closed units by the change that closed them, oldest first.
    closed: Vec<Entry>,
    /// Units that the last change closed. Only the next writer knows its time.
    fresh: Amount,
    holders: BTreeMap<String, Holder>,
    /// What no holder had a use for, up to one burst.
    spare: Credit,
    /// Until when the even rate has been handed out, in the server's milliseconds.
    credited_until: Option<u64>,
    /// Until when the provider requested a pause.
    paused_until: Option<u64>,
    /// The search for the number of calls at once.
    search: Option<Common>,
    health: Health,
    day: Day,
    /// The holder that takes the turns of all.
    divider: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// The last change whose units it holds.
    revision: u64,
    /// The time of that change.
    at: u64,
    amount: Amount,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Holder {
    grant: Option<Open>,
    /// The limits that it names.
    limits: SharedLimits,
    demand: Demand,
    credit: Credit,
    /// Its part of the calls in flight.
    concurrent: u64,
    /// Since when it has a part of them.
    part_since: u64,
    /// When it last got something. Who has waited longest comes first.
    granted_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    number: u64,
    amount: Amount,
    /// When it was issued; `None` if the last change issued it.
    since: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Credit {
    requests: f64,
    tokens: f64,
}

impl Ledger {
    /// The number of a holder's grant.
    pub fn grant_of(&self, holder: &str) -> Option<u64> {
        let grant = self.holders.get(holder)?.grant?;
        Some(grant.number)
    }

    /// How many processes hold a share.
    pub fn holders(&self) -> usize {
        self.holders.len()
    }

    /// The holder that takes the turns of all, if there is one.
    pub fn divider(&self) -> Option<&str> {
        self.divider.as_deref()
    }

    /// Lets this holder take the turns of all.
    pub fn name_divider(&mut self, holder: &str, at: Moment) {
        self.date(at.revision, at.written_at, at.now);
        self.divider = Some(holder.to_owned());
    }

    /// Takes the turns of several holders in one change, and returns their new grants in the order of the turns;
    /// `None` for one that leaves, and for a turn that was taken before.
    pub fn take_turns(&mut self, turns: &[Turn], at: Moment) -> Vec<Option<Grant>> {
        self.date(at.revision, at.written_at, at.now);
        let turns: Vec<Option<Turn>> = turns.iter().map(|turn| self.to_take(turn)).collect();
        let taken = || turns.iter().flatten();
        for turn in taken() {
            self.take_in(turn, at.now);
        }
        self.close_lost(|name| taken().any(|turn| turn.holder == name), at.now);
        self.closed
            .retain(|entry| entry.at + WINDOW_MILLIS > at.now);
        self.agree();
        self.hand_out_rate(at.now);
        // Who leaves makes room, and who has waited longest comes first.
        let since = |turn: &Turn| self.holders.get(&turn.holder).map(|one| one.granted_at);
        let mut order: Vec<usize> = (0..turns.len()).collect();
        order.sort_by_key(|place| {
            let turn = turns.get(*place).and_then(Option::as_ref);
            turn.map(|turn| (!turn.leaves, since(turn)))
        });
        let mut grants = vec![None; turns.len()];
        for place in order {
            let turn = turns.get(place).and_then(Option::as_ref);
            if let (Some(turn), Some(grant)) = (turn, grants.get_mut(place)) {
                *grant = self.grant_to(turn, at);
            }
        }
        grants
    }

    /// A turn without what an earlier one, whose confirmation was lost, has said already; `None` if it was taken.
    fn to_take(&self, turn: &Turn) -> Option<Turn> {
        let held = self.grant_of(&turn.holder);
        if held.is_some_and(|held| held >= turn.number) {
            return None;
        }
        let mut turn = turn.clone();
        if held.is_some() && held == turn.unsure {
            // Its grant was never used.
            turn.used = held.map(|number| (number, Amount::default()));
            turn.returned.clear();
            turn.excess = 0;
            turn.returned_costs.clear();
            turn.excess_cost = 0;
            turn.signs = Signs::default();
            return Some(turn);
        }
        let closes = turn.used.map(|(number, _)| number);
        if held != closes && (held.is_some() || turn.unsure.is_some()) {
            // Nothing is ever taken back twice.
            turn.returned.clear();
            turn.returned_costs.clear();
        }
        Some(turn)
    }

    /// Closes a holder's grant, and takes in what it says of its calls.
    fn take_in(&mut self, turn: &Turn, now: u64) {
        self.settle_costs(turn, now);
        self.close_own(turn);
        self.take_back(&turn.returned);
        self.fresh.tokens = self.fresh.tokens.saturating_add(turn.excess);
        let own = self.holders.entry(turn.holder.clone()).or_default();
        own.demand = if turn.leaves {
            Demand::default()
        } else {
            turn.demand
        };
        own.limits = turn.limits;
    }

    fn grant_to(&mut self, turn: &Turn, at: Moment) -> Option<Grant> {
        let (holder, now) = (turn.holder.as_str(), at.now);
        let pause = turn.pause.map(|pause| now + pause.as_millis() as u64);
        self.paused_until = self.paused_until.max(pause).filter(|until| *until > now);
        let most = self.limits.concurrent.unwrap_or(u64::MAX);
        let search = Common::learn(self.search, &turn.learned, most);
        self.search = Some(search);
        let holders = &self.holders;
        let outage = self.health.hear(
            holder,
            &turn.signs,
            turn.demand.requests > 0 && !turn.leaves,
            |name| holders.contains_key(name),
            now,
        );
        if turn.leaves {
            self.holders.remove(holder);
            return None;
        }
        let part = self.part_of_concurrency(holder, search.whole().min(most), now);
        let others = self.holders.iter();
        let others = others.filter(|(name, _)| *name != holder);
        let in_flight_elsewhere = others
            .map(|(_, one)| {
                one.concurrent
                    .min(one.demand.in_flight + one.demand.requests)
            })
            .sum();
        Some(Grant {
            amount: self.grant(turn, now),
            concurrent: part,
            view: View {
                common: search,
                part,
                in_flight_elsewhere,
            },
            outage,
            day: self.day_view(turn, at),
            pause: self
                .paused_until
                .map(|until| Duration::from_millis(until - now)),
        })
    }

    /// The strictest limits that holders name at the moment.
    fn agree(&mut self) {
        let stricter = |own: Option<u64>, other: Option<u64>| match (own, other) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        let named = self.holders.values().map(|holder| holder.limits);
        let strictest = named.fold(SharedLimits::default(), |own, other| SharedLimits {
            requests: stricter(own.requests, other.requests),
            tokens: stricter(own.tokens, other.tokens),
            concurrent: stricter(own.concurrent, other.concurrent),
            micro_dollars: stricter(own.micro_dollars, other.micro_dollars),
        });
        self.limits = SharedLimits {
            micro_dollars: self.day.agree(strictest.micro_dollars),
            ..strictest
        };
    }

    /// Gives what the last change wrote its time.
    fn date(&mut self, revision: u64, written_at: u64, now: u64) {
        for holder in self.holders.values_mut() {
            if let Some(grant) = &mut holder.grant {
                let since = grant.since.unwrap_or(written_at);
                // Times ahead of now are left over from a clock that was set back.
                grant.since = Some(since.min(now.max(written_at)));
            }
        }
        for entry in &mut self.closed {
            entry.at = entry.at.min(now.max(written_at));
        }
        let fresh = std::mem::take(&mut self.fresh);
        if fresh == Amount::default() {
            return;
        }
        let grain = GRAIN.as_millis() as u64;
        // The first change of an entry stays within the grain of its last one.
        match self.closed.last_mut() {
            Some(last) if last.at / grain == written_at / grain => {
                last.revision = revision;
                last.at = last.at.max(written_at);
                last.amount = last.amount.plus(fresh);
            }
            _ => self.closed.push(Entry {
                revision,
                at: written_at,
                amount: fresh,
            }),
        }
    }

    fn close_own(&mut self, turn: &Turn) {
        let Some(own) = self.holders.get_mut(&turn.holder) else {
            // Others have closed it in full.
            return;
        };
        let Some(grant) = own.grant.take() else {
            return;
        };
        let (used, cost) = match turn.used {
            // Costs are counted without a limit as well: another holder may name one.
            Some((number, used)) if number == grant.number => {
                (used.at_most(grant.amount), used.micro_dollars)
            }
            _ => (grant.amount, grant.amount.micro_dollars),
        };
        own.credit.requests += (grant.amount.requests - used.requests) as f64;
        own.credit.tokens += (grant.amount.tokens - used.tokens) as f64;
        self.fresh = self.fresh.plus(used.without_cost());
        self.spend(cost);
    }

    fn close_lost(&mut self, takes_its_turn: impl Fn(&str) -> bool, now: u64) {
        let lost_after = (VALID + GRACE).as_millis() as u64;
        let (fresh, mut cost) = (&mut self.fresh, 0);
        self.holders.retain(|name, holder| {
            let Some(grant) = holder.grant else {
                return takes_its_turn(name);
            };
            let is_lost =
                !takes_its_turn(name) && grant.since.is_some_and(|since| since + lost_after <= now);
            if is_lost {
                *fresh = fresh.plus(grant.amount.without_cost());
                cost += grant.amount.micro_dollars;
            }
            !is_lost
        });
        self.spend(cost);
    }

    fn take_back(&mut self, returned: &[(u64, u64)]) {
        for (revision, tokens) in returned {
            let entry = self.closed.iter_mut();
            // The entry of a change is the first that reaches as far.
            let entry = entry.into_iter().find(|entry| entry.revision >= *revision);
            if let Some(entry) = entry {
                entry.amount.tokens -= (*tokens).min(entry.amount.tokens);
                self.spare.tokens += *tokens as f64;
            }
        }
    }

    fn grant(&mut self, turn: &Turn, now: u64) -> Amount {
        let counted = self.counted();
        let cost = self.part_of_day(turn, counted);
        let counted = counted.plus(self.kept_for_others(&turn.holder));
        let limits = self.limits;
        let spare = self.spare;
        let Some(own) = self.holders.get_mut(&turn.holder) else {
            return Amount::default();
        };
        let part = |limit: Option<u64>, counted: u64, demand: u64, credit: f64| match limit {
            None => demand,
            Some(limit) => {
                let free = limit.max(1).saturating_sub(counted);
                demand.min(free).min(credit.max(0.0) as u64)
            }
        };
        let demand = turn.demand;
        let tokens_wanted = limits.tokens.map_or(demand.tokens, |limit| {
            // A call above the whole limit goes out when nothing else is counted.
            demand.tokens.max(demand.first).min(limit.max(1))
        });
        let first = limits
            .tokens
            .map_or(0, |limit| demand.first.min(limit.max(1)));
        let mut granted = Amount {
            requests: part(
                limits.requests,
                counted.requests,
                demand.requests,
                own.credit.requests + spare.requests,
            ),
            tokens: part(
                limits.tokens,
                counted.tokens,
                tokens_wanted,
                own.credit.tokens + spare.tokens,
            ),
            micro_dollars: cost.unwrap_or(0),
        };
        if granted.requests == 0 || granted.tokens < first || cost.is_none() {
            granted = Amount::default();
        }
        let pay = |limit: Option<u64>, amount: u64, credit: &mut f64, spare: &mut f64| {
            if limit.is_some() {
                let from_own = (amount as f64).min(credit.max(0.0));
                *credit -= from_own;
                *spare -= amount as f64 - from_own;
            }
        };
        if granted.requests > 0 {
            own.granted_at = now;
        }
        let spare = &mut self.spare;
        pay(
            limits.requests,
            granted.requests,
            &mut own.credit.requests,
            &mut spare.requests,
        );
        pay(
            limits.tokens,
            granted.tokens,
            &mut own.credit.tokens,
            &mut spare.tokens,
        );
        own.grant = Some(Open {
            number: turn.number,
            amount: granted,
            since: None,
        });
        granted
    }

    /// What a holder leaves to those that have waited longer, where little is free.
    fn kept_for_others(&self, holder: &str) -> Amount {
        let since = |name: &str| self.holders.get(name).map_or(0, |one| one.granted_at);
        let own = (since(holder), holder);
        let others = self.holders.iter();
        let first = others.filter(|(name, other)| (other.granted_at, name.as_str()) < own);
        first.fold(Amount::default(), |kept, (_, other)| {
            let has = |credit: f64| credit.max(0.0) as u64;
            // What it holds already serves a part of its demand.
            let held = other.grant.map_or(Amount::default(), |grant| grant.amount);
            let missing =
                |demand: u64, held: u64, credit: f64| demand.saturating_sub(held).min(has(credit));
            let demand = other.demand;
            let tokens = demand.tokens.max(demand.first);
            kept.plus(Amount {
                requests: missing(demand.requests, held.requests, other.credit.requests),
                tokens: missing(tokens, held.tokens, other.credit.tokens),
                micro_dollars: 0,
            })
        })
    }

    /// All units that count at this moment.
    pub fn counted(&self) -> Amount {
        let closed = self.closed.iter().map(|entry| entry.amount);
        let open = self.holders.values();
        let open = open.filter_map(|holder| holder.grant.map(|grant| grant.amount));
        closed.chain(open).fold(self.fresh, Amount::plus)
    }
}
