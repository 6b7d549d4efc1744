//! Interrupts a run and takes it up again. Nothing that was paid for is bought a second time.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::{
    Candidate, Config, ExampleSets, PromptTemplate, Run, RunBuilder, Settings, Store,
};
use gepa_testing::{FixedEvaluator, ScriptedModel};

fn builder(store: &Arc<dyn Store>) -> Result<RunBuilder, Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(200);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    Ok(Run::builder(config)
        .store(Arc::clone(store))
        .evaluator(Arc::new(FixedEvaluator::scoring(|request| {
            let text = request.candidate.text("instruction");
            text.map_or(0.0, |text| text.len() as f64 / 100.0)
        })))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| {
            "```\nAnswer in one short sentence.\n```".to_owned()
        }))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = gepa_store::open("memory:")?;
    let run = builder(&store)?.start().await?;
    let run_id = run.run_id().clone();
    run.control().interrupt("the machine is needed elsewhere");
    let first = run.finish().await?;
    println!("{:?}", first.end);

    let run = builder(&store)?.resume(run_id).await?;
    let second = run.finish().await?;
    println!("{:?}", second.end);
    Ok(())
}
