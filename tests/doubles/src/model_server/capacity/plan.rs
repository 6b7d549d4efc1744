//! The capacity of a provider over time.

use std::time::Duration;

/// A stretch of time with constant limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// How long it lasts.
    pub lasts: Duration,
    /// Calls served at once; 0 is an outage, in which connections are reset.
    pub concurrent: usize,
    /// Requests granted a minute, continuously; `None` for any number.
    pub requests_per_minute: Option<u64>,
    /// Tokens granted a minute, continuously; `None` for any number.
    pub tokens_per_minute: Option<u64>,
}

/// What happens to a call beyond the capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Overload {
    /// It is refused at once with this status, 429 or 503.
    Refuse {
        /// The status.
        status: u16,
        /// Seconds in the `Retry-After` header, if it is sent.
        retry_after: Option<u64>,
    },
    /// It waits in a queue: calls get slower instead of being refused. Minute limits still refuse.
    Queue,
}

/// The hidden capacity of a provider. Its clock starts with the first call.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityPlan {
    /// The periods, one after the other. The last one stays in force.
    pub periods: Vec<Period>,
    /// What happens to calls beyond the capacity.
    pub overload: Overload,
    /// Half of the calls take longer to serve than this.
    pub median_service: Duration,
    /// Standard deviation of the logarithm of the service time; at 0 all calls take the same time.
    pub spread: f64,
    /// How many seconds' worth of the minute limits may be used in one burst.
    pub burst_seconds: f64,
    /// Changes the service times.
    pub seed: u64,
}

/// The load of one call on the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// How long serving it takes, without the wait before.
    pub service: Duration,
    /// The tokens that it counts against the limit a minute.
    pub tokens: u64,
}

impl Period {
    /// A period that limits only the calls at once.
    pub fn concurrent(seconds: f64, concurrent: usize) -> Self {
        Self {
            lasts: Duration::from_secs_f64(seconds),
            concurrent,
            requests_per_minute: None,
            tokens_per_minute: None,
        }
    }

    /// Adds a limit on requests a minute.
    #[must_use]
    pub fn requests_per_minute(self, limit: u64) -> Self {
        Self {
            requests_per_minute: Some(limit),
            ..self
        }
    }

    /// Adds a limit on tokens a minute.
    #[must_use]
    pub fn tokens_per_minute(self, limit: u64) -> Self {
        Self {
            tokens_per_minute: Some(limit),
            ..self
        }
    }
}

impl CapacityPlan {
    /// A plan with calls of 300 ms (median) and the spread of a hosted model. Calls beyond the
    /// capacity are refused with 429. Minute limits grant five seconds' worth at once.
    pub fn new(periods: Vec<Period>) -> Self {
        Self {
            periods,
            overload: Overload::Refuse {
                status: 429,
                retry_after: None,
            },
            median_service: Duration::from_millis(300),
            spread: 0.6,
            burst_seconds: 5.0,
            seed: 0,
        }
    }

    /// The sum of all periods.
    pub fn lasts(&self) -> Duration {
        self.periods.iter().map(|period| period.lasts).sum()
    }

    /// The service time of the call with this text: log-normal, and equal each time it is sent.
    pub fn service_time(&self, text: &str) -> Duration {
        let hash = text
            .bytes()
            .fold(self.seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
            });
        let radius = (-2.0 * unit(mixed(hash)).ln()).sqrt();
        let angle = std::f64::consts::TAU * unit(mixed(hash ^ 0x9E37_79B9_7F4A_7C15));
        self.median_service
            .mul_f64((self.spread * radius * angle.cos()).exp())
    }

    /// The period in force at this time after the start, with its index. The index is `None` when
    /// all periods are over.
    pub(super) fn at(&self, since_start: Duration) -> (Option<usize>, Period) {
        let mut ends = Duration::ZERO;
        for (place, period) in self.periods.iter().enumerate() {
            ends += period.lasts;
            if since_start < ends {
                return (Some(place), *period);
            }
        }
        let last = self.periods.last().copied();
        (None, last.unwrap_or(Period::concurrent(0.0, usize::MAX)))
    }
}

fn mixed(hash: u64) -> u64 {
    let word = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A number in `(0, 1]`.
fn unit(word: u64) -> f64 {
    ((word >> 11) + 1) as f64 / (1_u64 << 53) as f64
}
