//! Runs a job in this process.

use std::sync::Arc;
use std::time::Duration;

use gepa_configs::TaskConfig;
use gepa_engine::record::{RunSummary, statistics};
use gepa_engine::{Run, RunEnd, RunId, RunResult, Store, StoreError};
use gepa_jobs::train::{History, Outcome};
use gepa_jobs::views::snapshots;
use gepa_tasks::Services;

use super::announce::{Announcer, Progress};
use crate::arguments::TrainArguments;
use crate::command::run::failure_code;
use crate::error::CommandError;
use crate::feed::Feed;
use crate::progress::{Limits, Standing};
use crate::signals::Signals;
use crate::surroundings::store_url;

/// How often progress is checked.
const LOOK: Duration = Duration::from_millis(500);

/// Runs the job to its end.
pub(super) async fn run(
    task: TaskConfig,
    arguments: &TrainArguments,
) -> Result<Outcome, CommandError> {
    let services = Services::new(task.environment().clone());
    task.check_models(&services.models)?;
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let store = gepa_postgres::open(&store_url(&arguments.store, task.environment())).await?;
    let limits = Limits::of(task.config.settings().budget.clone());
    let budget = task.config.settings().budget.max_rollouts;
    let connected = task.connect(&services).await?;
    let handle = Run::builder(task.config)
        .described_as(task.described)
        .store(Arc::clone(&store))
        .evaluator(connected.evaluator)
        .proposer(connected.proposer)
        .start()
        .await?;
    let run_id = handle.run_id().clone();
    let mut announcer = Announcer::begin(run_id.as_str())?;
    let mut fresh = store.run(&run_id).await?;
    fresh.summary = RunSummary::default();
    let feed = Feed::new(
        run_id.clone(),
        Arc::clone(&store),
        handle.subscribe(),
        fresh.summary.seq,
    );
    let mut standing = Standing::new(&fresh, limits);
    let listening = tokio::spawn(signals.steer(handle.control()));
    let (finished, followed) = tokio::join!(
        handle.finish(),
        follow(feed, &mut standing, &mut announcer, budget)
    );
    listening.abort();
    let result = finished?;
    followed?;
    announcer.end(&progress(&standing, budget))?;
    outcome(&*store, &result).await
}

async fn follow(
    mut feed: Feed,
    standing: &mut Standing,
    announcer: &mut Announcer,
    budget: Option<u64>,
) -> Result<(), CommandError> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            events = feed.next() => {
                let Some(events) = events? else { return Ok(()) };
                for event in events.iter() {
                    standing.count(event);
                }
            }
            _ = look.tick() => announcer.tell(&progress(standing, budget))?,
        }
    }
}

fn progress(standing: &Standing, budget: Option<u64>) -> Progress {
    Progress {
        completed: standing.counters().total_rollouts,
        total: budget,
        trials: standing.counters().trials_tried,
        best_score: standing.summary.best_score,
        eta_seconds: standing.seconds_left(),
    }
}

async fn outcome(store: &dyn Store, result: &RunResult) -> Result<Outcome, CommandError> {
    let run = &result.run;
    let summary = &run.summary;
    let reason = match &result.end {
        RunEnd::Finished(reason) => reason.to_string(),
        RunEnd::Interrupted { reason, .. } => {
            format!("{reason}; resume with `gepa run --resume {}`", run.run_id)
        }
        _ => "it ended".to_owned(),
    };
    let ended_at = summary
        .finished_at
        .or(summary.updated_at)
        .unwrap_or(run.created_at);
    Ok(Outcome {
        job_id: run.run_id.to_string(),
        status: summary.status.as_str().to_owned(),
        reason: Some(reason),
        failure_code: failure_code(run, &result.end),
        ended_at: ended_at.to_string(),
        stats: statistics(run),
        history: history(store, &run.run_id).await?,
    })
}

async fn history(store: &dyn Store, run_id: &RunId) -> Result<History, StoreError> {
    let run = store.run(run_id).await?;
    let snapshots = snapshots(store, run).await?;
    let mut history = History::default();
    for view in snapshots.rows.iter().filter_map(|row| snapshots.view(row)) {
        history.add(view);
    }
    Ok(history)
}
