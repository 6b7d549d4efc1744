//! What `gepa run --resume` refuses before anything begins, and what it says of a run that is over.

use std::io::Write;

use gepa_configs::{StoredSettings, TaskConfig, listed};
use gepa_engine::config::BudgetSettings;
use gepa_engine::record::RunRow;
use gepa_engine::{RunId, StopReason};

use crate::error::CommandError;
use crate::output::err;

/// Refuses a config that would have led to other decisions, and says which other keys differ.
pub(super) fn check_settings(
    stored: &StoredSettings,
    task: &TaskConfig,
    run: &RunId,
    is_stored: bool,
) -> Result<(), CommandError> {
    let differences = stored.differences_to(task);
    if !differences.deciding.is_empty() {
        // The stored config does not help where the data differ.
        let advice = match (stored.is_of_other_data(task), is_stored) {
            (true, _) => {
                "Put the changed files and rows back to go on with it, or begin a new run with `gepa run`"
                    .to_owned()
            }
            (false, true) => "Begin a new run with `gepa run`".to_owned(),
            (false, false) => format!(
                "Begin a new run, branch with `gepa branch {run}`, or go on with the stored config: `gepa run \
                 --resume {run}`"
            ),
        };
        return Err(CommandError::Usage(format!(
            "{}; a run keeps its settings and its data. {advice}",
            listed(&differences.deciding)
        )));
    }
    if !differences.free.is_empty() {
        let listed = listed(&differences.free);
        let _ = writeln!(err(), "note: {listed}; this process uses the new value");
    }
    Ok(())
}

/// Refuses limits below what the run has used, as its resumption would, for a plan of the rest. The resumption
/// also counts what is promised to the final scoring.
pub(super) fn check_limits(
    run: &RunRow,
    in_force: &BudgetSettings,
    wanted: &BudgetSettings,
) -> Result<(), CommandError> {
    let counters = &run.summary.counters;
    let whole = |value: Option<u64>| value.map(|value| value as f64);
    let limits = [
        (
            "budget.max_rollouts",
            [in_force, wanted].map(|limits| whole(limits.max_rollouts)),
            counters.total_rollouts as f64,
        ),
        (
            "budget.max_reflection_calls",
            [in_force, wanted].map(|limits| whole(limits.max_reflection_calls)),
            counters.reflection_calls as f64,
        ),
        (
            "budget.max_tokens",
            [in_force, wanted].map(|limits| whole(limits.max_tokens)),
            counters.total_tokens as f64,
        ),
        (
            "budget.max_cost_usd",
            [in_force, wanted].map(|limits| limits.max_cost_usd),
            counters.total_cost_usd(),
        ),
        (
            "budget.max_iterations",
            [in_force, wanted].map(|limits| whole(limits.max_iterations)),
            counters.iterations as f64,
        ),
    ];
    for (key, [before, after], spent) in limits {
        if before != after
            && let Some(after) = after.filter(|after| *after < spent)
        {
            return Err(CommandError::Usage(format!(
                "`{key}` = {after} is below what the run has used, which is {spent}, so it cannot go on under it; \
                 leave the limit out, or raise it"
            )));
        }
    }
    Ok(())
}

pub(super) fn say_that_it_is_over(run: &RunRow) {
    let id = &run.run_id;
    let reason = run.summary.stop_reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" It ended by: {reason}."));
    let can_go_on = run
        .summary
        .stop_reason
        .as_ref()
        .is_some_and(StopReason::can_be_lifted);
    let advice = if can_go_on {
        format!(
            "To go on, raise the limit that ended it, for example `gepa run --resume {id} --set \
             budget.max_rollouts=5000`. `gepa branch {id}` begins a new run from it."
        )
    } else {
        format!("Other limits cannot make it go on; `gepa branch {id}` begins a new run from it.")
    };
    let _ = writeln!(
        err(),
        "run {id} is over, and nothing is done.{reason} {advice}"
    );
}
