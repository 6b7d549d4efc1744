//! Pauses between tries of a job during an outage: they double, and end after a time limit.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How long a job pauses and waits during an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutageSettings {
    /// The first pause before a job is resumed.
    pub first_pause: Duration,
    /// The longest pause. Pauses double up to it.
    pub longest_pause: Duration,
    /// How long a job may make no progress before it fails.
    pub allowed: Duration,
    /// How long a job waits at most where the provider says when calls go on, such as at the end of a day. It tries
    /// earlier than that, in case a limit was raised.
    pub look_every: Duration,
    /// How far the clock by which calls go on may be behind this machine's.
    pub clocks_differ: Duration,
}

impl Default for OutageSettings {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_mins(1),
            allowed: Duration::from_mins(30),
            look_every: Duration::from_mins(10),
            clocks_differ: Duration::from_secs(5),
        }
    }
}

impl OutageSettings {
    /// The pause of a job whose calls go on at this time, in seconds since the Unix epoch.
    pub(super) fn pause_until(&self, goes_on_at: u64) -> Duration {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let left = Duration::from_secs(goes_on_at).saturating_sub(now);
        (left + self.clocks_differ).min(self.look_every)
    }
}

/// The retries of one job during an outage.
#[derive(Debug, Default)]
pub(super) struct OutageRetry {
    since: Option<Instant>,
    pauses: u32,
    /// Rollouts and reflection calls of the job when it was interrupted last.
    executed: u64,
}

impl OutageRetry {
    /// The next pause; `None` once the outage has lasted [`OutageSettings::allowed`]. If `executed`
    /// has grown since the last call, the job made progress, and a new outage begins.
    pub(super) fn pause(
        &mut self,
        executed: u64,
        now: Instant,
        settings: &OutageSettings,
    ) -> Option<Duration> {
        if executed > self.executed {
            *self = Self {
                executed,
                ..Self::default()
            };
        }
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= settings.allowed {
            return None;
        }
        let doubled = settings.first_pause * 2_u32.pow(self.pauses.min(16));
        self.pauses += 1;
        Some(doubled.min(settings.longest_pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_outage_has_lasted_too_long() {
        let settings = OutageSettings::default();
        let mut outage = OutageRetry::default();
        let mut pauses = Vec::new();
        let mut now = Instant::now();
        while let Some(pause) = outage.pause(7, now, &settings) {
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses[..6], [5, 10, 20, 40, 60, 60]);
        let waited: u64 = pauses.iter().sum();
        assert!((30 * 60..32 * 60).contains(&waited), "{waited}");
        assert_eq!(outage.pause(8, now, &settings), Some(settings.first_pause));
    }
}
