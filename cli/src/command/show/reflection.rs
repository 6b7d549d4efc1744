//! `gepa show RUN --reflection ITERATION`

use std::io::Write;

use gepa_engine::record::RunRow;
use gepa_engine::{EventBody, Fact, ReflectionSettled, Seq, Store};

use super::candidates::state;
use super::rollout::{write_cost, write_text};
use crate::error::CommandError;
use crate::screen::shown;

pub(super) async fn write(
    out: &mut dyn Write,
    store: &dyn Store,
    run: &RunRow,
    iteration: u64,
) -> Result<(), CommandError> {
    let rows = store.reflections(&run.run_id).await?;
    let mut found = false;
    for row in rows.iter().filter(|row| row.iteration == iteration) {
        let event = store.event(&run.run_id, row.seq).await?;
        let Some(EventBody::Fact(Fact::ReflectionSettled(settled))) = event.map(|event| event.body)
        else {
            continue;
        };
        if found {
            writeln!(out)?;
        }
        found = true;
        write_settled(out, row.seq, &settled)?;
    }
    if !found {
        let mut known: Vec<u64> = rows.iter().map(|row| row.iteration).collect();
        known.sort_unstable();
        known.dedup();
        return Err(CommandError::Usage(if known.is_empty() {
            "the run has made no call of the reflection model".to_owned()
        } else {
            format!(
                "iteration {iteration} has no call of the reflection model; there are calls in {}",
                shortened(&known)
            )
        }));
    }
    let candidates = store.candidates(&run.run_id).await?;
    match candidates.iter().find(|row| row.iteration == iteration) {
        Some(row) => writeln!(
            out,
            "\nbecame     candidate {}: {}",
            row.index
                .map_or_else(|| row.candidate_id.short(), |index| index.to_string()),
            state(run, row)
        )?,
        None => writeln!(out, "\nbecame     no candidate")?,
    }
    Ok(())
}

fn shortened(iterations: &[u64]) -> String {
    let mut listed: Vec<String> = iterations.iter().map(ToString::to_string).collect();
    let more = listed.len().saturating_sub(12);
    listed.truncate(12);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", listed.join(", "))
}

fn write_settled(
    out: &mut dyn Write,
    seq: Seq,
    settled: &ReflectionSettled,
) -> std::io::Result<()> {
    writeln!(out, "event      {}", seq.0)?;
    writeln!(
        out,
        "component  {}, attempt {}",
        shown(&settled.component),
        settled.attempt
    )?;
    let times = [settled.started_at, settled.finished_at];
    write_cost(out, times, settled.usage)?;
    if let Some(failure) = &settled.failure {
        writeln!(
            out,
            "refused    {}: {}",
            failure.kind.as_str(),
            shown(&failure.message)
        )?;
    }
    for message in &settled.messages {
        write_text(out, &format!("sent as {}", message.role), &message.content)?;
    }
    if let Some(reply) = &settled.reply {
        write_text(out, "reply", reply)?;
    }
    if let Some(text) = &settled.text {
        write_text(out, "new text", text)?;
    }
    Ok(())
}
