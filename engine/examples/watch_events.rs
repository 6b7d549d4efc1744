//! Follows a run while it works. Each batch of events is stored before it is seen.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::{
    Candidate, Config, Counters, Decision, EventBody, ExampleSets, PromptTemplate, Run, Settings,
};
use gepa_testing::{FixedEvaluator, ScriptedModel};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(200);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(FixedEvaluator::scoring(|request| {
            let text = request.candidate.text("instruction");
            text.map_or(0.0, |text| text.len() as f64 / 100.0)
        })))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| {
            "```\nAnswer in one short sentence.\n```".to_owned()
        })))
        .start()
        .await?;
    let mut events = run.subscribe();
    let following = tokio::spawn(async move {
        let mut counters = Counters::default();
        // A receiver that falls behind gets an error and reads the rest from the store.
        while let Ok(batch) = events.recv().await {
            for event in batch.iter() {
                counters.count(&event.body);
                if let EventBody::Decision(Decision::CandidateAccepted(accepted)) = &event.body {
                    println!(
                        "candidate {}: {:.2} after {} rollouts",
                        accepted.index, accepted.mean_score, counters.total_rollouts
                    );
                }
            }
        }
    });
    run.finish().await?;
    following.await?;
    Ok(())
}
