//! How long does a page of 10 000 events take over loopback, on a server that has the job's events
//! in its cache, and on a server that must fold the journal first?

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gepa_archive::Candidate;
use gepa_configs::ConfigError;
use gepa_engine::record::{RunRow, RunSummary};
use gepa_engine::{
    Decision, Event, EventBody, Fact, JOURNAL_FORMAT, RolloutSettled, RunId, RunStarted, Seq,
    Store, Timestamp, TrialKey, TrialStarted,
};
use gepa_evaluation::{ExampleId, Outcome, PromptTemplate, Stage, Usage};
use gepa_server::{JobSource, PreparedJob, Server, ServerSettings};
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const EVENTS: usize = 10_000;
const WARM: usize = 50;
const COLD: usize = 10;
/// Longer than the longest interval of progress events, so that every rollout makes an event.
const STEP_SECONDS: i64 = 301;

/// Accepts no submission: the job is already in the store.
struct Nothing;

#[async_trait]
impl JobSource for Nothing {
    async fn submitted(
        &self,
        _: &Value,
        _: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError> {
        Err(ConfigError {
            problems: Vec::new(),
        })
    }

    async fn stored(&self, _: &RunRow) -> Result<PreparedJob, ConfigError> {
        Err(ConfigError {
            problems: Vec::new(),
        })
    }

    async fn branched(
        &self,
        run: &RunRow,
        _: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError> {
        self.stored(run).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("runs.db");
    let store = gepa_store::open(&format!("sqlite://{}", path.display()))?;
    let run: RunId = "pl_00000000000000b1".parse()?;
    store.create_run(row(&run)).await?;
    let claim = store.claim(&run).await?;
    let journal = journal()?;
    for batch in journal.chunks(4_000) {
        let after = Seq(batch[0].seq.0 - 1);
        let events = batch.to_vec().into();
        store.append(claim.token(), after, events).await?;
    }
    drop(claim);
    let mut cold = Vec::new();
    for _ in 0..COLD {
        let (server, address) = serve(Arc::clone(&store)).await?;
        cold.push(ask(address, &run).await?);
        server.shut_down().await;
    }
    let (server, address) = serve(store).await?;
    ask(address, &run).await?;
    let mut warm = Vec::new();
    for _ in 0..WARM {
        warm.push(ask(address, &run).await?);
    }
    server.shut_down().await;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "page of {EVENTS} events, {} journal events",
        journal.len()
    )?;
    write_times(&mut out, "cold", cold)?;
    write_times(&mut out, "warm", warm)?;
    Ok(())
}

async fn serve(store: Arc<dyn Store>) -> Result<(Arc<Server>, SocketAddr), io::Error> {
    let started = Server::start(store, Arc::new(Nothing), ServerSettings::default()).await;
    let server = Arc::new(started.map_err(io::Error::other)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = Arc::clone(&server);
    tokio::spawn(async move { serving.serve(listener).await });
    Ok((server, address))
}

/// From the connection to the last byte.
async fn ask(address: SocketAddr, run: &RunId) -> Result<Duration, io::Error> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET /api/prompt-learning/online/jobs/{run}/events?since_seq=0&limit={EVENTS} HTTP/1.1\r\n\
         host: bench\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    let elapsed = begun.elapsed();
    let wanted = format!("\"next_seq\":{EVENTS}}}");
    if reply.ends_with(wanted.as_bytes()) {
        Ok(elapsed)
    } else {
        Err(io::Error::other("the page is not whole"))
    }
}

fn write_times(out: &mut impl Write, name: &str, mut times: Vec<Duration>) -> io::Result<()> {
    times.sort();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    writeln!(out, "{name}: median {median:.1?}, most {most:.1?}")
}

fn row(run: &RunId) -> RunRow {
    RunRow {
        run_id: run.clone(),
        name: "events".to_owned(),
        created_at: Timestamp(0),
        config: Value::Null,
        policy_provider: "none".to_owned(),
        policy_model: "none".to_owned(),
        template: PromptTemplate::default(),
        pareto: (0..EVENTS as u64).map(ExampleId::Seed).collect(),
        validation: Vec::new(),
        summary: RunSummary::default(),
    }
}

fn journal() -> Result<Vec<Event>, Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let candidate = seed.content_id();
    let trial = TrialKey {
        iteration: 0,
        index: 0,
    };
    let mut bodies = vec![
        EventBody::Decision(Decision::RunStarted(RunStarted {
            format: JOURNAL_FORMAT,
            engine_version: "0".to_owned(),
            seed,
            train: 1,
            pareto: EVENTS as u64,
            validation: 0,
            limits: None,
            scores: None,
            origin: None,
            settings: None,
            branch_points: Vec::new(),
            paced: false,
        })),
        EventBody::Decision(Decision::TrialStarted(TrialStarted {
            trial,
            stage: Stage::Seed,
            candidate,
            examples: (0..EVENTS as u64).map(ExampleId::Seed).collect(),
            reused: 0,
            rung: None,
            speculative: false,
        })),
    ];
    bodies.extend((0..EVENTS as u32).map(|position| {
        let at = Timestamp((i64::from(position) + 2) * STEP_SECONDS * 1_000_000);
        EventBody::Fact(Fact::RolloutSettled(Box::new(RolloutSettled {
            trial,
            stage: Stage::Seed,
            candidate,
            position,
            example: ExampleId::Seed(u64::from(position)),
            attempts: 1,
            again: false,
            started_at: at,
            finished_at: at,
            usage: Usage {
                calls: 1,
                prompt_tokens: 500,
                completion_tokens: 50,
                ..Usage::default()
            },
            judge_usage: Usage::default(),
            outcome: Arc::new(Outcome::score(1.0)),
        })))
    }));
    let numbered = (1_u64..).zip(bodies).map(|(seq, body)| Event {
        seq: Seq(seq),
        at: Timestamp(seq as i64 * STEP_SECONDS * 1_000_000),
        body,
    });
    Ok(numbered.collect())
}
