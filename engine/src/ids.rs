//! Names of runs, events, trials and snapshots.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `pl_` and at least 16 lowercase hexadecimal digits; unique, and sorted by time of creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Arc<str>);

impl RunId {
    /// What all ids begin with.
    pub const PREFIX: &'static str = "pl_";

    /// Whether it begins with this text, with or without its prefix.
    pub fn begins_with(&self, text: &str) -> bool {
        let digits = self.0.strip_prefix(Self::PREFIX).unwrap_or(&self.0);
        self.0.starts_with(text) || digits.starts_with(text)
    }

    /// A fresh id: 48 bits of time, 48 bits from the system's randomness.
    ///
    /// # Panics
    /// The system has no source of randomness.
    pub fn fresh(now: Timestamp) -> Self {
        let millis = (now.0 / 1_000) as u64 & 0xffff_ffff_ffff;
        let noise = getrandom::u64().expect("the system has a source of randomness");
        let noise = noise & 0xffff_ffff_ffff;
        Self(format!("pl_{millis:012x}{noise:012x}").into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text, for requests.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text is not a run id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id; expected `pl_` and at least 16 lowercase hexadecimal digits")]
pub struct BadRunId(pub String);

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("pl_").unwrap_or_default();
        let well_formed = (16..=64).contains(&digits.len())
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed {
            Ok(Self(text.into()))
        } else {
            Err(BadRunId(text.to_owned()))
        }
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The position of an event in its run's journal, from 1; 0 means before the first event.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Microseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The system's clock; within a process it never goes backwards.
    pub fn now() -> Self {
        static CLOCK: Mutex<Option<SteadyClock>> = Mutex::new(None);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = since_epoch.map_or(0, |since| since.as_micros() as i64);
        let instant = Instant::now();
        let mut clock = CLOCK.lock();
        let clock = clock.get_or_insert(SteadyClock { wall, instant });
        Self(clock.read(wall, instant))
    }

    /// Seconds from `earlier` to here; zero if the clock went backwards.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0).max(0) as f64 / 1e6
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601 in UTC.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(formatter, "{time:.6}"),
            Err(_) => write!(formatter, "{}us", self.0),
        }
    }
}

/// Wall-clock time that does not go back when the system's clock is set back. If the clock is set
/// forward, this time follows, because the clock also jumps forward when the machine wakes up.
#[derive(Clone, Copy, Debug)]
struct SteadyClock {
    /// Microseconds since the epoch at `instant`.
    wall: i64,
    instant: Instant,
}

impl SteadyClock {
    /// Differences up to this many microseconds come from the rounding and drift of the two clocks.
    const DRIFT: i64 = 1_000_000;

    fn read(&mut self, wall: i64, instant: Instant) -> i64 {
        let elapsed = instant.saturating_duration_since(self.instant).as_micros();
        let steady = self.wall.saturating_add(elapsed as i64);
        if wall <= steady.saturating_add(Self::DRIFT) {
            return steady;
        }
        *self = Self { wall, instant };
        wall
    }
}

/// A trial within its run: the iteration, and its place in it. It is known before the trial starts
/// and does not depend on timing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrialKey {
    /// The iteration; 0 for the seed, the last one plus one for validation.
    pub iteration: u64,
    /// The place within the iteration.
    pub index: u32,
}

impl TrialKey {
    /// The trial's id, unique over all runs.
    pub fn id(self, run: &RunId) -> String {
        format!("{run}-{}-{}", self.iteration, self.index)
    }
}

/// A snapshot's id, unique over all runs.
pub fn snapshot_id(run: &RunId, ordinal: u64) -> String {
    format!("{run}-s{ordinal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_goes_on_and_one_set_forward_is_followed() {
        let (start, second) = (Instant::now(), 1_000_000);
        let later = |seconds| start + std::time::Duration::from_secs(seconds);
        let mut clock = SteadyClock {
            wall: 1_000 * second,
            instant: start,
        };
        assert_eq!(clock.read(1_001 * second, later(1)), 1_001 * second);
        assert_eq!(clock.read(2 * second, later(2)), 1_002 * second);
        assert_eq!(clock.read(1_003 * second, later(3)), 1_003 * second);
        assert_eq!(clock.read(5_000 * second, later(4)), 5_000 * second);
        assert_eq!(clock.read(1_005 * second, later(5)), 5_001 * second);
    }

    #[test]
    fn run_ids_are_well_formed_and_parse() {
        let now = Timestamp(1_700_000_000_000_000);
        let id = RunId::fresh(now);
        assert_ne!(id, RunId::fresh(now));
        assert_eq!(id.as_str().len(), 27);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for bad in [
            "pl_",
            "pl_0123",
            "0123456789abcdef",
            "pl_0123456789ABCDEF",
            "pl_../../etc/passwd",
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
