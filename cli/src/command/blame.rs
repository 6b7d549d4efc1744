//! `gepa blame`

use std::io::{self, Write};
use std::process::ExitCode;

use gepa_evaluation::ExampleId;
use gepa_server::{Birth, Blame, BlamedLine, ViewError, Views};

use crate::arguments::{BlameArguments, PromptForm};
use crate::candidates::find_candidate;
use crate::error::CommandError;
use crate::format::{one_line, score};
use crate::output::{people, stdout};
use crate::surroundings::{block_on, find};

/// Characters of a feedback that are printed.
const QUOTED: usize = 160;

pub(crate) fn blame(arguments: &BlameArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let candidates = store.candidates(&run.run_id).await?;
        let row = find_candidate(&arguments.candidate, &run, &candidates)?;
        let views = Views::new(store);
        let blame = views
            .blame(&run.run_id, row.iteration)
            .await
            .map_err(unreadable)?;
        match arguments.format {
            PromptForm::Json => {
                let mut out = stdout();
                serde_json::to_writer(&mut out, &blame).map_err(io::Error::from)?;
                writeln!(out)?;
                out.flush()?;
            }
            PromptForm::Text => {
                let mut out = people();
                write_text(&mut out, &blame)?;
                out.flush()?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) fn unreadable(error: ViewError) -> CommandError {
    match error {
        ViewError::Store(error) => error.into(),
        other => CommandError::Missing(other.to_string()),
    }
}

fn write_text(out: &mut dyn Write, blame: &Blame) -> io::Result<()> {
    let mut component = "";
    for line in &blame.lines {
        if line.component != component {
            component = &line.component;
            writeln!(out, "[{component}]")?;
        }
        writeln!(out, "{:>5}  {}", origin(line), line.text)?;
    }
    for (iteration, birth) in &blame.births {
        write_birth(out, *iteration, birth, blame)?;
    }
    Ok(())
}

fn origin(line: &BlamedLine) -> String {
    match line.birth {
        0 => "seed".to_owned(),
        iteration => iteration.to_string(),
    }
}

fn write_birth(
    out: &mut dyn Write,
    iteration: u64,
    birth: &Birth,
    blame: &Blame,
) -> io::Result<()> {
    if iteration == 0 {
        return Ok(());
    }
    let parents: Vec<String> = birth.parents.iter().map(u64::to_string).collect();
    writeln!(
        out,
        "\niteration {iteration}: {} of the candidate of iteration {}",
        birth.origin.as_str(),
        parents.join(" and ")
    )?;
    if let Some(gate) = &birth.gate {
        writeln!(
            out,
            "  gate      parent {}, child {} on {} examples",
            score(gate.parent_sum),
            score(gate.child_sum),
            gate.compared
        )?;
    }
    if let (Some(before), Some(after)) = (birth.parent_score, birth.mean_score) {
        writeln!(
            out,
            "  pareto    parent {}, child {}",
            score(before),
            score(after)
        )?;
    }
    for cause in &birth.examples {
        let shown = |value: Option<f64>| value.map_or_else(|| "failed".to_owned(), score);
        let feedback = cause.feedback.as_deref().unwrap_or("no feedback");
        writeln!(
            out,
            "  example   {}: parent {}, child {}; {}",
            cause.seed,
            shown(cause.score),
            shown(cause.child_score),
            one_line(feedback, QUOTED)
        )?;
    }
    for line in blame.lines.iter().filter(|line| line.birth == iteration) {
        writeln!(out, "  line      {}", one_line(&line.text, QUOTED))?;
        if let Some(replaced) = &line.replaced {
            writeln!(out, "    before  {}", one_line(replaced, QUOTED))?;
        }
        if !line.examples.is_empty() {
            let named: Vec<String> = line.examples.iter().map(ExampleId::to_string).collect();
            writeln!(out, "    from    {}", named.join(", "))?;
        }
        writeln!(
            out,
            "    kept by {} of {} accepted descendants",
            line.kept,
            line.kept + line.lost
        )?;
    }
    Ok(())
}
