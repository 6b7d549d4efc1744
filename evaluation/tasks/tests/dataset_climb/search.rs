//! A small sequential GEPA: enough to see whether the rulebook's rewrites climb.

use std::path::Path;
use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{
    ChatRequest, Evaluator, ExampleId, LanguageModel, Message, Outcome, PromptMessage,
    PromptTemplate, Purpose, RolloutRequest, Scored, Stage,
};
use gepa_rulebook::RulebookModel;
use gepa_tasks::dataset::{Dataset, DatasetEvaluator, DatasetSettings, ExampleSplit};
use gepa_tasks::scorer::{Scorer, ScorerSettings, UnicodeForm};

/// A task and how long to search.
pub(crate) struct Task {
    pub(crate) settings: DatasetSettings,
    pub(crate) base: std::path::PathBuf,
    pub(crate) seed_prompt: &'static str,
    pub(crate) user_pattern: &'static str,
    pub(crate) rollouts: usize,
    pub(crate) minibatch: usize,
}

/// Mean scores of one search.
#[derive(Clone, Debug)]
pub(crate) struct Climb {
    pub(crate) seed_validation: f64,
    pub(crate) best_pareto: f64,
    pub(crate) validation: f64,
    pub(crate) candidates: usize,
    pub(crate) proposals: usize,
    pub(crate) best_prompt: String,
}

struct Entry {
    candidate: Arc<Candidate>,
    scores: Vec<f64>,
}

pub(crate) async fn climb(task: &Task, seed: u64) -> Climb {
    let mut settings = task.settings.clone();
    settings.split.seed = seed;
    let dataset = Arc::new(Dataset::load(&settings, &task.base).unwrap());
    let split = dataset.split(&settings.split).unwrap();
    let evaluator = evaluator(task, dataset);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9).wrapping_add(1));
    let first = Arc::new(Candidate::new([("instruction", task.seed_prompt)]).unwrap());
    let scores = scores_of(&evaluator, &first, &split.pareto).await;
    let mut spent = split.pareto.len();
    let mut proposals = 0;
    let mut pool = vec![Entry {
        candidate: first,
        scores,
    }];
    while spent < task.rollouts {
        let parent = Arc::clone(&pool[select(&pool, &mut dice)].candidate);
        let batch = minibatch(&split, task.minibatch, &mut dice);
        let before = results_of(&evaluator, &parent, &batch).await;
        spent += batch.len();
        if before.iter().all(|result| result.score >= 1.0) {
            continue;
        }
        proposals += 1;
        let child = reflect(&parent, &before).await;
        let after: f64 = scores_of(&evaluator, &child, &batch).await.iter().sum();
        spent += batch.len();
        let sum_before: f64 = before.iter().map(|result| result.score).sum();
        if after > sum_before {
            let scores = scores_of(&evaluator, &child, &split.pareto).await;
            spent += scores.len();
            pool.push(Entry {
                candidate: child,
                scores,
            });
        }
    }
    let best = pool
        .iter()
        .rev()
        .max_by(|one, other| mean(&one.scores).total_cmp(&mean(&other.scores)))
        .unwrap();
    Climb {
        seed_validation: mean(&scores_of(&evaluator, &pool[0].candidate, &split.validation).await),
        best_pareto: mean(&best.scores),
        validation: mean(&scores_of(&evaluator, &best.candidate, &split.validation).await),
        candidates: pool.len(),
        proposals,
        best_prompt: best.candidate.text("instruction").unwrap().to_string(),
    }
}

pub(crate) fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len() as f64
}

fn evaluator(task: &Task, dataset: Arc<Dataset>) -> DatasetEvaluator {
    let message = |role: &str, component: Option<&str>, pattern: &str| PromptMessage {
        role: role.to_owned(),
        component: component.map(str::to_owned),
        pattern: pattern.to_owned(),
    };
    let prompt = PromptTemplate {
        messages: vec![
            message("system", Some("instruction"), task.seed_prompt),
            message("user", None, task.user_pattern),
        ],
    };
    let exact = ScorerSettings::Exact {
        ignore_case: false,
        keep_whitespace: false,
        unicode: UnicodeForm::Nfc,
    };
    let scorer = Scorer::new(&exact, Path::new("."), None).unwrap();
    DatasetEvaluator::new(dataset, prompt, Arc::new(RulebookModel), scorer).unwrap()
}

