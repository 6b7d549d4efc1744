//! `gepa replay`

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use gepa_ablation::{can_be_decided_again, is_evaluation};
use gepa_archive::CandidateIndex;
use gepa_engine::RunId;
use gepa_engine::record::RunRow;
use gepa_engine::replay::{
    Along, OtherChoice, OwnPath, PathEnd, Verified, WhatIf, verify, what_if,
};

use crate::arguments::ReplayArguments;
use crate::error::CommandError;
use crate::format::{count, score};
use crate::output::people;
use crate::surroundings::{block_on, environment, find, stored_task};

/// Most other choices that are listed.
const LISTED: usize = 10;

pub(crate) fn replay(arguments: &ReplayArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        check_evaluation(&run, arguments)?;
        let environment = environment()?;
        let recorded = stored_task(&run, &environment, &[])?;
        let mut out = people();
        if arguments.overrides.is_empty() {
            let verified = verify(&*store, &run.run_id, &recorded.config).await?;
            write_verified(&mut out, &run.run_id, verified)?;
        } else {
            let other = stored_task(&run, &environment, &arguments.overrides)?;
            let answer = what_if(&*store, &run.run_id, &recorded.config, &other.config).await?;
            write_what_if(&mut out, &run, &arguments.overrides, &answer)?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Refuses what cannot be done with a run that only scored a prompt.
fn check_evaluation(run: &RunRow, arguments: &ReplayArguments) -> Result<(), CommandError> {
    if !is_evaluation(run) {
        return Ok(());
    }
    if !can_be_decided_again(run) {
        return Err(CommandError::Usage(format!(
            "run {} is an evaluation that an earlier version stored without the prompt and the examples that it \
             scored, so it cannot be decided again; the same `gepa eval` stores one that can, and buys no known \
             outcome again",
            run.run_id
        )));
    }
    if arguments.overrides.is_empty() {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "run {} is an evaluation: it scores one prompt and chooses nothing, so other settings would change nothing; \
         leave `--set` out, or replay a search",
        run.run_id
    )))
}

fn write_verified(out: &mut dyn Write, run: &RunId, verified: Verified) -> io::Result<()> {
    writeln!(
        out,
        "{run}: {} facts give the {} recorded decisions again, without a call",
        count(verified.facts),
        count(verified.decisions)
    )?;
    if verified.pending > 0 {
        writeln!(
            out,
            "the run was cut off: {} more decisions follow from its facts; `gepa run --resume {run}` makes them",
            count(verified.pending)
        )?;
    }
    Ok(())
}

fn write_what_if(
    out: &mut dyn Write,
    run: &RunRow,
    overrides: &[String],
    answer: &WhatIf,
) -> io::Result<()> {
    write_verified(out, &run.run_id, answer.verified)?;
    writeln!(out, "\nwith {}:", overrides.join(", "))?;
    write_along(out, &answer.along)?;
    write_own_path(out, &answer.own_path, answer.recorded_best)
}

fn write_along(out: &mut dyn Write, along: &Along) -> io::Result<()> {
    writeln!(
        out,
        "\nalong the recorded path, with the archive of the run"
    )?;
    let parent = |choice: &CandidateIndex| format!("candidate {choice}");
    write_choices(out, "parents", along.parents, &along.other_parents, parent)?;
    let gate = |passed: &bool| if *passed { "passed" } else { "rejected" };
    write_choices(out, "gates", along.gates, &along.other_gates, gate)
}

fn write_choices<T, D: Display>(
    out: &mut dyn Write,
    what: &str,
    asked: u64,
    others: &[OtherChoice<T>],
    name: impl Fn(&T) -> D,
) -> io::Result<()> {
    let same = asked - others.len() as u64;
    writeln!(out, "  {what}: {same} of {asked} equal")?;
    for other in others.iter().take(LISTED) {
        writeln!(
            out,
            "    iteration {}: {} instead of {}",
            other.iteration,
            name(&other.instead),
            name(&other.recorded)
        )?;
    }
    if others.len() > LISTED {
        writeln!(out, "    and {} more", others.len() - LISTED)?;
    }
    Ok(())
}

fn write_own_path(
    out: &mut dyn Write,
    path: &OwnPath,
    recorded_best: Option<f64>,
) -> io::Result<()> {
    let known = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), score);
    writeln!(out, "\non a path of its own")?;
    writeln!(
        out,
        "  {} iterations begun, the first {} decided as recorded; {} candidates accepted; best score {} \
         (recorded run: {})",
        path.iterations,
        path.as_recorded,
        path.accepted,
        known(path.best_score),
        known(recorded_best)
    )?;
    match &path.end {
        PathEnd::DataEnds {
            iteration: Some(iteration),
            missing,
        } => writeln!(
            out,
            "  the recorded data end in iteration {iteration}: {missing}"
        ),
        PathEnd::DataEnds { missing, .. } => {
            writeln!(
                out,
                "  the recorded data end in the final scoring: {missing}"
            )
        }
        PathEnd::Finished(reason) => writeln!(out, "  the recorded data last to its end: {reason}"),
        _ => Ok(()),
    }
}
