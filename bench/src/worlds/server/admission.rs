//! Admits calls within a number of calls at once and two token buckets.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::worlds::{Conditions, OverCapacity};

/// Seconds of its rate that a bucket holds.
const BURST_SECONDS: f64 = 1.0;
/// The wait that a client is given when only the capacity refuses its call.
const CROWDED: Duration = Duration::from_millis(100);

/// Admits calls. The default admits every call.
#[derive(Debug, Default)]
pub(super) struct Admission {
    places: Option<Arc<Semaphore>>,
    over_capacity: OverCapacity,
    requests: Option<Mutex<Bucket>>,
    tokens: Option<Mutex<Bucket>>,
}

/// A refusal, and when the client may try again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) retry_after: Duration,
}

/// The right to be served; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// A token bucket that may go into debt. A call waits until the bucket holds a whole unit, even if
/// it needs more; later calls wait until the debt is paid.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    level: f64,
    filled_at: Instant,
}

impl Admission {
    pub(super) fn under(conditions: &Conditions) -> Self {
        let places = conditions.capacity.map(Semaphore::new);
        Self {
            places: places.map(Arc::new),
            over_capacity: conditions.over_capacity,
            requests: conditions.rpm.map(Bucket::per_minute),
            tokens: conditions.tpm.map(Bucket::per_minute),
        }
    }

    /// Admits a call of this many tokens. If calls queue, waits first.
    pub(super) async fn admit(&self, tokens: u64) -> Result<Place, Refused> {
        let place = self.place().await?;
        // Both buckets are checked before either is charged, since a refused call must cost
        // nothing.
        let mut requests = self.requests.as_ref().map(Mutex::lock);
        let mut used = self.tokens.as_ref().map(Mutex::lock);
        let waits = [&mut requests, &mut used]
            .into_iter()
            .flatten()
            .filter_map(|bucket| bucket.wait());
        if let Some(retry_after) = waits.max() {
            return Err(Refused { retry_after });
        }
        if let Some(bucket) = &mut requests {
            bucket.level -= 1.0;
        }
        if let Some(bucket) = &mut used {
            bucket.level -= tokens as f64;
        }
        Ok(place)
    }

    async fn place(&self) -> Result<Place, Refused> {
        let Some(places) = self.places.clone() else {
            return Ok(Place { _permit: None });
        };
        let crowded = Refused {
            retry_after: CROWDED,
        };
        let permit = match self.over_capacity {
            OverCapacity::Queue => places.acquire_owned().await.map_err(|_| crowded)?,
            OverCapacity::Reject => places.try_acquire_owned().map_err(|_| crowded)?,
        };
        Ok(Place {
            _permit: Some(permit),
        })
    }
}

impl Bucket {
    fn per_minute(rate: f64) -> Mutex<Self> {
        let per_second = rate / 60.0;
        Mutex::new(Self {
            per_second,
            level: (per_second * BURST_SECONDS).max(1.0),
            filled_at: Instant::now(),
        })
    }

    /// Time until the bucket holds a whole unit; `None` if it does.
    fn wait(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let gained = (now - self.filled_at).as_secs_f64() * self.per_second;
        self.filled_at = now;
        self.level = (self.level + gained).min((self.per_second * BURST_SECONDS).max(1.0));
        if self.level >= 1.0 {
            return None;
        }
        let seconds = (1.0 - self.level) / self.per_second.max(1e-9);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}
