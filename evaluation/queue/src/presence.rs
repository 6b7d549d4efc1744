//! Who is there: workers say what they offer, engines say what they want, every two seconds, so that
//! both can tell people when the two do not fit.

use std::collections::BTreeMap;
use std::time::Duration;

use gepa_evaluation::CallLimit;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{Offer, Queue, wire};

/// Time between two messages of one process, where few listen.
pub(crate) const SAID_EVERY: Duration = Duration::from_secs(2);
/// Where more listen, messages are rarer, so that the messages grow with the number of workers plus that of jobs.
const FEW: usize = 20;
const SAID_AT_LEAST_EVERY: Duration = Duration::from_mins(1);

/// What one process says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Presence {
    /// Names the process.
    pub(crate) id: String,
    pub(crate) offer: Offer,
    /// Rollouts that a worker runs at once, or that an engine waits for.
    pub(crate) count: usize,
    /// Milliseconds until it says so again.
    #[serde(default = "usual")]
    pub(crate) again_in: u64,
    /// The limits on a worker's model calls. Workers of earlier versions say nothing about them.
    #[serde(default)]
    pub(crate) call_limits: Vec<CallLimit>,
}

fn usual() -> u64 {
    SAID_EVERY.as_millis() as u64
}

impl Presence {
    /// When it says so again, if it says so now.
    pub(crate) fn again_at(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.again_in)
    }

    /// A process counts as gone when it has said nothing for this long.
    fn gone_after(&self) -> Duration {
        Duration::from_millis(self.again_in.saturating_mul(7) / 2)
    }
}

/// The processes of the other side that were heard of lately.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    by_id: Mutex<BTreeMap<String, (Presence, Instant)>>,
    /// The last words about limits of those that are gone.
    gone: Mutex<BTreeMap<String, Vec<CallLimit>>>,
    /// Calls that had been refused when a process was heard for the first time, by provider.
    refused_before: Mutex<BTreeMap<String, BTreeMap<String, u64>>>,
}

impl Heard {
    /// Takes in what a process said, and whether it was heard for the first time.
    pub(crate) fn hear(&self, payload: &[u8]) -> Option<(Presence, bool)> {
        let mut presence: Presence = wire::read(payload).ok()?;
        self.count_from_now(&mut presence);
        let now = Instant::now();
        let mut by_id = self.by_id.lock();
        let mut gone = self.gone.lock();
        by_id.retain(|id, (presence, at)| {
            let is_here = now.saturating_duration_since(*at) < presence.gone_after();
            if !is_here && !presence.call_limits.is_empty() {
                gone.insert(id.clone(), std::mem::take(&mut presence.call_limits));
            }
            is_here
        });
        gone.remove(&presence.id);
        let before = by_id.insert(presence.id.clone(), (presence.clone(), now));
        Some((presence, before.is_none()))
    }

    /// The time until this side says again that it is there.
    pub(crate) fn pace(&self) -> Duration {
        let listeners = u32::try_from(self.by_id.lock().len() / FEW).unwrap_or(u32::MAX);
        SAID_EVERY
            .saturating_mul(listeners.max(1))
            .min(SAID_AT_LEAST_EVERY)
    }

    /// Leaves out the refusals of the time before the process was heard for the first time.
    fn count_from_now(&self, presence: &mut Presence) {
        let mut all = self.refused_before.lock();
        let before = all.entry(presence.id.clone()).or_default();
        for limit in &mut presence.call_limits {
            let before = before.entry(limit.provider.clone());
            limit.refused = limit
                .refused
                .saturating_sub(*before.or_insert(limit.refused));
        }
    }

    /// Those that fit this offer, and the differences of those that do not.
    pub(crate) fn sorted(&self, own: &Offer) -> (usize, Vec<String>) {
        let now = Instant::now();
        let by_id = self.by_id.lock();
        let fresh = by_id.values();
        let fresh = fresh.filter(|(one, at)| now.saturating_duration_since(*at) < one.gone_after());
        let mut fitting = 0;
        let mut others = Vec::new();
        for (presence, _) in fresh {
            let differences = own.differences(&presence.offer);
            if differences.is_empty() {
                fitting += 1;
            } else {
                others.push(differences);
            }
        }
        (fitting, others)
    }

