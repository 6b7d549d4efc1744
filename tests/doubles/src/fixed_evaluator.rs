//! An evaluator made of a function.

use std::fmt;

use async_trait::async_trait;

use gepa_evaluation::{Evaluation, Evaluator, EvaluatorInfo, Outcome, RolloutRequest};

/// Answers every rollout with what its function returns.
pub struct FixedEvaluator {
    answer: Box<dyn Fn(&RolloutRequest) -> Evaluation + Send + Sync>,
    deterministic: bool,
}

impl FixedEvaluator {
    /// An evaluator that answers with `answer` and calls itself deterministic.
    pub fn new(answer: impl Fn(&RolloutRequest) -> Evaluation + Send + Sync + 'static) -> Self {
        Self {
            answer: Box::new(answer),
            deterministic: true,
        }
    }

    /// An evaluator that answers with the score that `score` returns and calls itself deterministic.
    pub fn scoring(score: impl Fn(&RolloutRequest) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(move |request| Evaluation::free(Outcome::score(score(request))))
    }

    /// Makes it say that repeated evaluations may differ.
    #[must_use]
    pub fn nondeterministic(mut self) -> Self {
        self.deterministic = false;
        self
    }
}

impl fmt::Debug for FixedEvaluator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FixedEvaluator")
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Evaluator for FixedEvaluator {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        (self.answer)(&request)
    }

    fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("fixed")
    }
}
