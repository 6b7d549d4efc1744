//! `gepa doctor`

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use gepa_ablation::{can_be_decided_again, is_evaluation};
use gepa_engine::record::RunRow;
use gepa_engine::{Counters, RolloutPages, Store};
use gepa_evaluation::{Purpose, Usage};
use gepa_models::Environment;

use crate::arguments::DoctorArguments;
use crate::error::CommandError;
use crate::output::people;
use crate::surroundings::{block_on, environment, find_run, open_existing, store_url};

/// Prints the differences found. The exit code is 0 only if there were none, repaired or not.
pub(crate) fn doctor(arguments: &DoctorArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let environment = environment()?;
        let url = store_url(&arguments.store, &environment);
        let store = open_existing(&url).await?;
        let mut out = people();
        let mut wrong = 0;
        for problem in store.integrity().await? {
            writeln!(out, "store: {problem}")?;
            wrong += 1;
        }
        let runs = match &arguments.run {
            Some(text) => vec![find_run(&*store, text).await?],
            None => store.runs().await?,
        };
        for run in &runs {
            if store.is_claimed(&run.run_id).await? {
                writeln!(out, "{}: a process is running it, not checked", run.run_id)?;
                continue;
            }
            let found = check_run(&mut out, &*store, run).await?;
            if found > 0 && arguments.repair {
                let repaired = gepa_postgres::repair(&url, &run.run_id).await?;
                writeln!(
                    out,
                    "{}: {} differences repaired",
                    run.run_id,
                    repaired.len()
                )?;
            }
            wrong += found;
            write_notes(&mut out, run, &environment)?;
        }
        let checked = runs.len();
        if wrong == 0 {
            writeln!(out, "runs checked: {checked}, nothing wrong")?;
        } else {
            writeln!(out, "runs checked: {checked}, differences: {wrong}")?;
            if !arguments.repair {
                writeln!(
                    out,
                    "`gepa doctor --repair` rewrites the tables from the journal"
                )?;
            }
        }
        out.flush()?;
        Ok(if wrong == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

async fn check_run(
    out: &mut dyn Write,
    store: &dyn Store,
    run: &RunRow,
) -> Result<usize, CommandError> {
    let id = &run.run_id;
    let mut lines: Vec<String> = Vec::new();
    for difference in gepa_store::rebuild(store, id).await? {
        lines.push(difference.to_string());
    }
    lines.extend(check_sums(store, run).await?);
    for line in &lines {
        writeln!(out, "{id}: {line}")?;
    }
    if lines.is_empty() {
        writeln!(
            out,
            "{id}: {} events, tables and counters agree with them",
            run.summary.seq
        )?;
    }
    Ok(lines.len())
}

/// Compares the counters with the sums of the rows that they count.
async fn check_sums(store: &dyn Store, run: &RunRow) -> Result<Vec<String>, CommandError> {
    let mut sums = Sums::default();
    let mut pages = RolloutPages::of(store, &run.run_id);
    while let Some(page) = pages.next().await? {
        for row in &page {
            sums.rollouts += 1;
            sums.failed += u64::from(row.score.is_none());
            sums.policy += row.usage;
            sums.judge += row.judge_usage;
        }
    }
    for row in store.reflections(&run.run_id).await? {
        sums.reflections += 1;
        sums.reflection += row.usage;
    }
    for row in store.trials(&run.run_id).await? {
        sums.trials += u64::from(row.finished_at.is_some());
        sums.executed += row.executed;
    }
    sums.candidates = store.candidates(&run.run_id).await?.len() as u64;
    Ok(sums.compare(&run.summary.counters))
}

/// The sums of a run's rows.
#[derive(Default)]
struct Sums {
    candidates: u64,
    trials: u64,
    rollouts: u64,
    executed: u64,
    failed: u64,
    reflections: u64,
    policy: Usage,
    judge: Usage,
    reflection: Usage,
}

impl Sums {
    fn compare(&self, counters: &Counters) -> Vec<String> {
        let spent = |purpose: Purpose| {
            let shares = counters
                .usage
                .iter()
                .filter(|share| share.purpose == purpose);
            shares.fold(Usage::default(), |sum, share| sum + share.usage)
        };
        let all = self.policy + self.judge + self.reflection;
        let mut pairs = vec![
            ("trials_tried", counters.trials_tried, self.candidates),
            (
                "total_trials_evaluated",
                counters.total_trials_evaluated,
                self.trials,
            ),
            ("total_rollouts", counters.total_rollouts, self.rollouts),
            ("total_rollouts", counters.total_rollouts, self.executed),
            ("failed_rollouts", counters.failed_rollouts, self.failed),
            (
                "reflection_calls",
                counters.reflection_calls,
                self.reflections,
            ),
            ("total_tokens", counters.total_tokens, all.total_tokens()),
            (
                "total_cost_micro_usd",
                counters.total_cost_micro_usd,
                all.cost.0,
            ),
        ];
        let purposes = [
            (Purpose::Rollout, self.policy),
            (Purpose::Judge, self.judge),
            (Purpose::Reflection, self.reflection),
        ];
        for (purpose, sum) in purposes {
            let counted = spent(purpose);
            pairs.push((purpose.as_str(), counted.prompt_tokens, sum.prompt_tokens));
            pairs.push((
                purpose.as_str(),
                counted.completion_tokens,
                sum.completion_tokens,
            ));
            pairs.push((purpose.as_str(), counted.unknown_tokens, sum.unknown_tokens));
        }
        pairs
            .into_iter()
            .filter(|(_, counted, summed)| counted != summed)
            .map(|(name, counted, summed)| {
                format!("counter `{name}` is {counted}, the rows add up to {summed}")
            })
            .collect()
    }
}

/// Notes what a resumption or a replay would lack. These are no differences of the store, so the exit code does
/// not change.
fn write_notes(
    out: &mut dyn Write,
    run: &RunRow,
    environment: &Environment,
) -> Result<(), CommandError> {
    let id = &run.run_id;
    if !can_be_decided_again(run) {
        writeln!(
            out,
            "{id}: note: an evaluation that an earlier version stored without what it scored, so it cannot be replayed"
        )?;
    }
    // Evaluations are begun again, not resumed.
    if run.summary.finished_at.is_some() || is_evaluation(run) {
        return Ok(());
    }
    let directory = run.config.get("directory").and_then(|path| path.as_str());
    if let Some(directory) = directory.filter(|path| !Path::new(path).is_dir()) {
        writeln!(
            out,
            "{id}: note: its config folder {directory} is gone; resume it with a config file"
        )?;
    }
    let settings = run.config.get("settings");
    for section in ["policy", "reflection_model", "judge"] {
        let model = settings.and_then(|settings| settings.get(section));
        let named = model.and_then(|model| model.get("api_key_env"));
        let Some(variable) = named.and_then(|name| name.as_str()) else {
            continue;
        };
        if environment.get(variable).is_none() {
            writeln!(
                out,
                "{id}: note: {variable}, the key of `{section}`, is not set"
            )?;
        }
    }
    Ok(())
}
