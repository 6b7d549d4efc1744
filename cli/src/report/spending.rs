//! Writes counters, tokens and cost.

use std::io::{self, Write};

use gepa_engine::Counters;
use gepa_engine::record::RunRow;
use serde_json::Value;

use super::endings::plural;
use crate::format::{cost, count, duration};

/// Writes every counter under its name in the journal's vocabulary.
pub(super) fn write_counters(out: &mut dyn Write, run: &RunRow) -> io::Result<()> {
    writeln!(out, "\ncounters")?;
    let Ok(Value::Object(counters)) = serde_json::to_value(&run.summary.counters) else {
        return Ok(());
    };
    for (name, value) in counters {
        if let Some(number) = value.as_u64() {
            writeln!(out, "  {name:<32} {:>14}", count(number))?;
        }
    }
    Ok(())
}

/// Writes tokens and cost by phase and purpose.
pub(super) fn write_usage(out: &mut dyn Write, run: &RunRow) -> io::Result<()> {
    let counters = &run.summary.counters;
    if counters.usage.is_empty() {
        return writeln!(out, "\ntokens and cost: none, no model was called");
    }
    writeln!(out, "\ntokens and cost")?;
    writeln!(
        out,
        "  {:<13} {:<11} {:>9} {:>13} {:>13} {:>11} {:>11}",
        "phase", "purpose", "calls", "prompt", "completion", "unknown", "cost"
    )?;
    for share in &counters.usage {
        let usage = &share.usage;
        writeln!(
            out,
            "  {:<13} {:<11} {:>9} {:>13} {:>13} {:>11} {:>11}",
            share.phase.as_str(),
            share.purpose.as_str(),
            count(usage.calls),
            count(usage.prompt_tokens),
            count(usage.completion_tokens),
            count(usage.unknown_tokens),
            cost(usage.cost.dollars(), usage.unpriced_calls)
        )?;
    }
    if counters
        .usage
        .iter()
        .any(|share| share.usage.unknown_tokens > 0)
    {
        writeln!(
            out,
            "  unknown: estimated tokens of replies that do not say how many they used; their cost is an estimate too"
        )?;
    }
    if counters.unpriced_calls > 0 {
        writeln!(
            out,
            "  the cost of {} calls is unknown and not included; add their model to `[[prices]]`",
            count(counters.unpriced_calls)
        )?;
    }
    Ok(())
}

/// Writes rollouts, tokens, cost and time in two lines.
pub(super) fn write_totals(out: &mut dyn Write, run: &RunRow) -> io::Result<()> {
    let counters: &Counters = &run.summary.counters;
    let is_over = run.summary.status.is_terminal();
    writeln!(
        out,
        "{} rollout{}, {} of them validation; {}",
        count(counters.total_rollouts),
        plural(counters.total_rollouts),
        count(counters.validation_rollouts_executed),
        match counters.failed_rollouts {
            0 => "none failed".to_owned(),
            failed if is_over => format!("{} failed", count(failed)),
            failed => format!(
                "{} without a score so far; those that failed for a passing reason are tried again",
                count(failed)
            ),
        }
    )?;
    let shown = cost(counters.total_cost_usd(), counters.unpriced_calls);
    let cost = match counters.unpriced_calls {
        0 => shown,
        calls => format!(
            "cost {shown} ({} calls have no known price; add their model to `[[prices]]`)",
            count(calls)
        ),
    };
    let estimated = counters
        .rollouts_unknown_tokens
        .saturating_add(counters.mutation_unknown_tokens);
    let estimated = match estimated {
        0 => String::new(),
        tokens => format!(" ({} of them estimated)", count(tokens)),
    };
    writeln!(
        out,
        "{} tokens{estimated}, {cost}, {}",
        count(counters.total_tokens),
        duration(run.summary.active_seconds)
    )
}
