//! `gepa run --plan`

use std::io::{self, Write};
use std::process::ExitCode;

use gepa_configs::TaskConfig;
use gepa_engine::config::Config;
use gepa_engine::record::{Endings, RunRow};
use gepa_engine::{Plan, PlanRow, RunError};
use gepa_tasks::Services;

use crate::command::measured::measured;
use crate::command::start::{look_at_start, start_line};
use crate::error::{CommandError, EXIT_BUDGET};
use crate::format::{count, dollars};
use crate::output::{err, people};
use crate::report::write_planned;

/// The least width of a column.
const COLUMN: usize = 16;

/// What a row shows of a column.
type Cell<'a> = &'a dyn Fn(&PlanRow) -> String;

/// Prints what a run can cost; of a run that began already, what it can still cost. Creates nothing and spends
/// nothing.
pub(crate) async fn plan(
    task: &TaskConfig,
    services: &Services,
    store_url: &str,
    run: Option<&RunRow>,
) -> Result<ExitCode, CommandError> {
    // What `gepa check` refuses has no plan.
    task.check_models(&services.models)?;
    // Without its models the plan still shows rollouts, and rollouts decide whether the run is
    // refused.
    let connected = task.connect(services).await;
    if let Err(error) = &connected {
        let _ = writeln!(err(), "{error}\nthe plan has no tokens and no cost");
    }
    let mut plan = Plan::of(
        &task.config,
        connected
            .as_ref()
            .ok()
            .map(|task| (&*task.evaluator, &*task.proposer)),
    );
    // A plan creates no store, and needs none.
    let earlier = match gepa_postgres::open_existing(store_url).await {
        Ok(store) => measured(task, &store).await?,
        Err(_) => None,
    };
    if let Some(earlier) = &earlier {
        let budget = &task.config.settings().budget;
        earlier.apply(&mut plan, budget.max_tokens, budget.max_cost_usd);
    }
    let start = look_at_start(store_url, task).await?;
    let mut out = people();
    match run {
        None => write_plan(&mut out, &plan)?,
        Some(run) => write_rest(&mut out, &plan, run)?,
    }
    if let Some(earlier) = &earlier {
        let (runs, s) = (earlier.runs, if earlier.runs == 1 { "" } else { "s" });
        writeln!(
            out,
            "tokens and cost of a call are those of {runs} earlier run{s} of this task in the store"
        )?;
    }
    writeln!(out)?;
    if let Some(start) = &start {
        writeln!(out, "{}", start_line(start))?;
    }
    write_planned(&mut out, &task.config, &plan)?;
    out.flush()?;
    if !plan.affordable {
        say_refusal(&plan, &task.config);
        return Ok(ExitCode::from(EXIT_BUDGET));
    }
    // The error was shown above. A run would end with it.
    Ok(match connected {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => CommandError::from(error).exit_code(),
    })
}

/// Says why the budget does not cover one proposal.
pub(crate) fn say_refusal(plan: &Plan, config: &Config) {
    let _ = match &plan.refusal {
        Some(refusal) => writeln!(err(), "error: {refusal}"),
        None => writeln!(err(), "error: {}", refusal(config)),
    };
}

/// The engine's error for a budget below the floor.
fn refusal(config: &Config) -> RunError {
    RunError::BudgetTooSmall {
        limit: config.settings().budget.max_rollouts.unwrap_or_default(),
        floor: config.floor_rollouts(),
        seed: config.first_order(),
        proposal: config.generation_rollouts(),
        validation: config.validation_rollouts(),
    }
}

fn write_plan(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let columns = [&plan.floor, &plan.likely, &plan.most];
    write_columns(out, ["one proposal", "expected", "at most"], columns)?;
    write_unpriced(out, plan)
}

/// What the run has used, and what is left of the plan for all of it.
fn write_rest(out: &mut dyn Write, plan: &Plan, run: &RunRow) -> io::Result<()> {
    let used = used(run);
    let [expected, most] = [&plan.likely, &plan.most].map(|whole| rest(whole, &used));
    let names = ["used so far", "still expected", "still at most"];
    write_columns(out, names, [&used, &expected, &most])?;
    write_unpriced(out, plan)
}

fn used(run: &RunRow) -> PlanRow {
    let counters = &run.summary.counters;
    let endings = run.summary.endings.as_ref();
    PlanRow {
        rollouts: Some(counters.total_rollouts),
        validation_rollouts: counters.validation_rollouts_executed,
        proposals: Some(endings.map_or(counters.iterations, Endings::total)),
        reflection_calls: Some(counters.reflection_calls),
        tokens: Some(counters.total_tokens),
        cost_usd: (counters.unpriced_calls == 0).then(|| counters.total_cost_usd()),
    }
}

fn rest(whole: &PlanRow, used: &PlanRow) -> PlanRow {
    let minus = |whole: Option<u64>, used: Option<u64>| {
        whole.map(|whole| whole.saturating_sub(used.unwrap_or_default()))
    };
    PlanRow {
        rollouts: minus(whole.rollouts, used.rollouts),
        validation_rollouts: whole
            .validation_rollouts
            .saturating_sub(used.validation_rollouts),
        proposals: minus(whole.proposals, used.proposals),
        reflection_calls: minus(whole.reflection_calls, used.reflection_calls),
        tokens: minus(whole.tokens, used.tokens),
        cost_usd: whole
            .cost_usd
            .map(|cost| (cost - used.cost_usd.unwrap_or_default()).max(0.0)),
    }
}

fn write_columns(out: &mut dyn Write, names: [&str; 3], columns: [&PlanRow; 3]) -> io::Result<()> {
    let number = |value: Option<u64>| value.map_or_else(|| "no limit".to_owned(), count);
    let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    let rows: [(&str, Cell<'_>); 6] = [
        ("rollouts", &|row| number(row.rollouts)),
        ("  of them validation", &|row| {
            count(row.validation_rollouts)
        }),
        ("proposals", &|row| number(row.proposals)),
        ("reflection calls", &|row| number(row.reflection_calls)),
        ("tokens", &|row| known(row.tokens.map(count))),
        ("cost", &|row| known(row.cost_usd.map(dollars))),
    ];
    let mut lines = vec![("", names.map(str::to_owned))];
    lines.extend(rows.map(|(name, of)| (name, columns.map(of))));
    let cells = lines.iter().flat_map(|(_, cells)| cells);
    let longest = cells.map(|cell| cell.chars().count()).max();
    // Two spaces keep the largest numbers apart.
    let width = longest.map_or(COLUMN, |longest| COLUMN.max(longest + 2));
    for (name, [first, second, third]) in &lines {
        writeln!(
            out,
            "{name:<22}{first:>width$}{second:>width$}{third:>width$}"
        )?;
    }
    Ok(())
}

fn write_unpriced(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    if plan.unpriced {
        writeln!(
            out,
            "the price of a model is not known, so neither is the cost; add it to `[[prices]]`"
        )?;
    }
    Ok(())
}
