//! `gepa ablate`

mod report;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use gepa_ablation::{
    Ablation, AblationError, AblationReport, AblationSettings, AblationStep, Follower, Scoring,
};
use gepa_engine::{SteeredBy, StoreError};
use gepa_models::Environment;
use gepa_tasks::Services;

use crate::arguments::AblateArguments;
use crate::candidates::find_candidate;
use crate::command::run::{check_app, runtime};
use crate::command::steer::person;
use crate::error::CommandError;
use crate::output::err;
use crate::signals::Signals;
use crate::surroundings::{
    environment, find_run, open_existing, store_url, stored_settings, stored_task,
};

pub(crate) fn ablate(arguments: &AblateArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    runtime()?.block_on(Box::pin(race(arguments, &environment)))
}

async fn race(
    arguments: &AblateArguments,
    environment: &Environment,
) -> Result<ExitCode, CommandError> {
    let url = store_url(&arguments.run.store, environment);
    let run = find_run(&*open_existing(&url).await?, &arguments.run.run).await?;
    let store = gepa_postgres::open(&url).await?;
    let candidates = store.candidates(&run.run_id).await?;
    let row = find_candidate(&arguments.candidate, &run, &candidates)?.clone();
    let task = stored_task(&run, environment, &[])?;
    let services = Services::new(task.environment().clone());
    task.check_models(&services.models)?;
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let connected = task.connect(&services).await?;
    let settings = stored_settings(&run, environment)?;
    check_app(&settings, &connected, &run.run_id)?;
    let scoring = Scoring {
        store,
        described: task.described_with(&connected),
        config: task.config.clone(),
        evaluator: Arc::clone(&connected.evaluator),
        proposer: Arc::clone(&connected.proposer),
    };
    let settings = AblationSettings {
        max_rollouts: arguments.max_rollouts,
        margin: arguments.margin,
        confidence: arguments.confidence,
    };
    let mut ablation = Ablation::new(scoring, run, row, settings).await?;
    if let Some(note) = ablation.note() {
        say(&format!("note: {note}"));
    }
    let follower = Follower {
        told: Box::new(|step| {
            if let AblationStep::Decided {
                label,
                finding,
                examples,
            } = step
            {
                say(&format!(
                    "{label}: {} after {examples} examples",
                    finding.as_str()
                ));
            }
        }),
        cancelled: signals.cancel(),
    };
    let report = ablation.find(&follower).await?;
    report::write(&report, arguments)?;
    keep(&ablation, &report, arguments, environment).await?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the findings into the journal of the run.
async fn keep(
    ablation: &Ablation,
    report: &AblationReport,
    arguments: &AblateArguments,
    environment: &Environment,
) -> Result<(), CommandError> {
    let by = SteeredBy {
        who: person(arguments.who.as_deref(), environment),
        ..SteeredBy::default()
    };
    let id = &report.run_id;
    match ablation.keep(report, by).await {
        Ok(seq) => say(&format!("stored as entry {seq} of the journal of {id}")),
        Err(AblationError::Store(StoreError::Claimed { .. })) => say(&format!(
            "not stored in the journal of {id}: a process works on the run"
        )),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(err(), "{line}");
}
