//! `gepa diff`

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use gepa_archive::ContentId;
use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::{EventBody, Fact, RolloutPages, Seq, Store};
use gepa_evaluation::ExampleId;
use gepa_statistics::Comparison;
use serde_json::json;

use crate::arguments::{ChangedKind, DiffArguments};
use crate::candidates::find_candidate;
use crate::error::CommandError;
use crate::format::{CONFIDENCE, difference, one_line, score};
use crate::output::{has_colour, stdout};
use crate::screen::shown;
use crate::surroundings::{block_on, environment, find, stored_task};
use crate::word_diff::word_diff;

/// Longest quoted output, in characters.
const QUOTED: usize = 160;

/// An example on which both candidates have a score, and the scores differ.
struct Changed {
    example: ExampleId,
    before: f64,
    after: f64,
}

/// The examples that are listed, and the number of those that are not.
struct Listed {
    shown: Vec<Changed>,
    others: usize,
}

/// What a rollout was given and gave.
struct Answer {
    inputs: Option<String>,
    expected: Option<String>,
    output: Option<String>,
}

/// The answers of the two candidates, by candidate and example.
type Outputs = BTreeMap<(ContentId, ExampleId), Answer>;

pub(crate) fn diff(arguments: &DiffArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let candidates = store.candidates(&run.run_id).await?;
        let before = find_candidate(&arguments.before, &run, &candidates)?;
        let after = find_candidate(&arguments.after, &run, &candidates)?;
        let mut out = stdout();
        writeln!(out, "--- {}", titled(before))?;
        writeln!(out, "+++ {}", titled(after))?;
        let sets = [
            ("pareto", &run.pareto, &before.scores, &after.scores),
            (
                "validation",
                &run.validation,
                &before.validation_scores,
                &after.validation_scores,
            ),
        ];
        writeln!(out)?;
        for (name, _, left, right) in sets {
            match (left, right) {
                (Some(left), Some(right)) => write_set(&mut out, name, left, right)?,
                _ => writeln!(
                    out,
                    "{name} set: not compared, since only one candidate or none was scored on it"
                )?,
            }
        }
        write_texts(&mut out, &run, before, after)?;
        for (name, examples, left, right) in sets {
            if let (Some(left), Some(right)) = (left, right) {
                let changed = changed(examples, left, right);
                let listed = listed(changed, arguments);
                let outputs = outputs(&*store, &run, [before, after], &listed.shown).await?;
                write_listed(&mut out, name, &listed, [before, after], &outputs)?;
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
        writeln!(out, "\n[{}: {}]", shown(&new.role), shown(&new.name))?;
        writeln!(
            out,
            "{}",
            word_diff(&shown(&old.content), &shown(&new.content), colour)
        )?;
    }
    if !unchanged.is_empty() {
        writeln!(out, "\nunchanged: {}", shown(&unchanged.join(", ")))?;
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

fn listed(mut changed: Vec<Changed>, arguments: &DiffArguments) -> Listed {
    match arguments.only {
        Some(ChangedKind::Won) => changed.retain(|one| one.after > one.before),
        Some(ChangedKind::Lost) => changed.retain(|one| one.after < one.before),
        None => {}
    }
    let most = arguments.limit.unwrap_or(usize::MAX).min(changed.len());
    let others = changed.len() - most;
    changed.truncate(most);
    Listed {
        shown: changed,
        others,
    }
}

fn write_listed(
    out: &mut dyn Write,
    name: &str,
    listed: &Listed,
    sides: [&CandidateRow; 2],
    outputs: &Outputs,
) -> io::Result<()> {
    if listed.shown.is_empty() && listed.others == 0 {
        return Ok(());
    }
    writeln!(out, "\n{name} set")?;
    for one in &listed.shown {
        write_changed(out, one, sides, outputs)?;
    }
    if listed.others > 0 {
        writeln!(
            out,
            "  and {} more; a greater --limit shows them",
            listed.others
        )?;
    }
    Ok(())
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
    write!(out, "{name} set: {won} won, {lost} lost, {same} equal")?;
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
    let answer = |row: &CandidateRow| outputs.get(&(row.candidate_id, one.example.clone()));
    let either = |part: fn(&Answer) -> Option<&String>| {
        let sides = [answer(before), answer(after)].into_iter();
        sides.flatten().find_map(part)
    };
    if let Some(inputs) = either(|answer| answer.inputs.as_ref()) {
        writeln!(out, "      inputs    {}", one_line(inputs, QUOTED))?;
    }
    if let Some(expected) = either(|answer| answer.expected.as_ref()) {
        writeln!(out, "      expected  {}", one_line(expected, QUOTED))?;
    }
    for (mark, row) in [("-", before), ("+", after)] {
        if let Some(output) = answer(row).and_then(|answer| answer.output.as_ref()) {
            writeln!(out, "      {mark} {}", one_line(output, QUOTED))?;
        }
    }
    Ok(())
}

/// The candidates' answers on the changed examples, from the events that hold them.
async fn outputs(
    store: &dyn Store,
    run: &RunRow,
    sides: [&CandidateRow; 2],
    changed: &[Changed],
) -> Result<Outputs, CommandError> {
    let mut events: BTreeMap<(ContentId, ExampleId), Seq> = BTreeMap::new();
    let mut pages = RolloutPages::of(store, &run.run_id);
    while !changed.is_empty()
        && let Some(page) = pages.next().await?
    {
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
    // Without the run's files the examples are shown without their inputs.
    let task = environment()
        .ok()
        .and_then(|environment| stored_task(run, &environment, &[]).ok());
    let mut outputs = Outputs::new();
    for (key, seq) in events {
        let event = store.event(&run.run_id, seq).await?;
        let Some(EventBody::Fact(Fact::RolloutSettled(rollout))) = event.map(|event| event.body)
        else {
            continue;
        };
        let Some(scored) = rollout.outcome.scored() else {
            continue;
        };
        let row = task.as_ref().and_then(|task| task.row_of(&key.1));
        let (inputs, expected) = row.unzip();
        let answer = Answer {
            inputs: inputs.map(|inputs| json!(inputs).to_string()),
            expected: expected.flatten(),
            output: scored.output.clone(),
        };
        outputs.insert(key, answer);
    }
    Ok(outputs)
}
