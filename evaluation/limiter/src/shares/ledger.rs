//! The document of a shared limit, and how a holder changes it. Plain functions of the document, the time
//! and what the holder says.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::capacity::{Common, Learned, View};
use super::health::{CommonOutage, Health, Signs};

mod day;
mod division;

use day::Day;
pub use day::DayView;

/// How long a grant may be used.
pub const VALID: Duration = Duration::from_secs(3);
/// How much later than its end others close the grant of a holder that does not.
pub const GRACE: Duration = Duration::from_millis(500);
/// Closed units are kept in one entry if their changes are not further apart.
pub const GRAIN: Duration = Duration::from_millis(100);
pub(super) const WINDOW_MILLIS: u64 = 60_000;

/// Limits per minute and day; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedLimits {
    /// Requests in any 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Tokens in any 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Calls in flight at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
    /// Millionths of a dollar on a day in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_dollars: Option<u64>,
}

/// Requests, tokens and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// Millionths of a dollar. Those of closed grants are counted for the day instead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micro_dollars: u64,
}

/// What a holder could use now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Calls that wait or are about to.
    pub requests: u64,
    /// The tokens that they reserve.
    pub tokens: u64,
    /// The tokens that the first of them reserves; a call needs all of them.
    pub first: u64,
    /// Calls in flight.
    pub in_flight: u64,
    /// What the calls that wait or are about to can cost, in millionths of a dollar.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micro_dollars: u64,
    /// What the first of them can cost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_cost: u64,
}

/// What a holder may do until its next turn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grant {
    /// What it may use.
    pub amount: Amount,
    /// How many calls it may have in flight.
    pub concurrent: u64,
    /// What is left of a pause that the provider requested of any holder.
    pub pause: Option<Duration>,
    /// The search for the number of calls at once.
    pub view: View,
    /// The outage of the provider that holders know of.
    pub outage: Option<CommonOutage>,
    /// The cost of the day.
    pub day: DayView,
}

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

/// What a holder says when it changes the ledger.
#[derive(Clone, Debug, Default)]
pub struct Turn<'t> {
    /// Its name.
    pub holder: &'t str,
    /// The number of the grant that it asks for; each one is higher than those before.
    pub number: u64,
    /// The number of its last grant and what it used of it.
    pub used: Option<(u64, Amount)>,
    /// Tokens that were not used after all, with the change that closed the grant they came from.
    pub returned: Vec<(u64, u64)>,
    /// Tokens used beyond reservations.
    pub excess: u64,
    /// Reserved costs that calls did not cause, with the day for which they were reserved, in millionths of a
    /// dollar.
    pub returned_costs: Vec<(u64, u64)>,
    /// Costs beyond reservations.
    pub excess_cost: u64,
    /// Whether the time of the turn is a few seconds old at most.
    pub knows_time: bool,
    /// What it could use.
    pub demand: Demand,
    /// What is left of a pause that the provider requested of it.
    pub pause: Option<Duration>,
    /// The limits it knows.
    pub limits: SharedLimits,
    /// What it learned about the number of calls at once.
    pub learned: Learned,
    /// What its calls said about the provider's health.
    pub signs: Signs,
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

    /// Takes a holder's turn and returns its new grant. The ledger is the version with `revision`, which
    /// was written at `written_at`; `now` is not later than the server's time.
    pub fn take_turn(
        &mut self,
        turn: &Turn<'_>,
        revision: u64,
        written_at: u64,
        now: u64,
    ) -> Grant {
        self.date(revision, written_at, now);
        self.settle_costs(turn, now);
        self.close_own(turn);
        self.close_lost(turn.holder, now);
        self.take_back(&turn.returned);
        self.fresh.tokens = self.fresh.tokens.saturating_add(turn.excess);
        self.closed.retain(|entry| entry.at + WINDOW_MILLIS > now);
        let own = self.holders.entry(turn.holder.to_owned()).or_default();
        own.demand = turn.demand;
        own.limits = turn.limits;
        self.agree();
        self.hand_out_rate(now);
        let pause = turn.pause.map(|pause| now + pause.as_millis() as u64);
        self.paused_until = self.paused_until.max(pause).filter(|until| *until > now);
        let most = self.limits.concurrent.unwrap_or(u64::MAX);
        let search = Common::learn(self.search, &turn.learned, most);
        self.search = Some(search);
        let holders = &self.holders;
        let outage = self.health.hear(
            turn.holder,
            &turn.signs,
            turn.demand.requests > 0,
            |name| holders.contains_key(name),
            now,
        );
        let part = self.part_of_concurrency(turn.holder, search.whole().min(most), now);
        let others = self.holders.iter();
        let others = others.filter(|(name, _)| *name != turn.holder);
        let in_flight_elsewhere = others
            .map(|(_, one)| {
                one.concurrent
                    .min(one.demand.in_flight + one.demand.requests)
            })
            .sum();
        Grant {
            amount: self.grant(turn, now),
            concurrent: part,
            view: View {
                common: search,
                part,
                in_flight_elsewhere,
            },
            outage,
            day: self.day_view(turn, now),
            pause: self
                .paused_until
                .map(|until| Duration::from_millis(until - now)),
        }
    }

    /// Ends a holder's part without another grant.
    pub fn leave(&mut self, turn: &Turn<'_>, revision: u64, written_at: u64, now: u64) {
        let gone = Turn {
            demand: Demand::default(),
            ..turn.clone()
        };
        self.take_turn(&gone, revision, written_at, now);
        self.holders.remove(turn.holder);
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

    fn close_own(&mut self, turn: &Turn<'_>) {
        let Some(own) = self.holders.get_mut(turn.holder) else {
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

    fn close_lost(&mut self, taker: &str, now: u64) {
        let lost_after = (VALID + GRACE).as_millis() as u64;
        let (fresh, mut cost) = (&mut self.fresh, 0);
        self.holders.retain(|name, holder| {
            let Some(grant) = holder.grant else {
                return name == taker;
            };
            let is_lost =
                name != taker && grant.since.is_some_and(|since| since + lost_after <= now);
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

    fn grant(&mut self, turn: &Turn<'_>, now: u64) -> Amount {
        let counted = self.counted();
        let cost = self.part_of_day(turn, counted);
        let counted = counted.plus(self.kept_for_others(turn.holder));
        let limits = self.limits;
        let spare = self.spare;
        let Some(own) = self.holders.get_mut(turn.holder) else {
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

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            micro_dollars: self.micro_dollars.saturating_add(other.micro_dollars),
        }
    }

    fn without_cost(self) -> Self {
        Self {
            micro_dollars: 0,
            ..self
        }
    }

    fn at_most(self, most: Self) -> Self {
        Self {
            requests: self.requests.min(most.requests),
            tokens: self.tokens.min(most.tokens),
            micro_dollars: 0,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}
