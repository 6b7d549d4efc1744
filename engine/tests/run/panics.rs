//! Evaluators that panic, even in places where the panic cannot be caught.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gepa_engine::{RunEnd, StopReason};
use gepa_evaluation::{Evaluation, Evaluator, EvaluatorInfo, Outcome, RolloutRequest};

use crate::world::World;

/// Panics in its evaluation, or when the evaluation is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Panics {
    WhileEvaluating,
    WhenDropped,
}

struct Rollout(Panics);

impl Future for Rollout {
    type Output = Evaluation;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Evaluation> {
        assert!(self.0 == Panics::WhenDropped, "a bug in the evaluator");
        Poll::Ready(Evaluation::free(Outcome::score(0.5)))
    }
}

impl Drop for Rollout {
    fn drop(&mut self) {
        let may_panic = self.0 == Panics::WhenDropped && !std::thread::panicking();
        assert!(!may_panic, "a bug in what the evaluator leaves behind");
    }
}

impl Evaluator for Panics {
    fn evaluate<'life0, 'async_trait>(
        &'life0 self,
        _: RolloutRequest,
    ) -> Pin<Box<dyn Future<Output = Evaluation> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(Rollout(*self))
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("panics")
    }
}

async fn check_ends(panics: Panics) {
    let finished = World::new().finish(Arc::new(panics)).await;
    let RunEnd::Finished(reason) = &finished.result.end else {
        panic!("{:?}", finished.result.end);
    };
    assert!(
        matches!(reason, StopReason::EvaluatorFailures { message, .. } if message.contains("panicked")),
        "{reason}"
    );
    let counters = &finished.result.run.summary.counters;
    assert!(counters.total_rollouts > 0);
    assert_eq!(counters.failed_rollouts, counters.total_rollouts);
}

#[tokio::test]
async fn an_evaluator_that_panics_fails_its_rollouts_and_the_run_ends() {
    check_ends(Panics::WhileEvaluating).await;
}

#[tokio::test]
async fn a_panic_outside_the_evaluation_is_a_failed_rollout_and_no_hang() {
    check_ends(Panics::WhenDropped).await;
}
