//! The circuit breaker: stops calling a provider that is down, and finds out when it is back.

use std::time::Duration;

use tokio::time::Instant;

use super::shares::{CommonOutage, FAILURES_TO_OPEN, Signs};

/// Longer than a turn of a shared limit, and than a grant.
const NOT_THIS_HOLDER: Duration = Duration::from_mins(1);

/// Closed while the provider answers. While open it admits one probe at a time.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<OpenCircuit>,
    first_probe_after: Duration,
    probe_at_least_every: Duration,
    /// What happened since it was last said to the other holders of a shared limit.
    signs: Signs,
}

#[derive(Clone, Copy, Debug)]
struct OpenCircuit {
    since: Instant,
    probe_at: Instant,
    wait: Duration,
    is_probing: bool,
    /// Whether the other holders do not know of it yet.
    is_news: bool,
}

/// Whether the breaker admits a call. Other limits may still hold it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// The provider answers.
    Free,
    /// The call may go out as the probe that finds out whether the provider is back.
    AsProbe,
    /// Not before this instant. `None`: not before the probe in flight has ended.
    Blocked(Option<Instant>),
}

impl Breaker {
    pub(super) fn new(first_probe_after: Duration, probe_at_least_every: Duration) -> Self {
        Self {
            failures: 0,
            open: None,
            first_probe_after,
            probe_at_least_every,
            signs: Signs::default(),
        }
    }

    pub(super) fn passage(&self, now: Instant) -> Passage {
        match self.open {
            None => Passage::Free,
            Some(open) if open.is_probing => Passage::Blocked(None),
            Some(open) if now < open.probe_at => Passage::Blocked(Some(open.probe_at)),
            Some(_) => Passage::AsProbe,
        }
    }

    /// When the breaker opened; `None` while it is closed.
    pub(super) fn down_since(&self) -> Option<Instant> {
        self.open.map(|open| open.since)
    }

    pub(super) fn probe_started(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = true;
        }
    }

    /// The probe was cancelled and has shown nothing, so the next call may probe at once.
    pub(super) fn probe_abandoned(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = false;
        }
    }

    /// The provider answered. An answer that refuses the request counts too.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.open = None;
        self.signs.answered = true;
        self.signs.failures = 0;
        self.signs.probe_failed = false;
    }

    /// There was no connection, or the provider answered with a server error.
    pub(super) fn failed(&mut self, was_probe: bool, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.signs.failures = self.signs.failures.saturating_add(1);
        self.signs.probe_failed |= was_probe;
        match &mut self.open {
            Some(open) if was_probe => {
                open.wait = (open.wait * 2).min(self.probe_at_least_every);
                open.probe_at = now + open.wait;
                open.is_probing = false;
            }
            None if self.failures >= FAILURES_TO_OPEN => {
                self.open = Some(OpenCircuit {
                    since: now,
                    probe_at: now + self.first_probe_after,
                    wait: self.first_probe_after,
                    is_probing: false,
                    is_news: true,
                });
            }
            // Too few failures yet, or the call was sent before the breaker opened.
            _ => {}
        }
    }

    /// What to say to the other holders of a shared limit.
    pub(super) fn say(&mut self) -> Signs {
        if let Some(open) = &mut self.open {
            open.is_news = false;
        }
        Signs {
            first_probe_after: self.first_probe_after,
            probe_at_least_every: self.probe_at_least_every,
            ..std::mem::take(&mut self.signs)
        }
    }

    /// Takes over what all holders of a shared limit know.
    pub(super) fn adopt(&mut self, common: Option<CommonOutage>, now: Instant) {
        let Some(common) = common else {
            // What happened after this holder last spoke is not known to the others.
            if self.open.is_some_and(|open| !open.is_news) {
                self.failures = 0;
                self.open = None;
            }
            return;
        };
        if self.signs.answered {
            return;
        }
        let probe_at = if common.is_prober {
            now
        } else {
            // Another holder finds out, unless the next turn says otherwise.
            now + common.next_probe_in.max(NOT_THIS_HOLDER)
        };
        let is_probing = self.open.is_some_and(|open| open.is_probing);
        self.open = Some(OpenCircuit {
            since: now.checked_sub(common.lasted).unwrap_or(now),
            probe_at,
            wait: self.open.map_or(self.first_probe_after, |open| open.wait),
            is_probing,
            is_news: false,
        });
    }
}
