//! The server's clock, measured with the monotonic clock of a holder.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger::WINDOW_MILLIS;
use super::{GRACE, VALID};

/// A server clock that stays this far ahead is believed after a window.
const CREDIBLE: Duration = Duration::from_secs(2);

/// The server's time as one holder may rely on it: never ahead, also where the server's clock is set
/// forward.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    base: Option<(u64, Instant)>,
    /// Since when the server has been ahead of what was measured here.
    ahead_since: Option<Instant>,
}

impl ServerClock {
    /// Whether anything is known of the server's time.
    pub fn is_set(&self) -> bool {
        self.base.is_some()
    }

    /// Takes in a time that the server had reached before `now`, as another holder may rely on it. A turn in a
    /// document that is not there yet knows no time and names 0, which says nothing.
    pub fn hear(&mut self, time: u64, now: Instant) {
        if time == 0 {
            return;
        }
        let (base, at) = *self.base.get_or_insert((time, now));
        let passed = now.saturating_duration_since(at).as_millis() as u64;
        if time.saturating_add(CREDIBLE.as_millis() as u64) < base.saturating_add(passed) {
            // The clock was set back.
            self.base = Some((time, now));
        }
    }

    /// The time of now, from a change that this holder made `ago` before now at least (`is_own`), or that
    /// another one made after it. The first change must be its own.
    pub fn read(&mut self, written_at: u64, ago: Duration, is_own: bool, now: Instant) -> u64 {
        let says = written_at.saturating_add(ago.as_millis() as u64);
        let (base, at) = *self.base.get_or_insert((says, now));
        let passed = now.saturating_duration_since(at).as_millis() as u64;
        let measured = base.saturating_add(passed);
        let credible = CREDIBLE.as_millis() as u64;
        if says <= measured.saturating_add(credible) {
            self.ahead_since = None;
            if is_own && says.saturating_add(credible) < measured {
                // The clock was set back.
                self.base = Some((says, now));
            }
            return says.min(measured);
        }
        // The clock was set forward. When everything that was counted before has ended, it is believed.
        let since = *self.ahead_since.get_or_insert(now);
        let settled = Duration::from_millis(WINDOW_MILLIS) + VALID + GRACE;
        if now.saturating_duration_since(since) > settled {
            self.base = Some((says, now));
            self.ahead_since = None;
            return says;
        }
        measured
    }
}
