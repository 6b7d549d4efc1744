//! Checks all recordings, one after the other, and prints a table of what was reproduced.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::driver::Driver;
use super::recording::{Header, Recording, files, fresh_files};
use super::records::{Recorder, hex, objectives};
use super::rules::{Standing, Stop};
use crate::core::state::Part;
use crate::event::Decision;
use crate::stop::StopReason;

#[test]
fn every_recorded_run_of_the_reference_is_decided_alike() {
    reproduce_all(&files());
}

#[test]
fn runs_the_reference_records_now_are_decided_alike() {
    let folder = tempfile::tempdir().unwrap();
    reproduce_all(&fresh_files(folder.path(), FRESH));
}

/// Fresh runs recorded per test; `tests/peers/record.py` records any number.
const FRESH: u32 = 20;

fn reproduce_all(files: &[PathBuf]) {
    let mut table: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    for file in files {
        let recording = Recording::read(file);
        let features = features(&recording.header);
        let name = recording.header.name.clone();
        let result = catch_unwind(AssertUnwindSafe(|| reproduce(recording)));
        let result = result.unwrap_or_else(|_| Err("panicked, see above".to_owned()));
        for feature in features {
            let row = table.entry(feature).or_default();
            row[0] += usize::from(result.is_ok());
            row[1] += 1;
        }
        match result {
            Ok(named) => named.into_iter().for_each(|difference| {
                *differences.entry(difference).or_default() += 1;
            }),
            Err(reason) => failed.push(format!("{name}: {reason}")),
        }
    }
    let reproduced = files.len() - failed.len();
    println!("{reproduced} of {} recorded runs reproduced", files.len());
    for (feature, [reproduced, of]) in &table {
        println!("{feature:<44} {reproduced:>4} of {of}");
    }
    for (difference, runs) in &differences {
        println!(
            "rule of the reference that the engine does not share, in {runs} runs: {difference}"
        );
    }
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn a_recording_that_was_tampered_with_is_not_reproduced() {
    let tampered = |change: fn(&mut Recording)| {
        let mut recording = Recording::read(files().first()?);
        change(&mut recording);
        Some(reproduce(recording))
    };
    for change in [
        (|recording| recording.iterations[0]["w"] = json!(1)) as fn(&mut Recording),
        |recording| recording.iterations[1]["tasks"][0]["mb"][0] = json!(9_999),
        |recording| recording.footer["rng_words"] = json!(0),
        |recording| recording.footer["means"][0] = json!("3fe0000000000001"),
        |recording| drop(recording.iterations.pop()),
    ] {
        assert!(tampered(change).is_none_or(|result| result.is_err()));
    }
}

const MERGE_LIMIT: &str = "merges already due are made beyond `max_invocations`";
const OVERSHOOT: &str = "metric calls are asked between iterations only, so that they overshoot";
const ALL_OF: &str = "stop conditions are joined by `all_of`";
const GENERATIONS: &str = "stop conditions count generations instead of proposals";
const TRACELESS: &str = "a parent with scores but no traces is skipped; here its rollouts fail";

/// `Ok` with the differences that the harness corrected; `Err` with the first record that differs.
fn reproduce(recording: Recording) -> Result<Vec<&'static str>, String> {
    let mut driver = Driver::new(recording.header);
    check_seed(&mut driver)?;
    let mut recorder = Recorder::new(&driver);
    let mut stops: Vec<Stop> = driver.header.config.stops.iter().map(Stop::parse).collect();
    let mut named = Vec::new();
    let mut number = 0;
    for expected in &recording.iterations {
        if let Some(at) = first_reached(&mut stops, standing(&driver, &recorder, number)) {
            return Err(format!("iteration {number}: stops for {:?}", stops[at]));
        }
        driver.core.merge.due = recorder.merges.due;
        let beyond_limit = recorder.merges.tested >= recorder.merges.most;
        number += 1;
        let generation = driver.generation();
        let generation = generation.map_err(|stop| format!("iteration {number}: {stop}"))?;
        let record = recorder.write(&driver, number, &generation);
        let record = recorded_part(&driver, record, expected);
        if let Some(difference) = first_difference(&record, expected) {
            return Err(format!("iteration {number}: {difference}"));
        }
        let is_traceless = |task: &Value| task["r"] == "no_trace";
        let tasks = expected["tasks"].as_array();
        for (difference, met) in [
            (MERGE_LIMIT, beyond_limit && expected.get("merge").is_some()),
            (
                TRACELESS,
                tasks.is_some_and(|tasks| tasks.iter().any(is_traceless)),
            ),
        ] {
            if met && !named.contains(&difference) {
                named.push(difference);
            }
        }
    }
    let now = standing(&driver, &recorder, number);
    let Some(at) = first_reached(&mut stops, now) else {
        return Err(format!("after iteration {number} nothing stops the run"));
    };
    let mut footer = recorder.footer(&driver, number);
    footer["stop"] = driver.header.config.stops[at].clone();
    let footer = recorded_part(&driver, footer, &recording.footer);
    if let Some(difference) = first_difference(&footer, &recording.footer) {
        return Err(format!("footer: {difference}"));
    }
    let native: Vec<&str> = stops
        .iter_mut()
        .skip(at)
        .filter_map(|stop| {
            let own = own_reason(&driver.header, stop)?;
            // A condition that is reached stays reached when it is asked again.
            stop.is_reached(now).then_some(own)
        })
        .collect();
    if native.is_empty() {
        named.push(match &stops[at] {
            Stop::MetricCalls(_) => OVERSHOOT,
            Stop::AllOf(_) => ALL_OF,
            _ => GENERATIONS,
        });
    } else {
        stops_alike(&mut driver, &native)?;
    }
    Ok(named)
}

