//! An evaluator that takes all rollouts of a trial in one call and answers them together.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use gepa_engine::{
    BatchAnswers, Candidate, Config, Evaluation, Evaluator, EvaluatorInfo, ExampleSets, Outcome,
    PromptTemplate, RolloutRequest, Run, Settings, TrialBatch, async_trait, evaluate_alone,
};
use gepa_testing::ScriptedModel;

struct Lengths;

#[async_trait]
impl Evaluator for Lengths {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        evaluate_alone(self, request).await
    }

    fn largest_batch(&self) -> Option<NonZeroUsize> {
        None // Whole trials of any size.
    }

    async fn evaluate_batch(&self, batch: TrialBatch, answers: &BatchAnswers) {
        let text = batch.candidate.text("instruction");
        let length = text.map_or(0, |text| text.len());
        for place in 0..batch.examples.len() {
            let score = (length as f64 / 40.0).min(1.0);
            answers.give(place, Evaluation::free(Outcome::score(score)));
        }
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("length")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(200);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let model = ScriptedModel::answering(|_| "```\nAnswer in one short sentence.\n```".to_owned());
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(Lengths))
        .reflection_model(Arc::new(model))
        .start()
        .await?;
    let summary = run.finish().await?.run.summary;
    println!("{:?} -> {:?}", summary.baseline_score, summary.best_score);
    Ok(())
}
