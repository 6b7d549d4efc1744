//! One run of a sweep: its config, and what the store has of it.

use gepa_ablation::single_settings;
use gepa_configs::{ConfigSource, TaskConfig};
use gepa_engine::record::RunRow;
use gepa_engine::{RunQuery, Store, StoreError};
use gepa_models::Environment;
use serde_json::Value;

use super::file::{Setting, Sweep};

/// One run of a sweep.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// The place of its setting.
    pub(super) setting: usize,
    pub(super) seed: u64,
    /// What it is called in messages.
    pub(super) label: String,
    pub(super) overrides: Vec<String>,
}

/// How far a run of the sweep is.
#[derive(Clone, Debug)]
pub(super) enum Stand {
    /// It is in no store.
    New,
    /// It began and is not over.
    Open(Box<RunRow>),
    /// It is over.
    Over(Box<RunRow>),
}

/// All runs of a sweep, each with the config that it was checked with.
///
/// # Errors
///
/// Every problem of every config, with the setting that has it.
pub(super) fn cells(
    sweep: &Sweep,
    environment: &Environment,
) -> Result<Vec<(Cell, TaskConfig)>, Vec<String>> {
    let (mut cells, mut problems) = (Vec::new(), Vec::new());
    for (place, setting) in sweep.settings.iter().enumerate() {
        for seed in &sweep.seeds {
            match cell(sweep, place, setting, *seed, environment) {
                Ok(cell) => cells.push(cell),
                Err(problem) => {
                    // The other seeds have the same problem.
                    problems.push(problem);
                    break;
                }
            }
        }
    }
    // What is wrong with the config itself is wrong with each setting.
    problems.dedup();
    if problems.is_empty() {
        Ok(cells)
    } else {
        Err(problems)
    }
}

fn cell(
    sweep: &Sweep,
    place: usize,
    setting: &Setting,
    seed: u64,
    environment: &Environment,
) -> Result<(Cell, TaskConfig), String> {
    let label = format!("{}, seed {seed}", setting.label());
    let name: String = format!("{}: {label}", sweep.name)
        .chars()
        .take(200)
        .collect();
    let mut overrides = setting.overrides.clone();
    overrides.push(format!("run.seed={seed}"));
    overrides.push(format!("run.name={}", toml::Value::String(name)));
    let problem = |error: String| format!("{}\n  (with {})", error.trim_end(), setting.label());
    let load = |overrides: &[String]| {
        let source = ConfigSource {
            file: &sweep.config,
            environment,
            overrides,
            dialects: gepa_jobs::DIALECTS,
        };
        source.load().map_err(|error| problem(error.to_string()))
    };
    let mut task = load(&overrides)?;
    let shares = shares(sweep, &task);
    if !shares.is_empty() {
        overrides.extend(shares);
        task = load(&overrides)?;
    }
    let (floor, limit) = (
        task.config.floor_rollouts(),
        task.config.settings().budget.max_rollouts,
    );
    if let Some(limit) = limit.filter(|limit| *limit < floor) {
        return Err(problem(format!(
            "{limit} rollouts for each of the {} runs do not suffice for one proposal, which needs {floor}; \
             raise `budget.max_rollouts`, or run fewer settings or seeds",
            sweep.runs()
        )));
    }
    let cell = Cell {
        setting: place,
        seed,
        label,
        overrides,
    };
    Ok((cell, task))
}

/// The limits by which no run spends more than its share of the whole budget. A lower limit of the
/// config stays.
fn shares(sweep: &Sweep, task: &TaskConfig) -> Vec<String> {
    let own = &task.config.settings().budget;
    let runs = sweep.runs() as u64;
    let mut shares = Vec::new();
    for (key, total, own) in [
        ("max_rollouts", sweep.total.max_rollouts, own.max_rollouts),
        ("max_tokens", sweep.total.max_tokens, own.max_tokens),
    ] {
        if let Some(share) = total.map(|total| total / runs)
            && own.is_none_or(|own| own > share)
        {
            shares.push(format!("budget.{key}={share}"));
        }
    }
    if let Some(share) = sweep.total.max_cost_usd.map(|total| total / runs as f64)
        && own.max_cost_usd.is_none_or(|own| own > share)
    {
        shares.push(format!("budget.max_cost_usd={share:?}"));
    }
    shares
}

/// What the store has of each run: the one with the same settings, of the same data. Of several the one
/// that is furthest counts, then the newest.
pub(super) async fn stands(
    store: &dyn Store,
    cells: &[(Cell, TaskConfig)],
) -> Result<Vec<Stand>, StoreError> {
    let query = RunQuery {
        config: common_settings(cells),
        ..RunQuery::default()
    };
    let mut runs = store.find_runs(&query, usize::MAX).await?;
    runs.reverse();
    let stands = cells.iter().map(|(_, task)| {
        // Of equals the last one is taken, and the oldest is the first.
        let same = runs
            .iter()
            .filter(|run| is_same(&run.config, &task.described));
        let best = same.max_by_key(|run| run.summary.status.is_terminal());
        match best {
            None => Stand::New,
            Some(run) if run.summary.status.is_terminal() => Stand::Over(Box::new(run.clone())),
            Some(run) => Stand::Open(Box::new(run.clone())),
        }
    });
    Ok(stands.collect())
}

/// Settings that all runs of the sweep have. A store leaves out runs without them.
fn common_settings(cells: &[(Cell, TaskConfig)]) -> Vec<(String, Value)> {
    let Some((_, first)) = cells.first() else {
        return Vec::new();
    };
    let mut common = single_settings(&first.described, |_| true);
    common.retain(|(path, value)| {
        let mut tasks = cells.iter().map(|(_, task)| task);
        tasks.all(|task| task.described.pointer(path) == Some(value))
    });
    common
}

fn is_same(stored: &Value, described: &Value) -> bool {
    let without_app = |described: &Value| {
        let mut data = described["data"].clone();
        if let Some(object) = data.as_object_mut() {
            // What a task app says of itself is known only while it runs.
            object.shift_remove("app");
        }
        data
    };
    stored["settings"] == described["settings"] && without_app(stored) == without_app(described)
}
