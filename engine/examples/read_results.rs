//! Reads what is stored about a run: its candidates, rollouts and sums.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::{Candidate, Config, ExampleSets, PromptTemplate, Run, Seq, Settings};
use gepa_testing::{FixedEvaluator, ScriptedModel};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(200);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let store = gepa_store::open("memory:")?;
    let run = Run::builder(config)
        .store(Arc::clone(&store))
        .evaluator(Arc::new(FixedEvaluator::scoring(|request| {
            let text = request.candidate.text("instruction");
            text.map_or(0.0, |text| text.len() as f64 / 100.0)
        })))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| {
            "```\nAnswer in one short sentence.\n```".to_owned()
        })))
        .start()
        .await?;
    let run_id = run.finish().await?.run.run_id;

    for row in store.candidates(&run_id).await? {
        println!("{:?} {:?} {:?}", row.index, row.origin, row.mean_score);
    }
    let rollouts = store.rollouts(&run_id, Seq(0), 5).await?;
    for row in rollouts {
        println!(
            "{} on example {}: {:?}",
            row.candidate_id, row.example, row.score
        );
    }
    let summary = store.run(&run_id).await?.summary;
    println!("{} tokens", summary.counters.total_tokens);
    Ok(())
}
