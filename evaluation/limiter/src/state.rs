//! The limiter's decisions, as plain functions of its state and the time.

use std::time::Duration;

use tokio::time::Instant;

use super::allowance::Heard;
use super::breaker::{Breaker, Passage};
use super::concurrency::{Admitted, Availability, Concurrency};
use super::latency::{Advice, LatencyMonitor, Observed};
use super::quota::{RequestQuota, Reserved, TokenQuota};
use super::shares::{Closed, Grant, SharedLimits, SharedQuota, Taken};
use super::terms::{
    Allowance, CallKind, LimiterSettings, Load, Needs, Outage, Report, Standing, UsedUp,
};

/// How long a provider that never answered may take to be there.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(2);

/// The state of a limiter. It never reads the clock.
#[derive(Debug)]
pub(super) struct LimiterState {
    in_flight: usize,
    concurrency: Concurrency,
    latency: LatencyMonitor,
    kinds: Vec<String>,
    requests: Option<RequestQuota>,
    tokens: Option<TokenQuota>,
    shared: Option<SharedQuota>,
    limits: SharedLimits,
    heard: Heard,
    paused_until: Option<Instant>,
    breaker: Breaker,
    has_answered: bool,
    refused: u64,
    longest_outage: Duration,
}

/// What an admitted call hands back when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) is_probe: bool,
    admitted: Admitted,
    observed: Observed,
    reserved: Option<Reserved>,
    taken: Option<Taken>,
    pub(super) cost: Cost,
}

/// What is known of the cost of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cost {
    /// As its end says: what it reserved, or nothing.
    AsItEnded,
    /// What it reserved.
    Reserved,
    Known(u64),
}

/// The answer to a call that waits to go out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Admission {
    Admitted(Ticket),
    /// Ask again when another call has ended.
    WaitForChange,
    /// Ask again when there is another grant of the shared limit.
    WaitForShare,
    /// Ask again at this instant, or when another call has ended if that is earlier.
    WaitUntil(Instant),
    /// The outage has lasted too long, or the pause is too long: the call fails.
    Down(Outage),
}

/// What holds a call back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Nothing,
    /// It goes when a call in flight ends.
    OtherCalls,
    /// It goes with the next grant of the shared limit.
    Share,
    /// It goes at this instant.
    Until(Instant),
}

impl LimiterState {
    pub(super) fn new(settings: &LimiterSettings) -> Self {
        Self {
            in_flight: 0,
            concurrency: Concurrency::new(settings.max_concurrent),
            latency: LatencyMonitor::default(),
            kinds: Vec::new(),
            requests: settings.requests_per_minute.map(RequestQuota::new),
            tokens: settings.tokens_per_minute.map(TokenQuota::new),
            shared: None,
            limits: SharedLimits {
                requests: settings.requests_per_minute,
                tokens: settings.tokens_per_minute,
                concurrent: Some(settings.max_concurrent as u64),
                micro_dollars: settings.micro_dollars_per_day,
            },
            heard: Heard::default(),
            paused_until: None,
            has_answered: false,
            refused: 0,
            breaker: Breaker::new(settings.first_probe_after, settings.probe_at_least_every),
            longest_outage: settings.longest_outage,
        }
    }

    /// Adopts every limit of `settings` that is stricter than the one in force.
    pub(super) fn tighten(&mut self, settings: &LimiterSettings) {
        self.concurrency.tighten(settings.max_concurrent);
        self.limits = SharedLimits {
            requests: stricter(self.limits.requests, settings.requests_per_minute),
            tokens: stricter(self.limits.tokens, settings.tokens_per_minute),
            concurrent: stricter(self.limits.concurrent, Some(settings.max_concurrent as u64)),
            micro_dollars: stricter(self.limits.micro_dollars, settings.micro_dollars_per_day),
        };
        if let Some(shared) = &mut self.shared {
            shared.tighten(self.limits);
        }
        self.longest_outage = self.longest_outage.min(settings.longest_outage);
        match (&mut self.requests, settings.requests_per_minute) {
            (Some(quota), Some(limit)) => quota.tighten(limit),
            (quota, limit) => *quota = quota.take().or_else(|| limit.map(RequestQuota::new)),
        }
        match (&mut self.tokens, settings.tokens_per_minute) {
            (Some(quota), Some(limit)) => quota.tighten(limit),
            (quota, limit) => *quota = quota.take().or_else(|| limit.map(TokenQuota::new)),
        }
    }

