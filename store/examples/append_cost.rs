//! What a rollout's event costs to store, all rows derived from it included.
//!
//! `cargo run --release -p gepa-store --example append_cost [ROLLOUTS [BATCH]]`

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gepa_archive::Candidate;
use gepa_engine::record::{RunRow, RunSummary};
use gepa_engine::{
    Decision, Event, EventBody, Fact, RolloutSettled, RunId, RunStarted, Seq, Store, Timestamp,
    TrialFinished, TrialKey, TrialStarted,
};
use gepa_evaluation::{ExampleId, MicroUsd, Outcome, PromptTemplate, Scored, Stage, Usage};
use gepa_store::{MemoryStore, SqliteStore};

/// Rollouts of a trial, as with minibatches of three and now and then a pareto set.
const TRIAL: u64 = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rollouts: u64 = match arguments.next() {
        Some(count) => count.parse()?,
        None => 60_000,
    };
    let batches = match arguments.next() {
        Some(size) => vec![size.parse()?],
        None => vec![1, 64, 1_000],
    };
    let folder = tempfile::tempdir()?;
    for batch in batches {
        let count = if batch == 1 { rollouts / 20 } else { rollouts };
        let sqlite = SqliteStore::open(folder.path().join(format!("{batch}.db")))?;
        report("sqlite", &sqlite, count, batch).await?;
        report("memory", &MemoryStore::new(), count, batch).await?;
    }
    Ok(())
}

async fn report(
    name: &str,
    store: &dyn Store,
    rollouts: u64,
    batch: usize,
) -> Result<(), Box<dyn Error>> {
    let run = RunId::fresh(Timestamp::now());
    store.create_run(run_row(&run)).await?;
    let claim = store.claim(&run).await?;
    let events = journal(rollouts)?;
    let batches: Vec<Arc<[Event]>> = events.chunks(batch).map(Arc::from).collect();
    let mut last = Seq(0);
    let (began, used) = (Instant::now(), cpu_time());
    for events in batches {
        let after = last;
        last = Seq(last.0 + events.len() as u64);
        store.append(claim.token(), after, events).await?;
    }
    let (elapsed, cpu) = (began.elapsed(), cpu_time().saturating_sub(used));
    let per = |time: Duration| time.as_secs_f64() * 1e6 / rollouts as f64;
    let began_reading = Instant::now();
    let read = store.events(&run, Seq(0), 10_000).await?.len();
    writeln!(
        stdout(),
        "{name}, batches of {batch}: {:.2} us and {:.2} us of processor per rollout; \
         {read} events read in {:.1} ms",
        per(elapsed),
        per(cpu),
        began_reading.elapsed().as_secs_f64() * 1e3,
    )?;
    Ok(())
}

/// Processor time of all threads of this process.
fn cpu_time() -> Duration {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let sum: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(sum / TICKS_PER_SECOND)
}

fn run_row(run: &RunId) -> RunRow {
    RunRow {
        run_id: run.clone(),
        name: "append cost".to_owned(),
        created_at: Timestamp::now(),
        config: serde_json::Value::Null,
        policy_provider: "none".to_owned(),
        policy_model: "none".to_owned(),
        template: PromptTemplate::default(),
        pareto: Vec::new(),
        validation: Vec::new(),
        summary: RunSummary::default(),
    }
}

fn journal(rollouts: u64) -> Result<Vec<Event>, Box<dyn Error>> {
    let seed = Candidate::new([("instruction", "Classify the query.")])?;
    let mut bodies = vec![EventBody::Decision(Decision::RunStarted(RunStarted {
        format: gepa_engine::JOURNAL_FORMAT,
        engine_version: "0.1.0".to_owned(),
        seed: seed.clone(),
        train: 100,
        pareto: 100,
        validation: 100,
        limits: None,
        scores: None,
        origin: None,
        settings: None,
        branch_points: Vec::new(),
        paced: false,
    }))];
    for iteration in 0..rollouts / TRIAL {
        bodies.extend(trial(
            TrialKey {
                iteration,
                index: 0,
            },
            &seed,
        ));
    }
    Ok((1..)
        .map(Seq)
        .zip(bodies)
        .map(|(seq, body)| Event {
            seq,
            at: Timestamp(1_700_000_000_000_000 + seq.0 as i64),
            body,
        })
        .collect())
}

fn trial(key: TrialKey, candidate: &Candidate) -> Vec<EventBody> {
    let mut bodies = vec![EventBody::Decision(Decision::TrialStarted(TrialStarted {
        trial: key,
        stage: Stage::MinibatchChild,
        candidate: candidate.content_id(),
        examples: (0..TRIAL).map(ExampleId::Seed).collect(),
        reused: 0,
        rung: None,
        speculative: false,
    }))];
    for position in 0..TRIAL {
        bodies.push(EventBody::Fact(Fact::RolloutSettled(Box::new(
            RolloutSettled {
                trial: key,
                stage: Stage::MinibatchChild,
                candidate: candidate.content_id(),
                position: position as u32,
                example: ExampleId::Seed(position),
                attempts: 1,
                again: false,
                started_at: Timestamp(1_700_000_000_000_000),
                finished_at: Timestamp(1_700_000_002_000_000),
                usage: Usage {
                    calls: 1,
                    prompt_tokens: 512,
                    completion_tokens: 12,
                    cost: MicroUsd(77),
                    ..Usage::default()
                },
                judge_usage: Usage::default(),
                outcome: Arc::new(Outcome::Scored(Scored {
                    score: 0.731,
                    feedback: Some("expected `card_arrival`, got `lost_card`".to_owned()),
                    output: Some("lost_card".to_owned()),
                    ..Scored::default()
                })),
            },
        ))));
    }
    bodies.push(EventBody::Decision(Decision::TrialFinished(
        TrialFinished {
            trial: key,
            stage: Stage::MinibatchChild,
            mean_score: Some(0.731),
            scored: TRIAL as u32,
            failed: 0,
        },
    )));
    bodies
}
