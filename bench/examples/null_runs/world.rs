//! Runs in worlds in which nothing can be learned, or a gain of known size: how often the verdict is
//! `better`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gepa_engine::verdict::{Verdict, VerdictKind, read_tables};
use gepa_engine::{
    Candidate, Config, Evaluation, Evaluator, ExampleId, ExampleSets, Outcome, PromptTemplate,
    RolloutRequest, Run, Scored, Settings,
};
use gepa_testing::{FixedEvaluator, ScriptedModel};

/// What a candidate other than the seed is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nature {
    /// Nothing: each candidate solves each example with the example's own probability.
    Bits,
    /// Nothing: each candidate's score is the example's own score and noise.
    Graded,
    /// Every other candidate differs from the seed on `discordance` of the examples, and is better
    /// by `gain`.
    Gain { discordance: f64, gain: f64 },
}

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) pareto: u64,
    pub(crate) validation: u64,
    pub(crate) rollouts: u64,
}

/// How runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) better: u32,
    pub(crate) not_shown: u32,
    pub(crate) worse: u32,
    pub(crate) nothing: u32,
}

impl Tally {
    fn count(&mut self, verdict: VerdictKind) {
        match verdict {
            VerdictKind::Better => self.better += 1,
            VerdictKind::Worse => self.worse += 1,
            VerdictKind::NothingLearned => self.nothing += 1,
            _ => self.not_shown += 1,
        }
    }
}

/// Runs the seeds and counts the verdicts.
pub(crate) async fn tally(
    nature: Nature,
    sizes: Sizes,
    seeds: std::ops::Range<u64>,
) -> Result<Tally, Box<dyn std::error::Error>> {
    let mut tally = Tally::default();
    for seed in seeds {
        tally.count(verdict(nature, sizes, seed).await?.verdict);
    }
    Ok(tally)
}

async fn verdict(
    nature: Nature,
    sizes: Sizes,
    seed: u64,
) -> Result<Verdict, Box<dyn std::error::Error>> {
    let start = Candidate::new([("prompt", "0")])?;
    let sets = ExampleSets::of_seeds(
        0..40,
        1_000..1_000 + sizes.pareto,
        2_000..2_000 + sizes.validation,
    );
    let mut settings = Settings::default();
    settings.run.seed = seed;
    settings.budget.max_rollouts = Some(sizes.rollouts);
    let config = Config::new(start, PromptTemplate::default(), sets, settings)?;
    let store = gepa_store::open("memory:")?;
    let run = Run::builder(config)
        .store(Arc::clone(&store))
        .evaluator(evaluator(nature, seed))
        .reflection_model(writer())
        .start()
        .await?;
    let result = run.finish().await?;
    Ok(Verdict::of(&read_tables(&*store, result.run).await?))
}

/// A reflection model that never writes the same text twice.
fn writer() -> Arc<ScriptedModel> {
    let calls = AtomicU64::new(0);
    Arc::new(ScriptedModel::answering(move |_| {
        format!("```\n{}\n```", 1 + calls.fetch_add(1, Ordering::Relaxed))
    }))
}

fn evaluator(nature: Nature, seed: u64) -> Arc<dyn Evaluator> {
    Arc::new(FixedEvaluator::new(move |request| {
        Evaluation::free(Outcome::Scored(Scored {
            score: score(nature, seed, request),
            feedback: Some("as it came".to_owned()),
            ..Scored::default()
        }))
    }))
}

fn score(nature: Nature, seed: u64, request: &RolloutRequest) -> f64 {
    let example = &request.example;
    let text = request.candidate.components().values().next();
    let text = text.map_or("", |text| &**text);
    let own = share(&[&seed.to_string(), &name(example)]);
    let luck = share(&[&seed.to_string(), &name(example), text]);
    let bit = |holds: bool| f64::from(u8::from(holds));
    match nature {
        Nature::Bits => bit(luck < 0.2 + 0.7 * own),
        Nature::Graded => 0.7 * own + 0.3 * luck,
        Nature::Gain { discordance, gain } => {
            let solved = own < 0.5;
            if text == "0" {
                return bit(solved);
            }
            // Half of the examples can rise, and half can fall.
            let flips = if solved {
                luck < discordance - gain
            } else {
                luck < discordance + gain
            };
            bit(solved != flips)
        }
    }
}

fn name(example: &ExampleId) -> String {
    example.to_string()
}

/// A draw between 0 and 1 that depends on the words alone.
fn share(words: &[&str]) -> f64 {
    let digest = blake3::hash(words.join("/").as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}
