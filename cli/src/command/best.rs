//! `gepa best`

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::record::{components, messages};
use serde_json::{Value, json};

use crate::arguments::{BestArguments, PromptForm};
use crate::candidates::{best as best_of, nothing_scored};
use crate::error::CommandError;
use crate::output::stdout;
use crate::report::write_prompt;
use crate::screen::Screen;
use crate::surroundings::{block_on, find};

pub(crate) fn best(arguments: &BestArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let candidates = store.candidates(&run.run_id).await?;
        let best = best_of(&run, &candidates).ok_or_else(|| nothing_scored(&run))?;
        let mut out = stdout();
        if let Some(name) = &arguments.component {
            let text = text_of(best, name)?;
            if std::io::stdout().is_terminal() {
                writeln!(Screen(&mut out), "{text}")?;
            } else {
                writeln!(out, "{text}")?;
            }
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        match arguments.format {
            // In a file or a pipe the text is data, and stays as it is.
            PromptForm::Text if std::io::stdout().is_terminal() => {
                write_prompt(&mut Screen(&mut out), &run, best, "")?;
            }
            PromptForm::Text => write_prompt(&mut out, &run, best, "")?,
            PromptForm::Json => {
                serde_json::to_writer_pretty(&mut out, &described(&run, best))?;
                writeln!(out)?;
            }
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

fn text_of(best: &CandidateRow, name: &str) -> Result<String, CommandError> {
    let all = components(best);
    let text = all.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| {
        let known: Vec<String> = all
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys().map(|name| format!("`{name}`")))
            .collect();
        CommandError::Usage(format!(
            "the prompt has no component `{name}`; it has {}",
            known.join(", ")
        ))
    })
}

fn described(run: &RunRow, best: &CandidateRow) -> Value {
    json!({
        "run_id": run.run_id,
        "candidate_id": best.candidate_id,
        "index": best.index,
        "score": best.mean_score,
        "validation_score": best.validation_score,
        "components": components(best),
        "messages": messages(run, best),
    })
}
