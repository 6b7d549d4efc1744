//! Metrics of queues, through the `metrics` facade. The gauges have the label `offer`: a server's jobs can
//! want several.
//!
//! | metric | kind | meaning |
//! |---|---|---|
//! | `gepa_queue_depth` | gauge | pieces of work of this offer that no worker has taken |
//! | `gepa_queue_in_progress` | gauge | pieces of work that workers have taken and not answered |
//! | `gepa_queue_oldest_wait_seconds` | gauge | time since the oldest of them was handed over |
//! | `gepa_worker_rollouts_total` | counter | rollouts that this worker answered |
//! | `gepa_worker_redelivered_total` | counter | work that this worker took over from one that was lost |
//! | `gepa_queue_late_answers_total` | counter | answers that came after another one, or to a run that is gone |

use std::time::Duration;

use metrics::{counter, gauge};

use crate::{Queue, names};

/// How full the queue of one offer is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Depth {
    pub(crate) waiting: u64,
    pub(crate) in_progress: usize,
    pub(crate) oldest: Duration,
}

impl Queue {
    /// Measures the queue of an offer; `None` if the server does not say.
    pub(crate) async fn depth(&self, token: &str) -> Option<Depth> {
        let info = self.work.consumer_info(token).await.ok()?;
        let mut depth = Depth {
            waiting: info.num_pending,
            in_progress: info.num_ack_pending,
            oldest: Duration::ZERO,
        };
        if info.num_pending > 0 {
            let from = info.delivered.stream_sequence + 1;
            let subject = names::work_of(token);
            let oldest = self
                .work
                .direct_get_next_for_subject(subject, Some(from))
                .await;
            if let Ok(oldest) = oldest {
                let waited = async_nats::datetime::now() - oldest.time;
                depth.oldest = Duration::try_from(waited).unwrap_or_default();
            }
        }
        let offer = token.to_owned();
        gauge!("gepa_queue_depth", "offer" => offer.clone()).set(depth.waiting as f64);
        gauge!("gepa_queue_in_progress", "offer" => offer.clone()).set(depth.in_progress as f64);
        gauge!("gepa_queue_oldest_wait_seconds", "offer" => offer).set(depth.oldest.as_secs_f64());
        Some(depth)
    }
}

pub(crate) fn answered(rollouts: usize) {
    counter!("gepa_worker_rollouts_total").increment(rollouts as u64);
}

pub(crate) fn redelivered() {
    counter!("gepa_worker_redelivered_total").increment(1);
}

pub(crate) fn late() {
    counter!("gepa_queue_late_answers_total").increment(1);
}
