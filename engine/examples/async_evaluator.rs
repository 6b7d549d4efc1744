//! The library call: an evaluator that waits (here on a timer, in life on a service), run on tokio.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::{sync::Arc, time::Duration};

use gepa_archive::Candidate;
use gepa_engine::{Config, ExampleSets, Run, Settings, config::BudgetSettings};
use gepa_evaluation::{
    Evaluation, Evaluator, EvaluatorInfo, Outcome, PromptTemplate, RolloutRequest,
};
use gepa_testing::ScriptedModel;

struct Patient;

#[async_trait::async_trait]
impl Evaluator for Patient {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let polite = request
            .candidate
            .text("instruction")
            .is_some_and(|t| t.contains("please"));
        Evaluation::free(Outcome::score(if polite { 1.0 } else { 0.2 }))
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("politeness")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let ids = |range: std::ops::Range<u64>| range.map(Into::into).collect();
    let sets = ExampleSets {
        train: ids(0..10),
        pareto: ids(10..30),
        validation: ids(30..50),
    };
    let budget = BudgetSettings {
        max_rollouts: Some(200),
        ..Default::default()
    };
    let settings = Settings {
        budget,
        ..Default::default()
    };
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)
        .map_err(|problems| format!("{problems:?}"))?;
    let model = ScriptedModel::answering(|_| "```\nAnswer, please.\n```".to_owned());
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(Patient))
        .reflection_model(Arc::new(model))
        .start()
        .await?;
    let result = run.finish().await?;
    println!(
        "{:?}: {:?} -> {:?}",
        result.end, result.run.summary.baseline_score, result.run.summary.best_score
    );
    Ok(())
}
