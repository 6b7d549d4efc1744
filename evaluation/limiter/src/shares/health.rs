//! Whether the provider of a shared limit is down, as all holders together see it, and which of them finds
//! out whether it is back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The breaker opens after this many failures in a row, over all calls. The number is below the
/// default number of attempts, so that calls wait during an outage instead of failing.
pub(crate) const FAILURES_TO_OPEN: u32 = 5;

/// What the calls of one holder said about the provider since its last turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs {
    /// Whether a call was answered.
    pub answered: bool,
    /// Failures in a row, after the last answer.
    pub failures: u32,
    /// Whether the call failed that was to find out if the provider is back.
    pub probe_failed: bool,
    /// Time from the beginning of an outage to the first probe.
    pub first_probe_after: Duration,
    /// Longest time between two probes.
    pub probe_at_least_every: Duration,
}

/// An outage that all holders know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonOutage {
    /// Time since it was noticed.
    pub lasted: Duration,
    /// When the next call finds out whether the provider is back.
    pub next_probe_in: Duration,
    /// Whether that call is this holder's.
    pub is_prober: bool,
}

/// The provider's health in the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    /// Failures in a row over all holders.
    failures: u32,
    outage: Option<Outage>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Outage {
    /// Times are the server's milliseconds.
    since: u64,
    probe_at: u64,
    wait: u64,
    prober: Option<String>,
}

impl Signs {
    /// Adds what came later.
    pub(crate) fn then(self, later: Self) -> Self {
        Self {
            answered: self.answered || later.answered,
            failures: if later.answered {
                later.failures
            } else {
                self.failures.saturating_add(later.failures)
            },
            probe_failed: !later.answered && (self.probe_failed || later.probe_failed),
            ..later
        }
    }

    /// Whether nothing has happened.
    pub(crate) fn is_silent(&self) -> bool {
        !self.answered && self.failures == 0 && !self.probe_failed
    }
}

impl Health {
    /// Takes in what a holder saw. `may_probe`: it has calls that wait. `is_there` says which holders exist.
    pub(super) fn hear(
        &mut self,
        holder: &str,
        signs: &Signs,
        may_probe: bool,
        is_there: impl Fn(&str) -> bool,
        now: u64,
    ) -> Option<CommonOutage> {
        if signs.answered {
            self.failures = 0;
            self.outage = None;
        }
        self.failures = self.failures.saturating_add(signs.failures);
        if self.outage.is_none() && self.failures >= FAILURES_TO_OPEN {
            let wait = signs.first_probe_after.as_millis() as u64;
            self.outage = Some(Outage {
                since: now,
                probe_at: now + wait,
                wait,
                prober: None,
            });
        }
        let outage = self.outage.as_mut()?;
        let is_own = outage.prober.as_deref() == Some(holder);
        if is_own && signs.probe_failed {
            let longest = signs.probe_at_least_every.as_millis() as u64;
            outage.wait = (outage.wait * 2).min(longest.max(1));
            outage.probe_at = now + outage.wait;
            outage.prober = None;
        }
        let is_gone = |name: &str| name != holder && !is_there(name);
        if outage.prober.as_deref().is_some_and(is_gone) || (is_own && !may_probe) {
            outage.prober = None;
        }
        // A server's clock that was set back must not make the next probe wait.
        outage.probe_at = outage.probe_at.min(now + outage.wait);
        if outage.prober.is_none() && may_probe && now >= outage.probe_at {
            outage.prober = Some(holder.to_owned());
        }
        Some(CommonOutage {
            lasted: Duration::from_millis(now.saturating_sub(outage.since)),
            next_probe_in: Duration::from_millis(outage.probe_at.saturating_sub(now)),
            is_prober: outage.prober.as_deref() == Some(holder),
        })
    }
}
