//! The circuit breaker: stops calling a provider that is down, and finds out when it is back.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row, over all calls, that mean the provider is down. Below the default number of
/// attempts, so that an outage makes calls wait instead of failing them.
const FAILURES_TO_OPEN: u32 = 5;

/// Closed while the provider answers. Open, it lets one probe through at a time.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    outage: Option<Outage>,
    first_probe_after: Duration,
    probe_at_least_every: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    probe_at: Instant,
    wait: Duration,
    is_probing: bool,
}

/// Whether a call may go out, as far as the breaker is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// The provider answers.
    Free,
    /// As the one call that finds out whether the provider is back.
    AsProbe,
    /// Not before this instant; with `None` not before the probe under way is back.
    Blocked(Option<Instant>),
}

impl Breaker {
    pub(super) fn new(first_probe_after: Duration, probe_at_least_every: Duration) -> Self {
        Self {
            failures: 0,
            outage: None,
            first_probe_after,
            probe_at_least_every,
        }
    }

    pub(super) fn passage(&self, now: Instant) -> Passage {
        match self.outage {
            None => Passage::Free,
            Some(outage) if outage.is_probing => Passage::Blocked(None),
            Some(outage) if now < outage.probe_at => Passage::Blocked(Some(outage.probe_at)),
            Some(_) => Passage::AsProbe,
        }
    }

    /// Since when the provider is down, if it is.
    pub(super) fn down_since(&self) -> Option<Instant> {
        self.outage.map(|outage| outage.since)
    }

    pub(super) fn probe_started(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.is_probing = true;
        }
    }

    /// The probe was cancelled: nothing is known, so the next call may probe at once.
    pub(super) fn probe_abandoned(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.is_probing = false;
        }
    }

    /// The provider answered, if only to complain about the request.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.outage = None;
    }

    /// No connection, or an answer that admits the provider is broken.
    pub(super) fn failed(&mut self, was_probe: bool, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match &mut self.outage {
            Some(outage) if was_probe => {
                outage.wait = (outage.wait * 2).min(self.probe_at_least_every);
                outage.probe_at = now + outage.wait;
                outage.is_probing = false;
            }
            None if self.failures >= FAILURES_TO_OPEN => {
                self.outage = Some(Outage {
                    since: now,
                    probe_at: now + self.first_probe_after,
                    wait: self.first_probe_after,
                    is_probing: false,
                });
            }
            // Not enough yet, or a call from before the outage was noticed.
            _ => {}
        }
    }
}
