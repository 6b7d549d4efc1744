//! `gepa show RUN --rollout ID`

use std::io::Write;

use gepa_engine::record::RunRow;
use gepa_engine::{EventBody, Fact, RolloutPages, RolloutSettled, Seq, Store, Timestamp};
use gepa_evaluation::{Outcome, Usage};

use crate::error::CommandError;
use crate::format::{score, time};
use crate::screen::shown;

pub(super) async fn write(
    out: &mut dyn Write,
    store: &dyn Store,
    run: &RunRow,
    id: &str,
) -> Result<(), CommandError> {
    let (seq, settled) = find(store, run, id).await?;
    write_settled(out, seq, &settled)?;
    Ok(())
}

async fn find(
    store: &dyn Store,
    run: &RunRow,
    id: &str,
) -> Result<(Seq, RolloutSettled), CommandError> {
    let seq = match id.parse() {
        Ok(number) => Some(Seq(number)),
        Err(_) => by_trial(store, run, id).await?,
    };
    let Some(seq) = seq else {
        return Err(CommandError::Usage(format!(
            "no rollout of the run is called `{id}`; say the number of its event (`gepa export {} --what events`), or its trial and example as `TRIAL:EXAMPLE`",
            run.run_id
        )));
    };
    let event = store.event(&run.run_id, seq).await?;
    match event.map(|event| event.body) {
        Some(EventBody::Fact(Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled))) => {
            Ok((seq, *settled))
        }
        Some(other) => Err(CommandError::Usage(format!(
            "event {} is `{}`, no rollout",
            seq.0,
            other.kind()
        ))),
        None => Err(CommandError::Usage(format!(
            "the journal has no event {}; it ends at {}",
            seq.0, run.summary.seq.0
        ))),
    }
}

async fn by_trial(store: &dyn Store, run: &RunRow, id: &str) -> Result<Option<Seq>, CommandError> {
    let mut pages = RolloutPages::of(store, &run.run_id);
    while let Some(page) = pages.next().await? {
        let found = page
            .iter()
            .find(|row| format!("{}:{}", row.trial_id(), row.example) == id);
        if let Some(found) = found {
            return Ok(Some(found.seq));
        }
    }
    Ok(None)
}

/// The time from start to end, and the tokens.
pub(super) fn write_cost(
    out: &mut dyn Write,
    [started, finished]: [Timestamp; 2],
    usage: Usage,
) -> std::io::Result<()> {
    let seconds = finished.seconds_since(started);
    writeln!(out, "time       {}, {seconds:.3} s", time(started))?;
    writeln!(
        out,
        "tokens     {} in, {} out",
        usage.prompt_tokens, usage.completion_tokens
    )
}

fn write_settled(out: &mut dyn Write, seq: Seq, settled: &RolloutSettled) -> std::io::Result<()> {
    writeln!(out, "event      {}", seq.0)?;
    writeln!(out, "example    {}", shown(&settled.example.to_string()))?;
    writeln!(out, "candidate  {}", settled.candidate.short())?;
    writeln!(
        out,
        "trial      {} of iteration {}, {}",
        settled.trial.index,
        settled.trial.iteration,
        settled.stage.as_str()
    )?;
    writeln!(out, "attempts   {}", settled.attempts)?;
    let times = [settled.started_at, settled.finished_at];
    write_cost(out, times, settled.usage)?;
    match &*settled.outcome {
        Outcome::Scored(scored) => {
            writeln!(out, "score      {}", score(scored.score))?;
            for (name, value) in &scored.objectives {
                writeln!(out, "           {} {}", shown(name), score(*value))?;
            }
            if let Some(trace) = &scored.trace {
                write_text(out, "trace", &json_text(trace))?;
            }
            if let Some(output) = &scored.output {
                write_text(out, "output", output)?;
            }
            if let Some(feedback) = &scored.feedback {
                write_text(out, "feedback", feedback)?;
            }
        }
        Outcome::Failed(failure) => {
            writeln!(out, "failed     {}", failure.kind.as_str())?;
            write_text(out, "message", &failure.message)?;
        }
    }
    Ok(())
}

/// A trace as text: headings with their texts, or JSON.
fn json_text(trace: &serde_json::Value) -> String {
    serde_json::to_string_pretty(trace).unwrap_or_default()
}

pub(super) fn write_text(out: &mut dyn Write, title: &str, text: &str) -> std::io::Result<()> {
    writeln!(out, "\n{title}")?;
    for line in shown(text).lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
