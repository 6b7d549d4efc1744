//! An evaluator that computes. It runs on rayon's threads, so the run's own task never stalls.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::{
    Candidate, Config, CpuBound, CpuEvaluator, Evaluation, ExampleId, ExampleSets, Outcome,
    PromptTemplate, RolloutRequest, Run, Scored, Settings,
};
use gepa_testing::ScriptedModel;

/// Scores how near the candidate's number is to the square root of the example.
struct SquareRoot;

impl CpuBound for SquareRoot {
    fn evaluate(&self, request: &RolloutRequest) -> Evaluation {
        let ExampleId::Seed(square) = request.example else {
            return Evaluation::free(Outcome::score(0.0));
        };
        let text = request.candidate.text("number").map_or("", |text| text);
        let number: f64 = text.trim().parse().unwrap_or_default();
        // Enough arithmetic to be worth a thread.
        let root = (0..100_000).fold(1.0, |root, _| f64::midpoint(root, square as f64 / root));
        Evaluation::free(Outcome::Scored(Scored {
            score: 1.0 / (1.0 + (root - number).abs()),
            feedback: Some(format!("the square root of {square} is {root:.3}")),
            ..Scored::default()
        }))
    }

    fn name(&self) -> String {
        "square root".to_owned()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("number", "1")])?;
    let sets = ExampleSets::of_seeds(90..100, 100..110, 110..120);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(400);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let model = ScriptedModel::answering(|_| "```\n10\n```".to_owned());
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(CpuEvaluator::new(SquareRoot)))
        .reflection_model(Arc::new(model))
        .start()
        .await?;
    let summary = run.finish().await?.run.summary;
    println!("{:?} -> {:?}", summary.baseline_score, summary.best_score);
    Ok(())
}