    /// The limits on model calls of all processes that fit this offer, by provider. Calls that a process
    /// refused before it went still count.
    pub(crate) fn call_limits(&self, own: &Offer) -> Vec<CallLimit> {
        let now = Instant::now();
        let mut sums: BTreeMap<String, CallLimit> = BTreeMap::new();
        let by_id = self.by_id.lock();
        for (presence, at) in by_id.values() {
            let is_here = now.saturating_duration_since(*at) < presence.gone_after();
            if !is_here || !own.differences(&presence.offer).is_empty() {
                continue;
            }
            for limit in &presence.call_limits {
                match sums.get_mut(&limit.provider) {
                    Some(sum) => {
                        sum.allowed = sum.allowed.saturating_add(limit.allowed);
                        sum.refused += limit.refused;
                        sum.closed = sum.closed.or(limit.closed);
                    }
                    None => {
                        sums.insert(limit.provider.clone(), limit.clone());
                    }
                }
            }
        }
        let gone = self.gone.lock();
        for limit in gone.values().flatten() {
            if let Some(sum) = sums.get_mut(&limit.provider) {
                sum.refused += limit.refused;
            }
        }
        sums.into_values().collect()
    }
}

impl Queue {
    /// Tells the other side about this process. Other processes need not listen.
    pub(crate) async fn say(&self, subject: String, presence: &Presence) {
        if let Ok(payload) = wire::write(presence) {
            let _ = self.client.publish(subject, payload.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(number: usize, again_in: u64) -> Presence {
        Presence {
            id: format!("process-{number}"),
            offer: Offer::new("test"),
            count: 1,
            again_in,
            call_limits: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_grow_with_the_sum_of_both_sides() {
        let heard = Heard::default();
        assert_eq!(heard.pace(), SAID_EVERY);
        for number in 0..400 {
            let pace = heard.pace();
            heard.hear(&wire::write(&presence(number, 60_000)).unwrap());
            assert!(pace >= SAID_EVERY && pace <= SAID_AT_LEAST_EVERY);
        }
        // One message to 400 listeners in 40 s is 10 deliveries a second.
        assert_eq!(heard.pace(), Duration::from_secs(40));
        for number in 400..4_000 {
            heard.hear(&wire::write(&presence(number, 60_000)).unwrap());
        }
        assert_eq!(heard.pace(), SAID_AT_LEAST_EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_is_gone_after_three_and_a_half_of_its_own_pauses() {
        let heard = Heard::default();
        heard.hear(&wire::write(&presence(1, 2_000)).unwrap());
        heard.hear(&wire::write(&presence(2, 20_000)).unwrap());
        let offer = Offer::new("test");
        assert_eq!(heard.sorted(&offer).0, 2);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(heard.sorted(&offer).0, 1);
        tokio::time::advance(Duration::from_secs(63)).await;
        assert_eq!(heard.sorted(&offer).0, 0);
    }

    fn said(id: &str, name: &str, allowed: u32, refused: u64) -> Vec<u8> {
        let presence = Presence {
            id: id.to_owned(),
            offer: Offer::new(name).with("rows", name),
            count: 8,
            again_in: usual(),
            call_limits: vec![CallLimit {
                provider: "p".to_owned(),
                allowed,
                refused,
                closed: None,
            }],
        };
        wire::write(&presence).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn limits_of_all_workers_that_fit_add_up_and_refusals_are_counted_once() {
        let heard = Heard::default();
        let own = Offer::new("task").with("rows", "task");
        heard.hear(&said("a", "task", 8, 100));
        heard.hear(&said("b", "task", 4, 0));
        heard.hear(&said("c", "other", 50, 0));
        heard.hear(&said("a", "task", 6, 103));
        let limits = heard.call_limits(&own);
        assert_eq!((limits[0].allowed, limits[0].refused), (10, 3));
        let gone_after = SAID_EVERY * 7 / 2;
        tokio::time::advance(gone_after / 2).await;
        heard.hear(&said("b", "task", 5, 2));
        tokio::time::advance(gone_after * 3 / 4).await;
        heard.hear(&said("b", "task", 5, 2));
        let limits = heard.call_limits(&own);
        assert_eq!((limits[0].allowed, limits[0].refused), (5, 5), "a is gone");
        heard.hear(&said("a", "task", 8, 104));
        let limits = heard.call_limits(&own);
        assert_eq!((limits[0].allowed, limits[0].refused), (13, 6));
    }
}