    pub(super) fn share(&mut self) -> bool {
        let is_new = self.shared.is_none();
        self.shared
            .get_or_insert_with(|| SharedQuota::new(self.limits));
        is_new
    }

    pub(super) fn close_share(&mut self, waiting: u64, first: Needs, now: Instant) -> Closed {
        let in_flight = self.in_flight as u64;
        let paused_until = self.paused_until.filter(|until| *until > now);
        let shared = self
            .shared
            .get_or_insert_with(|| SharedQuota::new(self.limits));
        let mut report = shared.close(waiting, first, in_flight);
        report.signs = self.breaker.say();
        Closed {
            report,
            learned: self.concurrency.learned(),
            limits: self.limits,
            pause: paused_until.map(|until| until - now),
        }
    }

    pub(super) fn open_share(&mut self, number: u64, grant: &Grant, until: Instant, now: Instant) {
        if let Some(shared) = &mut self.shared {
            shared.open(number, grant, until, now);
        }
        self.pause(grant.pause, now);
        self.breaker.adopt(grant.outage, now);
        if self.concurrency.adopt(&grant.view) {
            self.latency.disturbed();
        } else {
            self.latency.turn_passed();
        }
    }

    /// The kind with this name. Calls of one kind are expected to take about the same time.
    pub(super) fn kind(&mut self, name: &str) -> CallKind {
        let known = self.kinds.iter().position(|known| known == name);
        CallKind(known.unwrap_or_else(|| {
            self.kinds.push(name.to_owned());
            self.kinds.len() - 1
        }))
    }