/// The parent: one of those best on an instance, drawn by the number of such instances.
fn select(pool: &[Entry], dice: &mut Dice) -> usize {
    let mut weights = vec![0_u64; pool.len()];
    for instance in 0..pool[0].scores.len() {
        let best = pool
            .iter()
            .map(|entry| entry.scores[instance])
            .fold(f64::NEG_INFINITY, f64::max);
        for (weight, entry) in weights.iter_mut().zip(pool) {
            *weight += u64::from(entry.scores[instance] >= best);
        }
    }
    let mut ticket = dice.below(weights.iter().sum());
    for (index, weight) in weights.iter().enumerate() {
        if ticket < *weight {
            return index;
        }
        ticket -= weight;
    }
    0
}

fn minibatch(split: &ExampleSplit, size: usize, dice: &mut Dice) -> Vec<ExampleId> {
    let mut ids = split.train.clone();
    for at in 0..size {
        let other = at + dice.below((ids.len() - at) as u64) as usize;
        ids.swap(at, other);
    }
    ids.truncate(size);
    ids
}

async fn reflect(parent: &Candidate, results: &[Scored]) -> Arc<Candidate> {
    let instruction = parent.text("instruction").unwrap();
    let prompt = reflection_prompt(instruction, results);
    let request = ChatRequest {
        messages: vec![Message::new("user", prompt)],
        purpose: Purpose::Reflection,
    };
    let reply = RulebookModel.complete(request).await.unwrap().text;
    let start = reply.find("```\n").unwrap() + 4;
    let end = reply.rfind("\n```").unwrap();
    Arc::new(Candidate::new([("instruction", &reply[start..end])]).unwrap())
}

fn reflection_prompt(instruction: &str, results: &[Scored]) -> String {
    let records: Vec<String> = results.iter().enumerate().map(record).collect();
    format!(
        "The assistant works from this instruction:\n```\n{instruction}\n```\n\nWhat it did with it:\n```\n{}\n```\n\nWrite a better instruction within ``` blocks.",
        records.join("\n\n")
    )
}

fn record((index, result): (usize, &Scored)) -> String {
    let trace = result.trace.as_ref().unwrap();
    let inputs: Vec<String> = trace["Inputs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("### {name}\n{}\n\n", value.as_str().unwrap()))
        .collect();
    format!(
        "# Example {}\n## Inputs\n{}## Generated Outputs\n{}\n\n## Feedback\n{}\n\n",
        index + 1,
        inputs.concat(),
        result.output.as_deref().unwrap(),
        result.feedback.as_deref().unwrap()
    )
}

async fn scores_of(
    evaluator: &DatasetEvaluator,
    candidate: &Arc<Candidate>,
    ids: &[ExampleId],
) -> Vec<f64> {
    let results = results_of(evaluator, candidate, ids).await;
    results.iter().map(|result| result.score).collect()
}

async fn results_of(
    evaluator: &DatasetEvaluator,
    candidate: &Arc<Candidate>,
    ids: &[ExampleId],
) -> Vec<Scored> {
    let mut results = Vec::new();
    for id in ids {
        let request = RolloutRequest {
            candidate: Arc::clone(candidate),
            example: id.clone(),
            run_id: "pl_0000000000000001".into(),
            trial_id: "trial".into(),
            stage: Stage::MinibatchParent,
            iteration: 1,
            trial_index: 0,
            attempt: 1,
        };
        match evaluator.evaluate(request).await.outcome {
            Outcome::Scored(scored) => results.push(scored),
            Outcome::Failed(failure) => panic!("{}", failure.message),
        }
    }
    results
}

/// A small generator, so that the searches repeat exactly.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
