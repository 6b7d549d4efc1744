//! `gepa ablate`

mod decision;
mod parts;
mod race;
mod report;
mod sets;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use gepa_configs::TaskConfig;
use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::{AblationNoted, Candidate, SteeredBy, Store, StoreError, note_ablation};
use gepa_models::Environment;
use gepa_tasks::Services;

use crate::arguments::AblateArguments;
use crate::candidates::find_candidate;
use crate::command::eval::{Scoring, described_as_evaluation, width};
use crate::command::run::{check_app, runtime};
use crate::command::same_task::{evaluations_of, is_of_same_task};
use crate::command::steer::person;
use crate::error::CommandError;
use crate::surroundings::{
    environment, find_run, open_existing, store_url, stored_settings, stored_task,
};

use decision::{Finding, Rule};
use parts::{Part, parts, without};
use race::{Bench, Found, Known};
use report::{Report, Shorter};
use sets::Sets;

pub(crate) fn ablate(arguments: &AblateArguments) -> Result<ExitCode, CommandError> {
    if !(0.5..1.0).contains(&arguments.confidence) {
        return Err(CommandError::Usage(format!(
            "`--confidence {}` is not a confidence; give a number from 0.5 to below 1, for example 0.95",
            arguments.confidence
        )));
    }
    if !(arguments.margin.is_finite() && arguments.margin > 0.0) {
        return Err(CommandError::Usage(format!(
            "`--margin {}` is not a loss; give a number above 0, for example 0.05",
            arguments.margin
        )));
    }
    let environment = environment()?;
    runtime()?.block_on(Box::pin(race(arguments, &environment)))
}

async fn race(
    arguments: &AblateArguments,
    environment: &Environment,
) -> Result<ExitCode, CommandError> {
    let url = store_url(&arguments.run.store, environment);
    let run = find_run(&*open_existing(&url).await?, &arguments.run.run).await?;
    let store = gepa_postgres::open(&url).await?;
    let candidates = store.candidates(&run.run_id).await?;
    let row = find_candidate(&arguments.candidate, &run, &candidates)?;
    let full = row.components.clone();
    let parts = parts(&full);
    if parts.len() < 2 {
        return Err(CommandError::Missing(
            "the prompt has one line and one sentence, so nothing can be taken out of it"
                .to_owned(),
        ));
    }
    let task = stored_task(&run, environment, &[])?;
    if !is_of_same_task(&run, &task.described, task.config.prompt()) {
        return Err(CommandError::Usage(format!(
            "the data or the programs of run {} have changed since, so new scores cannot be compared with its own; \
             restore them, or begin a run with the new ones",
            run.run_id
        )));
    }
    let described = described_as_evaluation(&task);
    let services = Services::new(task.environment().clone());
    task.check_models(&services.models)?;
    let connected = task.connect(&services).await?;
    check_app(
        &stored_settings(&run, environment)?,
        &connected,
        &run.run_id,
    )?;
    let rule = Rule {
        margin: arguments.margin,
        confidence: arguments.confidence,
        width: width(&connected).unwrap_or(1.0),
    };
    let known = known(&store, &run, &task).await?;
    let scoring = Scoring {
        store: &store,
        task: &task,
        described: &described,
        connected: &connected,
    };
    let mut bench = Bench::new(scoring, rule, &run.run_id, known, arguments.max_rollouts);
    let sets = Sets::of(&task);
    let mut report = Report::new(&run, &row.candidate_id, rule, &sets, &full, &parts);
    sets.check_budget(&bench, &full, arguments.max_rollouts)?;
    note_of_few_examples(&rule, sets.race.len());
    find(&mut bench, &full, &parts, &sets, &mut report).await?;
    report.executed = bench.executed;
    report.write(arguments)?;
    keep(&*store, &run, row, &report, arguments, environment).await?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the findings into the journal of the run.
async fn keep(
    store: &dyn Store,
    run: &RunRow,
    row: &CandidateRow,
    report: &Report,
    arguments: &AblateArguments,
    environment: &Environment,
) -> Result<(), CommandError> {
    let noted = AblationNoted {
        candidate: row.candidate_id,
        index: row.index,
        report: serde_json::to_value(report)?,
        by: SteeredBy {
            who: person(arguments.who.as_deref(), environment),
            ..SteeredBy::default()
        },
    };
    let said = match note_ablation(store, &run.run_id, noted).await {
        Ok(seq) => format!("stored as entry {seq} of the journal of {}", run.run_id),
        Err(StoreError::Claimed { .. }) => {
            format!(
                "not stored in the journal of {}: a process works on the run",
                run.run_id
            )
        }
        Err(error) => return Err(error.into()),
    };
    let _ = writeln!(std::io::stderr(), "{said}");
    Ok(())
}

/// Says when even a part that changes nothing could not be shown to be needless.
fn note_of_few_examples(rule: &Rule, examples: usize) {
    let (finding, found) = rule.decide(&vec![(1.0, 1.0); examples], true);
    if let Some(found) = found.filter(|_| finding == Finding::Undecided) {
        let _ = writeln!(
            std::io::stderr(),
            "note: {examples} examples can show a loss below {:.3} at best, so no part can be found to be not needed \
             with a margin of {}; give a greater `--margin`, or a task with more examples",
            -found.low,
            rule.margin
        );
    }
}

/// The outcomes of the run, and of evaluations of its task.
async fn known(
    store: &Arc<dyn Store>,
    run: &RunRow,
    task: &TaskConfig,
) -> Result<Known, CommandError> {
    let mut known = Known::default();
    known.add(&**store, &run.run_id).await?;
    for other in evaluations_of(store, &task.described, task.config.prompt()).await? {
        if other != run.run_id {
            known.add(&**store, &other).await?;
        }
    }
    Ok(known)
}

/// Races the parts, and looks for the shorter prompt.
async fn find(
    bench: &mut Bench<'_>,
    full: &Candidate,
    parts: &[Part],
    sets: &Sets,
    report: &mut Report,
) -> Result<(), CommandError> {
    let reserve = sets.reserve(bench, full);
    let mut tried = Vec::new();
    let mut others = Vec::new();
    for place in longest_first(
        parts,
        (0..parts.len()).filter(|place| !parts[*place].is_fixed),
    ) {
        if let Some(rest) = without(full, parts, &BTreeSet::from([place])) {
            tried.push(place);
            others.push((format!("without part {}", place + 1), rest));
        }
    }
    let found = bench.race(full, &others, &sets.race, reserve).await?;
    for (place, found) in tried.iter().zip(&found) {
        report.parts[*place].set(found);
    }
    let removable: BTreeSet<usize> = tried
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.finding.is_removable())
        .map(|(place, _)| *place)
        .collect();
    if removable.is_empty() {
        return Ok(());
    }
    let removed = together(bench, full, parts, sets, &removable, reserve).await?;
    report.tried_together = Some(removed.is_some());
    let removed = match removed {
        Some(removed) => removed,
        None => one_after_the_other(bench, full, parts, sets, &removable, reserve).await?,
    };
    let Some(shorter) = without(full, parts, &removed).filter(|_| !removed.is_empty()) else {
        return Ok(());
    };
    let check = bench.check(full, &shorter, &sets.check).await?;
    report.shorter = Some(Shorter::new(
        full,
        &shorter,
        &removed,
        check.as_ref(),
        &bench.rule,
    ));
    Ok(())
}