    pub(super) fn is_down(&self) -> bool {
        self.breaker.down_since().is_some()
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    pub(super) fn heard(&mut self, allowance: &Allowance, now: Instant) {
        self.heard.hear(allowance, now);
    }

    /// What all calls have to wait for.
    pub(super) fn standing(&self, now: Instant) -> Option<Standing> {
        if let Some(since) = self.breaker.down_since() {
            let lasted = now.saturating_duration_since(since);
            return Some(Standing::Down {
                lasted,
                next_try_in: match self.breaker.passage(now) {
                    Passage::Blocked(until) => {
                        until.map(|until| until.saturating_duration_since(now))
                    }
                    Passage::Free | Passage::AsProbe => Some(Duration::ZERO),
                },
                gives_up_in: self.patience().saturating_sub(lasted),
            });
        }
        let until = self.paused_until.filter(|until| *until > now)?;
        let ends_in = until.saturating_duration_since(now);
        Some(Standing::Paused { ends_in })
    }

    pub(super) fn load(&self, now: Instant) -> Load {
        Load {
            allowed: self.concurrency.level().max(1.0) as u32,
            refused: self.refused,
            standing: self.standing(now),
        }
    }

    /// How long an outage is waited out.
    fn patience(&self) -> Duration {
        if self.has_answered {
            self.longest_outage
        } else {
            self.longest_outage.min(LONGEST_ARRIVAL)
        }
    }

    pub(super) fn used_up(&self, now: Instant) -> Option<UsedUp> {
        self.shared.as_ref()?.used_up(now)
    }

    /// Admits a call that will use at most about `needs`, or says what it waits for.
    pub(super) fn admit(&mut self, needs: Needs, kind: CallKind, now: Instant) -> Admission {
        let used_up = self.used_up(now);
        if let Some(day) = used_up.filter(|day| needs.micro_dollars > day.left) {
            return Admission::Down(Outage::DayUsedUp(day));
        }
        let passage = self.breaker.passage(now);
        let obstacle = self.obstacle(passage, needs, now);
        if obstacle == Obstacle::Nothing {
            let is_probe = passage == Passage::AsProbe;
            return Admission::Admitted(self.start(is_probe, needs, kind, now));
        }
        self.delay(obstacle, now)
    }

    /// What every call waits for now, of any size: a pause that the provider requested, or an
    /// outage. `None` if neither holds a call back, or if a call may go out as a probe.
    pub(super) fn closed(&mut self, now: Instant) -> Option<Admission> {
        let obstacle = match self.breaker.passage(now) {
            Passage::Blocked(Some(until)) => Obstacle::Until(until),
            Passage::Blocked(None) => Obstacle::OtherCalls,
            Passage::Free | Passage::AsProbe => {
                Obstacle::Until(self.paused_until.filter(|until| *until > now)?)
            }
        };
        Some(self.delay(obstacle, now))
    }

    fn delay(&self, obstacle: Obstacle, now: Instant) -> Admission {
        let paused_for = self
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if paused_for > self.longest_outage {
            return Admission::Down(Outage::Paused { wait: paused_for });
        }
        let down_since = self.breaker.down_since();
        let lasted =
            down_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let patience = self.patience();
        if down_since.is_some() && lasted >= patience {
            return Admission::Down(if self.has_answered {
                Outage::Unreachable { lasted }
            } else {
                Outage::NeverReached { lasted }
            });
        }
        let gives_up_at = down_since.map(|since| since + patience);
        let clears_at = match obstacle {
            Obstacle::Until(instant) => Some(instant),
            Obstacle::Nothing | Obstacle::OtherCalls | Obstacle::Share => None,
        };
        let look_again_at = [clears_at, gives_up_at].into_iter().flatten().min();
        match look_again_at {
            Some(instant) => Admission::WaitUntil(instant),
            None if obstacle == Obstacle::Share => Admission::WaitForShare,
            None => Admission::WaitForChange,
        }
    }

    /// Counts a call as ended and learns from how it ended.
    pub(super) fn finish(&mut self, ticket: Ticket, report: Report, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.compare(&ticket, report, now);
        self.has_answered |= !matches!(report, Report::Cancelled | Report::Unreached);
        match report {
            Report::Cancelled => {
                if ticket.is_probe {
                    self.breaker.probe_abandoned();
                }
            }
            Report::Completed { .. } => {
                self.breaker.answered();
                self.concurrency.accepted(ticket.admitted, now);
            }
            Report::Answered => self.breaker.answered(),
            Report::Unreached => self.breaker.failed(ticket.is_probe, now),
            Report::Throttled { retry_after } => {
                self.breaker.answered();
                self.refused(&ticket, retry_after, now);
            }
            Report::Unavailable {
                overloaded,
                retry_after,
            } => {
                self.breaker.failed(ticket.is_probe, now);
                if overloaded {
                    self.refused(&ticket, retry_after, now);
                }
                self.pause(retry_after, now);
            }
            Report::Interrupted { is_slow } => {
                if is_slow {
                    self.concurrency.timed_out(ticket.admitted);
                }
                if ticket.is_probe {
                    self.breaker.failed(true, now);
                }
            }
        }
        self.settle(&ticket, report, now);
    }

    fn obstacle(&mut self, passage: Passage, needs: Needs, now: Instant) -> Obstacle {
        let tokens = needs.tokens;
        match passage {
            Passage::Blocked(Some(until)) => return Obstacle::Until(until),
            Passage::Blocked(None) => return Obstacle::OtherCalls,
            Passage::Free | Passage::AsProbe => {}
        }
        if let Some(until) = self.paused_until {
            if until > now {
                return Obstacle::Until(until);
            }
            self.paused_until = None;
        }
        let available_at = match self.concurrency.availability(self.in_flight, now) {
            Availability::Now => None,
            Availability::At(instant) => Some(instant),
            Availability::AfterACall => return Obstacle::OtherCalls,
        };
        let requests_at = self.requests.as_mut().and_then(|quota| quota.opens_at(now));
        let tokens_at = self
            .tokens
            .as_mut()
            .and_then(|quota| quota.opens_at(tokens, now));
        let opens_at = available_at
            .max(requests_at)
            .max(tokens_at)
            .max(self.heard.opens_at(tokens, now));
        if let Some(opens_at) = opens_at {
            return Obstacle::Until(opens_at);
        }
        let in_flight = self.in_flight as u64;
        let shared = self.shared.as_ref();
        if shared.is_none_or(|shared| shared.allows(needs, in_flight, now)) {
            Obstacle::Nothing
        } else {
            Obstacle::Share
        }
    }

    fn start(&mut self, is_probe: bool, needs: Needs, kind: CallKind, now: Instant) -> Ticket {
        let tokens = needs.tokens;
        if is_probe {
            self.breaker.probe_started();
        }
        if let Some(quota) = &mut self.requests {
            quota.take(now);
        }
        self.heard.take(tokens);
        let others = self.in_flight + self.concurrency.in_flight_elsewhere();
        let admitted = self.concurrency.admit(others);
        self.in_flight += 1;
        Ticket {
            is_probe,
            admitted,
            observed: self.latency.admit(kind, others, admitted.is_bound, now),
            reserved: self.tokens.as_mut().map(|quota| quota.take(tokens, now)),
            taken: self.shared.as_mut().and_then(|shared| shared.take(needs)),
            cost: Cost::AsItEnded,
        }
    }

    /// Changes the level if the durations of calls show that too many are in flight.
    fn compare(&mut self, ticket: &Ticket, report: Report, now: Instant) {
        let was_served = matches!(report, Report::Completed { .. });
        let level = self.concurrency.level();
        match self.latency.ended(ticket.observed, was_served, level, now) {
            Some(Advice::Fine(in_flight)) => self.concurrency.not_slow(in_flight),
            Some(Advice::Lower(level)) => self.concurrency.lower(level),
            Some(Advice::Restore(level)) => self.concurrency.restore(level),
            None => {}
        }
    }

    fn refused(&mut self, ticket: &Ticket, retry_after: Option<Duration>, now: Instant) {
        self.refused += 1;
        // A probe of the breaker goes out alone, so the number of calls cannot be the cause.
        if !ticket.is_probe && self.concurrency.refused(ticket.admitted, retry_after, now) {
            self.latency.disturbed();
        }
        self.pause(retry_after, now);
    }

    fn pause(&mut self, retry_after: Option<Duration>, now: Instant) {
        let until = retry_after.map(|wait| now + wait);
        self.paused_until = self.paused_until.max(until);
    }

    fn settle(&mut self, ticket: &Ticket, report: Report, now: Instant) {
        let is_free = !matches!(
            report,
            Report::Completed { .. } | Report::Cancelled | Report::Interrupted { .. }
        );
        let cost = match ticket.cost {
            Cost::Known(cost) => Some(cost),
            Cost::AsItEnded if is_free => Some(0),
            Cost::AsItEnded | Cost::Reserved => None,
        };
        if let (Some(shared), Some(taken), Some(cost)) = (&mut self.shared, ticket.taken, cost) {
            shared.settle_cost(taken, cost);
        }
        let used = match report {
            Report::Completed { tokens } => {
                self.heard.used(tokens);
                tokens
            }
            // The provider may have done the work, so the reservation stays.
            Report::Cancelled | Report::Interrupted { .. } => return,
            _ => 0,
        };
        if let (Some(shared), Some(taken)) = (&mut self.shared, ticket.taken) {
            shared.settle(taken, used);
        }
        if let (Some(quota), Some(reserved)) = (&mut self.tokens, ticket.reserved) {
            quota.settle(reserved, used, now);
        }
    }
}

fn stricter(own: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (own, other) {
        (Some(own), Some(other)) => Some(own.min(other)),
        (own, other) => own.or(other),
    }
}
