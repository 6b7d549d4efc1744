//! Counters, tokens and cost.

use std::io::{self, Write};

use gepa_engine::Counters;
use gepa_engine::record::RunRow;
use serde_json::Value;

use crate::format::{count, dollars, duration};

/// Every counter under the name it has everywhere.
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

/// Tokens and cost by phase and purpose.
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
            dollars(usage.cost.dollars())
        )?;
    }
    if counters.unpriced_calls > 0 {
        writeln!(
            out,
            "  {} calls have no known price and are in no sum; add the model to `[[prices]]`",
            count(counters.unpriced_calls)
        )?;
    }
    Ok(())
}

/// What was done and spent, in two lines.
pub(super) fn write_totals(out: &mut dyn Write, run: &RunRow) -> io::Result<()> {
    let counters: &Counters = &run.summary.counters;
    writeln!(
        out,
        "\n{} candidates tried, {} accepted; {} rollouts ({} optimization, {} validation), {} failed",
        count(counters.trials_tried),
        count(counters.candidates_accepted),
        count(counters.total_rollouts),
        count(counters.optimization_rollouts_executed),
        count(counters.validation_rollouts_executed),
        count(counters.failed_rollouts)
    )?;
    let unpriced = match counters.unpriced_calls {
        0 => String::new(),
        calls => format!(", without {} calls of unknown price", count(calls)),
    };
    writeln!(
        out,
        "{} tokens, {}{unpriced}, {}",
        count(counters.total_tokens),
        dollars(counters.total_cost_usd()),
        duration(run.summary.active_seconds)
    )
}
