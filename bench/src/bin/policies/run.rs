//! One run of the engine, and what is kept of it.

use std::collections::BTreeMap;

use gepa_bench::searching::{COMPONENT, SearchError, Searched};
use gepa_engine::{Decision, EventBody, Fact, RunError, Stage};
use gepa_statistics::Comparison;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::settings::Policy;
use crate::tasks::Task;

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) task: String,
    pub(crate) seed: u64,
    /// Pareto examples of the task; a policy may use fewer.
    pub(crate) pareto: usize,
    pub(crate) budget: u64,
    pub(crate) policy: String,
}

/// A finished run. Scores are from 0 to 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) cell: Cell,
    /// True score of the seed prompt.
    pub(crate) seed_truth: f64,
    /// True score of the winner.
    pub(crate) truth: f64,
    /// The winner's score as the run reports it.
    pub(crate) reported: f64,
    pub(crate) rollouts: u64,
    pub(crate) reflections: u64,
    /// Tokens of both models, without the final scoring; 0 in results of earlier programs.
    #[serde(default)]
    pub(crate) tokens: u64,
    pub(crate) accepted: u64,
    /// Whether the winner is the seed prompt.
    pub(crate) kept_seed: bool,
    /// Whether the held-out examples show that the winner is better; `None` without any.
    #[serde(default)]
    pub(crate) better: Option<bool>,
}

/// Where tokens are the limit, a run may take this many times the rollouts of the budget.
const MOST_TIMES_BUDGET: u64 = 10;

/// Runs a cell; with `tokens`, within that many tokens instead of the budget's rollouts.
pub(crate) fn run(
    cell: Cell,
    task: &Task,
    policy: &Policy,
    validation: usize,
    tokens: Option<u64>,
) -> Result<Row, String> {
    let mut settings = policy.settings(cell.seed, cell.budget)?;
    // The final scoring is paid for beside the budget that is compared.
    settings.validation.top_k = u32::from(validation > 0);
    let final_scoring = 2 * validation as u64;
    settings.budget.max_rollouts = Some(cell.budget + final_scoring);
    if let Some(tokens) = tokens {
        settings.budget.max_tokens = Some(tokens);
        settings.budget.max_rollouts = Some(MOST_TIMES_BUDGET * cell.budget + final_scoring);
    }
    let pareto = policy.first.unwrap_or(cell.pareto).min(cell.pareto);
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let searching = task.in_process(pareto, validation).search(settings, |_| {});
    match runtime.block_on(searching) {
        Ok(searched) => Ok(row(cell, task, &searched)),
        Err(SearchError::Run(RunError::BudgetTooSmall { .. })) => Ok(keeping_the_seed(cell, task)),
        Err(error) => Err(format!("{cell:?}: {error}")),
    }
}

/// The row of a policy that cannot afford one proposal. Nothing is run and nothing is reported, so
/// that its reported score is its true one.
fn keeping_the_seed(cell: Cell, task: &Task) -> Row {
    let truth = task.true_score(task.seed_prompt());
    Row {
        cell,
        seed_truth: truth,
        truth,
        reported: truth,
        rollouts: 0,
        reflections: 0,
        tokens: 0,
        accepted: 0,
        kept_seed: true,
        better: None,
    }
}

fn row(cell: Cell, task: &Task, searched: &Searched) -> Row {
    let bodies = || searched.journal.iter().map(|event| &event.body);
    let count = |wanted: fn(&EventBody) -> bool| bodies().filter(|body| wanted(body)).count();
    let best = searched.result.best.as_ref();
    let prompt = best.and_then(|best| best.components.text(COMPONENT));
    let seed_truth = task.true_score(task.seed_prompt());
    let prompt = prompt.map_or(task.seed_prompt(), |prompt| prompt);
    Row {
        cell,
        seed_truth,
        truth: task.true_score(prompt),
        reported: best.and_then(|best| best.mean_score).unwrap_or_default(),
        rollouts: count(|body| match body {
            EventBody::Fact(Fact::RolloutSettled(settled)) => !is_final(settled.stage),
            _ => false,
        }) as u64,
        reflections: count(|body| matches!(body, EventBody::Fact(Fact::ReflectionSettled(_))))
            as u64,
        tokens: bodies().map(tokens_of).sum(),
        accepted: count(
            |body| matches!(body, EventBody::Decision(Decision::CandidateAccepted(accepted)) if accepted.iteration > 0),
        ) as u64,
        kept_seed: prompt == task.seed_prompt(),
        better: verdict(searched),
    }
}

fn tokens_of(body: &EventBody) -> u64 {
    match body {
        EventBody::Fact(Fact::RolloutSettled(settled)) if !is_final(settled.stage) => {
            settled.usage.total_tokens()
        }
        EventBody::Fact(Fact::ReflectionSettled(settled)) => settled.usage.total_tokens(),
        _ => 0,
    }
}

/// Whether the held-out examples show, with 95 % confidence, that the winner is better than the seed.
fn verdict(searched: &Searched) -> Option<bool> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for event in &searched.journal {
        let EventBody::Fact(Fact::RolloutSettled(settled)) = &event.body else {
            continue;
        };
        let Some(scored) = settled.outcome.scored() else {
            continue;
        };
        let side = match settled.stage {
            Stage::ValidationBaseline => &mut before,
            Stage::ValidationTopK => &mut after,
            _ => continue,
        };
        side.insert(settled.example.clone(), scored.score);
    }
    if before.is_empty() {
        return None;
    }
    let pairs: Vec<(f64, f64)> = before
        .iter()
        .filter_map(|(example, score)| Some((*score, *after.get(example)?)))
        .collect();
    let comparison = Comparison::of(&pairs, 0.95);
    Some(comparison.is_some_and(|found| found.shows_more_than(0.0)))
}

fn is_final(stage: Stage) -> bool {
    matches!(stage, Stage::ValidationBaseline | Stage::ValidationTopK)
}
