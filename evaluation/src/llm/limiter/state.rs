//! Who may call next: the limiter's decisions as plain functions of the state and the time.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, Passage};
use super::window::MinuteWindow;
use super::{LimiterSettings, Outage, Report};

/// Everything a limiter knows. Never reads the clock.
#[derive(Debug)]
pub(super) struct LimiterState {
    in_flight: usize,
    max_concurrent: usize,
    /// How many calls may be under way: adapts between 1 and `max_concurrent`.
    concurrency: f64,
    /// Counts the times `concurrency` was lowered: calls admitted before a cut do not cut again.
    cuts: u64,
    requests: Option<MinuteWindow>,
    tokens: Option<MinuteWindow>,
    paused_until: Option<Instant>,
    breaker: Breaker,
    longest_outage: Duration,
}

/// What an admitted call must hand back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) is_probe: bool,
    cuts: u64,
    tokens: u64,
    token_entry: Option<Instant>,
}

/// The answer to a call that wants to go out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Admission {
    Admitted(Ticket),
    /// Ask again when another call has ended.
    WaitForChange,
    /// Ask again at this instant, or when another call has ended if that is earlier.
    WaitUntil(Instant),
    Down(Outage),
}

/// What stands in the way of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Nothing,
    /// Only a call under way can clear it.
    OtherCalls,
    /// The clock clears it.
    Until(Instant),
}

impl LimiterState {
    pub(super) fn new(settings: &LimiterSettings) -> Self {
        let max_concurrent = settings.max_concurrent.max(1);
        Self {
            in_flight: 0,
            max_concurrent,
            concurrency: max_concurrent as f64,
            cuts: 0,
            requests: settings.requests_per_minute.map(MinuteWindow::new),
            tokens: settings.tokens_per_minute.map(MinuteWindow::new),
            paused_until: None,
            breaker: Breaker::new(settings.first_probe_after, settings.probe_at_least_every),
            longest_outage: settings.longest_outage,
        }
    }

    /// Adopts every limit of `settings` that is stricter than the one in force.
    pub(super) fn tighten(&mut self, settings: &LimiterSettings) {
        self.max_concurrent = self.max_concurrent.min(settings.max_concurrent.max(1));
        self.concurrency = self.concurrency.min(self.max_concurrent as f64);
        self.longest_outage = self.longest_outage.min(settings.longest_outage);
        tighten_window(&mut self.requests, settings.requests_per_minute);
        tighten_window(&mut self.tokens, settings.tokens_per_minute);
    }

    pub(super) fn is_down(&self) -> bool {
        self.breaker.down_since().is_some()
    }

    /// Admits a call that will use about `tokens` tokens, or says what it has to wait for.
    pub(super) fn admit(&mut self, tokens: u64, now: Instant) -> Admission {
        let passage = self.breaker.passage(now);
        let obstacle = self.obstacle(passage, tokens, now);
        if obstacle == Obstacle::Nothing {
            return Admission::Admitted(self.start(passage == Passage::AsProbe, tokens, now));
        }
        self.delay(obstacle, now)
    }

    /// What every call has to wait for at this moment, however small: a pause the provider asked for,
    /// or an outage. `None` if a call could go out as far as these are concerned, be it as a probe.
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
        if down_since.is_some() && lasted >= self.longest_outage {
            return Admission::Down(Outage::Unreachable { lasted });
        }
        let gives_up_at = down_since.map(|since| since + self.longest_outage);
        let clears_at = match obstacle {
            Obstacle::Until(instant) => Some(instant),
            Obstacle::Nothing | Obstacle::OtherCalls => None,
        };
        let look_again_at = [clears_at, gives_up_at].into_iter().flatten().min();
        look_again_at.map_or(Admission::WaitForChange, Admission::WaitUntil)
    }

    /// Takes a ticket back.
    pub(super) fn finish(&mut self, ticket: Ticket, report: Report, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match report {
            Report::Cancelled => {
                if ticket.is_probe {
                    self.breaker.probe_abandoned();
                }
            }
            Report::Completed { tokens } => {
                self.breaker.answered();
                self.raise_concurrency();
                self.correct_tokens(ticket, tokens, now);
            }
            Report::Answered => {
                self.breaker.answered();
                self.correct_tokens(ticket, 0, now);
            }
            Report::Throttled { retry_after } => {
                self.breaker.answered();
                self.cut_concurrency(ticket);
                self.pause(retry_after, now);
                self.correct_tokens(ticket, 0, now);
            }
            Report::Unavailable {
                overloaded,
                retry_after,
            } => {
                self.breaker.failed(ticket.is_probe, now);
                if overloaded {
                    self.cut_concurrency(ticket);
                }
                self.pause(retry_after, now);
                self.correct_tokens(ticket, 0, now);
            }
            Report::Interrupted { is_slow } => {
                if is_slow {
                    self.cut_concurrency(ticket);
                }
                if ticket.is_probe {
                    self.breaker.failed(true, now);
                }
            }
        }
    }

    fn obstacle(&mut self, passage: Passage, tokens: u64, now: Instant) -> Obstacle {
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
        if self.in_flight >= self.concurrency as usize {
            return Obstacle::OtherCalls;
        }
        let requests_at = self
            .requests
            .as_mut()
            .and_then(|window| window.fits_at(1, now));
        let tokens_at = self
            .tokens
            .as_mut()
            .and_then(|window| window.fits_at(tokens, now));
        requests_at
            .max(tokens_at)
            .map_or(Obstacle::Nothing, Obstacle::Until)
    }

    fn start(&mut self, is_probe: bool, tokens: u64, now: Instant) -> Ticket {
        self.in_flight += 1;
        if is_probe {
            self.breaker.probe_started();
        }
        if let Some(window) = &mut self.requests {
            window.add(1, now);
        }
        Ticket {
            is_probe,
            cuts: self.cuts,
            tokens,
            token_entry: self.tokens.as_mut().map(|window| window.add(tokens, now)),
        }
    }

    /// One more call per round of calls that went well.
    fn raise_concurrency(&mut self) {
        let raised = self.concurrency + 1.0 / self.concurrency;
        self.concurrency = raised.min(self.max_concurrent as f64);
    }

    fn cut_concurrency(&mut self, ticket: Ticket) {
        if ticket.cuts == self.cuts {
            self.cuts += 1;
            self.concurrency = (self.concurrency / 2.0).max(1.0);
        }
    }

    fn pause(&mut self, retry_after: Option<Duration>, now: Instant) {
        let until = retry_after.map(|wait| now + wait);
        self.paused_until = self.paused_until.max(until);
    }

    fn correct_tokens(&mut self, ticket: Ticket, actual: u64, now: Instant) {
        if let (Some(window), Some(entry)) = (&mut self.tokens, ticket.token_entry) {
            window.correct(entry, ticket.tokens, actual, now);
        }
    }
}

fn tighten_window(window: &mut Option<MinuteWindow>, limit: Option<u64>) {
    match (window.as_mut(), limit) {
        (Some(existing), Some(limit)) => existing.tighten(limit),
        (None, Some(limit)) => *window = Some(MinuteWindow::new(limit)),
        (_, None) => {}
    }
}