/// All removable parts, if the prompt can do without all of them at once.
async fn together(
    bench: &mut Bench<'_>,
    full: &Candidate,
    parts: &[Part],
    sets: &Sets,
    removable: &BTreeSet<usize>,
    reserve: u64,
) -> Result<Option<BTreeSet<usize>>, CommandError> {
    let Some(rest) = without(full, parts, removable) else {
        return Ok(None);
    };
    let found = race_one(bench, full, "without all of these", rest, sets, reserve).await?;
    Ok(found.finding.is_removable().then(|| removable.clone()))
}

/// Parts that stand in for each other are each removable but not together, so each is removed only if
/// the prompt can do without it and those before it.
async fn one_after_the_other(
    bench: &mut Bench<'_>,
    full: &Candidate,
    parts: &[Part],
    sets: &Sets,
    removable: &BTreeSet<usize>,
    reserve: u64,
) -> Result<BTreeSet<usize>, CommandError> {
    let mut removed = BTreeSet::new();
    for place in longest_first(parts, removable.iter().copied()) {
        let mut more = removed.clone();
        more.insert(place);
        let Some(rest) = without(full, parts, &more) else {
            continue;
        };
        let label = format!("without {} parts", more.len());
        let found = race_one(bench, full, &label, rest, sets, reserve).await?;
        if found.finding.is_removable() {
            removed = more;
        }
    }
    Ok(removed)
}

async fn race_one(
    bench: &mut Bench<'_>,
    full: &Candidate,
    label: &str,
    candidate: Candidate,
    sets: &Sets,
    reserve: u64,
) -> Result<Found, CommandError> {
    let others = [(label.to_owned(), candidate)];
    let mut found = bench.race(full, &others, &sets.race, reserve).await?;
    Ok(found.pop().unwrap_or(Found {
        finding: Finding::Undecided,
        difference: None,
        examples: 0,
    }))
}

/// Places of parts, the longest part first: it saves most.
fn longest_first(parts: &[Part], places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut ordered: Vec<usize> = places.collect();
    ordered.sort_by_key(|place| std::cmp::Reverse(parts[*place].text.chars().count()));
    ordered
}
