//! An evaluator that waits, here on a timer, elsewhere on a service. It runs on tokio.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{
    Candidate, Config, Evaluation, Evaluator, EvaluatorInfo, ExampleSets, Outcome, PromptTemplate,
    RolloutRequest, Run, Settings, async_trait,
};
use gepa_testing::ScriptedModel;

struct Politeness;

#[async_trait]
impl Evaluator for Politeness {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let text = request.candidate.text("instruction");
        let is_polite = text.is_some_and(|text| text.contains("please"));
        Evaluation::free(Outcome::score(if is_polite { 1.0 } else { 0.2 }))
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("politeness")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(200);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let model = ScriptedModel::answering(|_| "```\nAnswer, please.\n```".to_owned());
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(Politeness))
        .reflection_model(Arc::new(model))
        .start()
        .await?;
    let summary = run.finish().await?.run.summary;
    println!("{:?} -> {:?}", summary.baseline_score, summary.best_score);
    Ok(())
}
