//! An evaluator that computes: it runs on rayon's threads, and the run's own task never stalls.
//!
//! The candidate is a list of weights; the task is to make a polynomial small on every example.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_engine::config::{BudgetSettings, RunSettings};
use gepa_engine::{Config, ExampleSets, Run, Settings};
use gepa_evaluation::{
    CpuBound, CpuEvaluator, Evaluation, ExampleId, Outcome, PromptTemplate, RolloutRequest, Scored,
};
use gepa_testing::ScriptedModel;

struct Polynomial;

impl CpuBound for Polynomial {
    fn evaluate(&self, request: &RolloutRequest) -> Evaluation {
        let ExampleId::Seed(point) = request.example else {
            return Evaluation::free(Outcome::score(0.0));
        };
        let text = request.candidate.text("weights").map_or("", |text| text);
        let weights: Vec<f64> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let x = point as f64 / 10.0;
        // Enough arithmetic to be worth a thread.
        let value = (0..200_000).fold(0.0, |sum: f64, step| {
            let power = weights
                .iter()
                .rev()
                .fold(0.0, |sum, weight| sum * x + weight);
            sum + (power - f64::from(step % 2)).abs() / 200_000.0
        });
        Evaluation::free(Outcome::Scored(Scored {
            score: 1.0 / (1.0 + value),
            feedback: Some(format!(
                "at x = {x} the mean distance is {value:.4}; smaller is better"
            )),
            ..Scored::default()
        }))
    }

    fn name(&self) -> String {
        "polynomial".to_owned()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Candidate::new([("weights", "4 -2 1")])?;
    let ids = |range: std::ops::Range<u64>| range.map(ExampleId::Seed).collect();
    let sets = ExampleSets {
        train: ids(0..10),
        pareto: ids(10..20),
        validation: ids(20..30),
    };
    let settings = Settings {
        run: RunSettings {
            max_concurrent: 4,
            ..RunSettings::default()
        },
        budget: BudgetSettings {
            max_rollouts: Some(400),
            ..BudgetSettings::default()
        },
        ..Settings::default()
    };
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)
        .map_err(|problems| format!("{problems:?}"))?;
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(CpuEvaluator::new(Polynomial)))
        .reflection_model(Arc::new(ScriptedModel::answering(|chat| {
            halve(&chat.messages[0].content)
        })))
        .start()
        .await?;
    let result = run.finish().await?;
    println!("stopped: {:?}", result.end);
    println!(
        "baseline {:?}, best {:?}",
        result.run.summary.baseline_score, result.run.summary.best_score
    );
    if let Some(best) = result.best {
        println!("best weights: {:?}", best.components.text("weights"));
    }
    Ok(())
}

/// A stand-in for a reflection model: halves every weight of the text it is shown.
fn halve(prompt: &str) -> String {
    let weights = prompt.split("```").nth(1).unwrap_or_default();
    let halved: Vec<String> = weights
        .split_whitespace()
        .filter_map(|word| word.parse::<f64>().ok())
        .map(|weight| format!("{:.4}", weight / 2.0))
        .collect();
    format!("```\n{}\n```", halved.join(" "))
}
