//! A proposer of one's own in the reflection model's place: it rewrites texts from the records of
//! their failures.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_engine::{
    Candidate, Config, ExampleSets, PromptTemplate, ProposalRequest, ProposedTexts, Proposer,
    ProposerError, Run, Settings, async_trait,
};
use gepa_testing::FixedEvaluator;

/// Adds a sentence that says how many examples failed.
struct Appending;

#[async_trait]
impl Proposer for Appending {
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedTexts, ProposerError> {
        let failed = request
            .records
            .iter()
            .filter(|record| record.scored.score < 1.0);
        let remark = format!(" Mind {} hard cases.", failed.count());
        let mut proposed = ProposedTexts::default();
        for component in request.components {
            let text = request.candidate.text(&component.name);
            let text = text.map_or("", |text| text);
            let texts = vec![format!("{text}{remark}")];
            proposed.texts.insert(component.name, texts);
        }
        Ok(proposed)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let sets = ExampleSets::of_seeds(0..10, 10..30, 30..50);
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(200);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .proposer(Arc::new(Appending))
        .evaluator(Arc::new(FixedEvaluator::scoring(|request| {
            let text = request.candidate.text("instruction");
            text.map_or(0.0, |text| (text.len() as f64 / 100.0).min(1.0))
        })))
        .start()
        .await?;
    let best = run.finish().await?.best;
    println!("{:?}", best.map(|row| row.components));
    Ok(())
}
