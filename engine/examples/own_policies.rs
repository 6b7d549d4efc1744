//! Decisions of one's own: which parent is next, and when the search ends. The answers are
//! journaled, so the run can be resumed and replayed without this program.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::policy::Policies;
use gepa_engine::{Candidate, Config, ExampleSets, PromptTemplate, Run, Settings};
use gepa_testing::{FixedEvaluator, ScriptedModel};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(2_000);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let policies = Policies::new()
        .parent_by(|question, _draw| question.archive.best())
        .stop_if("good enough", |standing| {
            let best = standing.archive.get(standing.archive.best()?)?;
            (best.mean > 0.25).then(|| format!("the best mean is {:.2}", best.mean))
        });
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .policies(policies)
        .evaluator(Arc::new(FixedEvaluator::scoring(|request| {
            let text = request.candidate.text("instruction");
            text.map_or(0.0, |text| text.len() as f64 / 100.0)
        })))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| {
            "```\nAnswer in one short sentence.\n```".to_owned()
        })))
        .start()
        .await?;
    println!("{:?}", run.finish().await?.end);
    Ok(())
}
