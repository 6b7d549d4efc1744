//! A token limit ends the search but never the final scoring, and is never exceeded.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_engine::config::BudgetSettings;
use gepa_engine::{Config, ExampleSets, Run, RunEnd, RunResult, Settings, StopReason};
use gepa_evaluation::{Evaluation, ExampleId, Outcome, PromptTemplate, Usage};
use gepa_testing::{FixedEvaluator, ScriptedModel};

async fn run_with(max_tokens: u64) -> RunResult {
    let ids = |range: std::ops::Range<u64>| range.map(ExampleId::Seed).collect();
    let sets = ExampleSets {
        train: ids(0..20),
        pareto: ids(20..40),
        validation: ids(40..60),
    };
    let mut budget = BudgetSettings::default();
    budget.max_tokens = Some(max_tokens);
    let mut settings = Settings::default();
    settings.budget = budget;
    let seed = Candidate::new([("instruction", "a")]).unwrap();
    let config = Config::new(seed, PromptTemplate::default(), sets, settings).unwrap();
    let evaluator = FixedEvaluator::new(|request| {
        let length = request
            .candidate
            .text("instruction")
            .map_or(0, |text| text.len());
        let usage = Usage {
            calls: 1,
            prompt_tokens: 10,
            ..Usage::default()
        };
        Evaluation::with_usage(Outcome::score(1.0 - 1.0 / (1.0 + length as f64)), usage)
    });
    let longer = |prompt: &str| {
        let text = prompt.split("```").nth(1).unwrap_or_default().trim();
        format!("```\n{text}a\n```")
    };
    let model = ScriptedModel::answering(move |chat| longer(&chat.messages[0].content));
    let run = Run::builder(config)
        .store(gepa_store::open("memory:").unwrap())
        .evaluator(Arc::new(evaluator))
        .reflection_model(Arc::new(model))
        .start()
        .await
        .unwrap();
    run.finish().await.unwrap()
}

#[tokio::test]
async fn the_search_ends_in_time_for_the_final_scoring() {
    for max_tokens in [1_500, 2_000, 3_333] {
        let result = run_with(max_tokens).await;
        let RunEnd::Finished(StopReason::TokenBudget { limit, .. }) = result.end else {
            panic!("{:?}", result.end)
        };
        assert_eq!(limit, max_tokens);
        let counters = &result.run.summary.counters;
        assert!(counters.total_tokens <= max_tokens, "{counters:?}");
        assert_eq!(counters.validation_rollouts_executed, 40);
        assert_eq!(result.run.summary.validation.len(), 2);
    }
}