fn check_seed(driver: &mut Driver) -> Result<(), String> {
    let seeding = driver.seed();
    let seed = seeding
        .decisions
        .iter()
        .find_map(|decision| match decision {
            Decision::CandidateAccepted(accepted) => Some(accepted),
            _ => None,
        });
    let seed = seed.ok_or("the seed did not enter the archive")?;
    let header = &driver.header;
    let scores = header
        .seed_val
        .iter()
        .map(|one| Some(header.world.score(*one)));
    if !scores.eq(seed.scores.iter().copied()) {
        return Err("the seed's scores differ".to_owned());
    }
    let ours = json!([hex(seed.mean_score), objectives(seed)]);
    let recorded = header.seed_obj.clone().unwrap_or_else(|| json!({}));
    let recorded = json!([header.seed_mean, recorded]);
    first_difference(&ours, &recorded)
        .map_or(Ok(()), |difference| Err(format!("seed: {difference}")))
}

fn standing(driver: &Driver, recorder: &Recorder, iterations: u64) -> Standing {
    let archive = driver.core.archive();
    let best = archive.best().and_then(|best| archive.get(best));
    Standing {
        iterations,
        calls: recorder.calls,
        best: best.expect("a run has its seed").mean,
        candidates: archive.len() as u64,
    }
}

/// The first condition that is reached; later ones are not asked.
fn first_reached(stops: &mut [Stop], standing: Standing) -> Option<usize> {
    stops.iter_mut().position(|stop| stop.is_reached(standing))
}

/// The engine's name of a stop condition, where one of its settings says the same.
fn own_reason(header: &Header, stop: &Stop) -> Option<&'static str> {
    let counts_proposals = header.config.sampling() == (1, 1);
    match stop {
        Stop::Iterations(_) if counts_proposals => Some("iterations"),
        Stop::NoImprovement { .. } if counts_proposals => Some("no_improvement"),
        Stop::ScoreThreshold(_) => Some("target_score"),
        Stop::TrackedCandidates(_) => Some("candidates"),
        _ => None,
    }
}

fn stops_alike(driver: &mut Driver, reached: &[&str]) -> Result<(), String> {
    let stopped = driver.core.step() && matches!(driver.core.part, Part::Draining);
    let reason = driver.core.stop_reason().map(StopReason::as_str);
    if stopped && reason.is_some_and(|reason| reached.contains(&reason)) {
        return Ok(());
    }
    Err(format!(
        "stops for {reason:?} where {reached:?} are reached"
    ))
}

/// The fields that a partial recording holds of a record.
fn recorded_part(driver: &Driver, mut record: Value, recorded: &Value) -> Value {
    if let (true, Some(fields)) = (driver.header.partial, record.as_object_mut()) {
        fields.retain(|name, _| recorded.get(name).is_some());
    }
    record
}

fn first_difference(ours: &Value, recorded: &Value) -> Option<String> {
    if ours == recorded {
        return None;
    }
    let (Some(left), Some(right)) = (ours.as_object(), recorded.as_object()) else {
        let items = ours.as_array().zip(recorded.as_array());
        if let Some((left, right)) = items.filter(|(left, right)| left.len() == right.len()) {
            let mut pairs = left.iter().zip(right).enumerate();
            return pairs.find_map(|(at, (left, right))| {
                first_difference(left, right).map(|inner| format!("[{at}] {inner}"))
            });
        }
        return Some(format!("{ours} where {recorded} is recorded"));
    };
    let names = left.keys().chain(right.keys());
    names.into_iter().find_map(|name| {
        let (left, right) = (left.get(name), right.get(name));
        let absent = json!("nothing");
        first_difference(left.unwrap_or(&absent), right.unwrap_or(&absent))
            .map(|inner| format!("{name}: {inner}"))
    })
}

fn features(header: &Header) -> Vec<String> {
    let config = &header.config;
    let mut features = vec![
        "all".to_owned(),
        format!("acceptance {:?}", config.acceptance),
        format!("cache {}", config.cache),
        format!("components {:?}", config.module_selector),
        format!("frontier {:?}", config.frontier),
        format!("merge {}", config.use_merge),
        format!("parent {:?}", config.selector),
        format!("sampling {}", config.sampling[0]),
        format!("selection {}", config.selection[0]),
        format!("shared validation set {}", config.shared_valset),
        format!("skip perfect {}", config.skip_perfect_score),
    ];
    features.extend(config.stops.iter().map(|stop| format!("stop {}", stop[0])));
    features.sort();
    features.dedup();
    features
}
