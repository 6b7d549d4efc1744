//! `gepa diff`

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use gepa_archive::ContentId;
use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::{EventBody, Fact, Seq, Store};
use gepa_evaluation::ExampleId;
use gepa_statistics::Comparison;

use crate::arguments::DiffArguments;
use crate::candidates::find_candidate;
use crate::error::CommandError;
use crate::format::{CONFIDENCE, difference, one_line, score};
use crate::output::{has_colour, stdout};
use crate::screen::shown;
use crate::surroundings::{block_on, find};
use crate::word_diff::word_diff;

/// Rows read from the store in one go.
const PAGE: usize = 1_000;
/// Longest quoted output, in characters.
const QUOTED: usize = 160;

/// An example on which both candidates have a score, and the scores differ.
struct Changed {
    example: ExampleId,
    before: f64,
    after: f64,
}

/// The outputs of the two candidates, by candidate and example.
type Outputs = BTreeMap<(ContentId, ExampleId), String>;

pub(crate) fn diff(arguments: &DiffArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let candidates = store.candidates(&run.run_id).await?;
        let before = find_candidate(&arguments.before, &run, &candidates)?;
        let after = find_candidate(&arguments.after, &run, &candidates)?;
        let mut out = stdout();
        writeln!(out, "--- {}", titled(before))?;
        writeln!(out, "+++ {}", titled(after))?;
        write_texts(&mut out, &run, before, after)?;
        let sets = [
            ("pareto", &run.pareto, &before.scores, &after.scores),
            (
                "validation",
                &run.validation,
                &before.validation_scores,
                &after.validation_scores,
            ),
        ];
        for (name, examples, before_scores, after_scores) in sets {
            let (Some(left), Some(right)) = (before_scores, after_scores) else {
                writeln!(
                    out,
                    "\n{name} set: not compared, since only one candidate or none was scored on it"
                )?;
                continue;
            };
            let changed = changed(examples, left, right);
            let outputs = outputs(&*store, &run, [before, after], &changed).await?;
            write_set(&mut out, name, left, right)?;
            for one in &changed {
                write_changed(&mut out, one, [before, after], &outputs)?;
            }
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

fn titled(row: &CandidateRow) -> String {
    let place = match row.index {
        Some(index) => format!("candidate {index}"),
        None => format!(
            "candidate of iteration {}, {}",
            row.iteration,
            row.status.as_str()
        ),
    };
    let mean = match row.score() {
        Some(mean) => format!("score {}", score(mean)),
        None => "not scored".to_owned(),
    };
    format!(
        "{place} ({}, {}), {mean}",
        row.candidate_id.short(),
        row.origin.as_str()
    )
}

fn write_texts(
    out: &mut dyn Write,
    run: &RunRow,
    before: &CandidateRow,
    after: &CandidateRow,
) -> io::Result<()> {
    let left = run.template.sections(&before.components);
    let right = run.template.sections(&after.components);
    let colour = has_colour();
    let mut unchanged = Vec::new();
    for (old, new) in left.iter().zip(&right) {
        if old.content == new.content {
            unchanged.push(old.name.as_str());
            continue;
        }
        writeln!(out, "\n[{}: {}]", new.role, new.name)?;
        writeln!(
            out,
            "{}",
            word_diff(&shown(&old.content), &shown(&new.content), colour)
        )?;
    }
    if !unchanged.is_empty() {
        writeln!(out, "\nunchanged: {}", unchanged.join(", "))?;
    }
    Ok(())
}

fn changed(examples: &[ExampleId], before: &[Option<f64>], after: &[Option<f64>]) -> Vec<Changed> {
    let scores = before.iter().zip(after);
    examples
        .iter()
        .zip(scores)
        .filter_map(|(example, (left, right))| {
            let (before, after) = ((*left)?, (*right)?);
            let example = example.clone();
            (before != after).then_some(Changed {
                example,
                before,
                after,
            })
        })
        .collect()
}

fn write_set(
    out: &mut dyn Write,
    name: &str,
    before: &[Option<f64>],
    after: &[Option<f64>],
) -> io::Result<()> {
    let pairs: Vec<(f64, f64)> = before
        .iter()
        .zip(after)
        .filter_map(|(left, right)| Some(((*left)?, (*right)?)))
        .collect();
    let won = pairs.iter().filter(|(left, right)| right > left).count();
    let lost = pairs.iter().filter(|(left, right)| right < left).count();
    let same = pairs.len() - won - lost;
    let failed = before.len() - pairs.len();
    write!(out, "\n{name} set: {won} won, {lost} lost, {same} equal")?;
    if failed > 0 {
        write!(out, ", {failed} without a score on one side")?;
    }
    match Comparison::of(&pairs, CONFIDENCE) {
        Some(found) => writeln!(out, "; {}", difference(found.difference)),
        None => writeln!(out),
    }
}

fn write_changed(
    out: &mut dyn Write,
    one: &Changed,
    [before, after]: [&CandidateRow; 2],
    outputs: &Outputs,
) -> io::Result<()> {
    let word = if one.after > one.before {
        "+ won "
    } else {
        "- lost"
    };
    let (left, right) = (score(one.before), score(one.after));
    let example = one.example.to_string();
    writeln!(out, "  {word}  {}  {left} -> {right}", shown(&example))?;
    for (mark, row) in [("-", before), ("+", after)] {
        let key = (row.candidate_id, one.example.clone());
        if let Some(output) = outputs.get(&key) {
            writeln!(out, "      {mark} {}", one_line(output, QUOTED))?;
        }
    }
    Ok(())
}

/// The candidates' outputs on the changed examples, from the events that hold them.
async fn outputs(
    store: &dyn Store,
    run: &RunRow,
    sides: [&CandidateRow; 2],
    changed: &[Changed],
) -> Result<Outputs, CommandError> {
    let mut events: BTreeMap<(ContentId, ExampleId), Seq> = BTreeMap::new();
    let mut last = Seq(0);
    while !changed.is_empty() {
        let page = store.rollouts(&run.run_id, last, PAGE).await?;
        let Some(row) = page.last() else { break };
        last = row.seq;
        for row in page {
            let is_side = sides
                .iter()
                .any(|side| side.candidate_id == row.candidate_id);
            let is_changed = || changed.iter().any(|one| one.example == row.example);
            if is_side && row.score.is_some() && is_changed() {
                events.insert((row.candidate_id, row.example), row.seq);
            }
        }
    }
    let mut outputs = Outputs::new();
    for (key, seq) in events {
        let before = Seq(seq.0.saturating_sub(1));
        let event = store.events(&run.run_id, before, 1).await?.pop();
        let Some(EventBody::Fact(Fact::RolloutSettled(rollout))) = event.map(|event| event.body)
        else {
            continue;
        };
        if let Some(output) = rollout
            .outcome
            .scored()
            .and_then(|scored| scored.output.clone())
        {
            outputs.insert(key, output);
        }
    }
    Ok(outputs)
}
