//! Hands a text of one's own to a running search. It is scored and can become a parent.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::{Candidate, Config, ExampleSets, Origin, PromptTemplate, Run, Settings};
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
    let own = "Read the question twice, then answer in one short sentence.";
    let injected = Candidate::new([("instruction", own)])?;
    run.control().inject(injected);
    let result = run.finish().await?;
    for row in store.candidates(&result.run.run_id).await? {
        if row.origin == Origin::Injected {
            println!("the injected text scores {:?}", row.mean_score);
        }
    }
    Ok(())
}
