//! Runs computations on rayon for callers on tokio.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{Evaluation, Evaluator, EvaluatorInfo, FailureKind, Outcome, RolloutRequest};

/// Runs `work` on the rayon pool and waits for it without blocking the async thread.
///
/// If the caller is dropped before `work` has started, `work` is skipped. `None` if `work`
/// panicked.
pub async fn run_cpu<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    rayon::spawn(move || {
        if sender.is_closed() {
            return;
        }
        // A panic can leave only the captures of `work` inconsistent, and they are dropped here.
        if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
            // Sending fails only if the caller has been dropped.
            let _ = sender.send(result);
        }
    });
    receiver.await.ok()
}

/// An evaluator whose work is pure computation.
pub trait CpuBound: Send + Sync + 'static {
    /// Runs one rollout on a rayon thread. It may take any time.
    fn evaluate(&self, request: &RolloutRequest) -> Evaluation;

    /// See [`Evaluator::is_deterministic`].
    fn is_deterministic(&self) -> bool {
        true
    }

    /// A name for records and reports.
    fn name(&self) -> String;
}

/// Turns a [`CpuBound`] evaluator into an [`Evaluator`] that does not block the async threads.
#[derive(Debug)]
pub struct CpuEvaluator<E> {
    inner: Arc<E>,
}

impl<E: CpuBound> CpuEvaluator<E> {
    /// Wraps an evaluator.
    pub fn new(inner: E) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

#[async_trait]
impl<E: CpuBound> Evaluator for CpuEvaluator<E> {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let inner = Arc::clone(&self.inner);
        run_cpu(move || inner.evaluate(&request))
            .await
            .unwrap_or_else(|| {
                Evaluation::free(Outcome::failed(
                    FailureKind::Permanent,
                    "the evaluator panicked",
                ))
            })
    }

    fn is_deterministic(&self) -> bool {
        self.inner.is_deterministic()
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model(self.inner.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_the_pool_gives_none() {
        assert_eq!(run_cpu(|| 6 * 7).await, Some(42));
        assert_eq!(run_cpu(|| -> u32 { panic!("bad evaluator") }).await, None);
    }
}
