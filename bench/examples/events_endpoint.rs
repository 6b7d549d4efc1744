//! How long does a page of 10 000 events take over loopback, on a server that has the job's events
//! in its cache, and on a server that must fold the journal first? And does a stream of events keep up
//! with a journal that grows by 10 000 events a second?

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
/// Events that the stream carries: five seconds of them.
const STREAMED: usize = 50_000;
/// Events of one append, and how often there is one.
const BATCH: usize = 100;
const EVERY: Duration = Duration::from_millis(10);
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
    store.create_run(row(&run, EVENTS)).await?;
    let claim = store.claim(&run).await?;
    let journal = journal(EVENTS)?;
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
    let (server, address) = serve(Arc::clone(&store)).await?;
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
    let (seconds, lags) = stream(store).await?;
    let (first, last) = (lags.first(), lags.last());
    if let (Some(least), Some(most)) = (first, last) {
        let median = lags[lags.len() / 2];
        writeln!(
            out,
            "stream: {STREAMED} events in {seconds:.2} s, none lost; from the append to the reader: \
             least {least:.1?}, median {median:.1?}, most {most:.1?}"
        )?;
    }
    Ok(())
}

/// Reads the stream of a job while its journal grows. Fails if an event is missing or out of order.
/// Returns how long it took, and how late events arrived, sorted.
async fn stream(store: Arc<dyn Store>) -> Result<(f64, Vec<Duration>), Box<dyn std::error::Error>> {
    let run: RunId = "pl_00000000000000b2".parse()?;
    store.create_run(row(&run, STREAMED)).await?;
    let journal = journal(STREAMED)?;
    let (server, address) = serve(Arc::clone(&store)).await?;
    let mut client = TcpStream::connect(address).await?;
    let request = format!(
        "GET /api/prompt-learning/online/jobs/{run}/events/stream?since_seq=0 HTTP/1.1\r\n\
         host: bench\r\nconnection: close\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await?;
    let begun = Instant::now();
    let claim = store.claim(&run).await?;
    let writer = tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        let mut stored = Vec::new();
        for batch in journal.chunks(BATCH) {
            tick.tick().await;
            let after = Seq(batch[0].seq.0 - 1);
            store
                .append(claim.token(), after, batch.to_vec().into())
                .await?;
            stored.push(Instant::now());
        }
        Ok::<_, gepa_engine::StoreError>(stored)
    });
    let mut arrived = Vec::with_capacity(STREAMED);
    let mut rest = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while arrived.len() < STREAMED {
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            return Err("the stream ended early".into());
        }
        let now = Instant::now();
        rest.extend_from_slice(&buffer[..count]);
        let whole = rest.iter().rposition(|byte| *byte == b'\n');
        let lines: Vec<u8> = rest.drain(..whole.map_or(0, |end| end + 1)).collect();
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(id) = line.strip_prefix(b"id: ") else {
                continue;
            };
            let id: usize = std::str::from_utf8(id)?.trim().parse()?;
            // The greeting repeats the number before the first event.
            if id == 0 {
                continue;
            }
            if id != arrived.len() + 1 {
                return Err(format!("event {} is missing before {id}", arrived.len() + 1).into());
            }
            arrived.push(now);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let stored = writer.await??;
    server.shut_down().await;
    // About one event of the stream for each of the journal; the few that come first are not counted.
    let lags = arrived.iter().enumerate().skip(BATCH);
    let mut lags: Vec<Duration> = lags
        .filter_map(|(place, at)| Some(at.saturating_duration_since(*stored.get(place / BATCH)?)))
        .collect();
    lags.sort();
    Ok((seconds, lags))
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

fn row(run: &RunId, examples: usize) -> RunRow {
    RunRow {
        run_id: run.clone(),
        name: "events".to_owned(),
        created_at: Timestamp(0),
        config: Value::Null,
        policy_provider: "none".to_owned(),
        policy_model: "none".to_owned(),
        template: PromptTemplate::default(),
        pareto: (0..examples as u64).map(ExampleId::Seed).collect(),
        validation: Vec::new(),
        summary: RunSummary::default(),
    }
}

fn journal(rollouts: usize) -> Result<Vec<Event>, Box<dyn std::error::Error>> {
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let candidate = seed.content_id();
    let trial = TrialKey {
        iteration: 0,
        index: 0,
    };
    let mut bodies = vec![
        EventBody::Decision(Decision::RunStarted(Box::new(RunStarted {
            format: JOURNAL_FORMAT,
            engine_version: "0".to_owned(),
            seed,
            train: 1,
            pareto: rollouts as u64,
            validation: 0,
            limits: None,
            scores: None,
            origin: None,
            settings: None,
            branch_points: Vec::new(),
            paced: false,
        }))),
        EventBody::Decision(Decision::TrialStarted(TrialStarted {
            trial,
            stage: Stage::Seed,
            candidate,
            examples: (0..rollouts as u64).map(ExampleId::Seed).collect(),
            reused: 0,
            rung: None,
            speculative: false,
        })),
    ];
    bodies.extend((0..rollouts as u32).map(|position| {
        let at = Timestamp((i64::from(position) + 2) * STEP_SECONDS * 1_000_000);
        let (example, outcome) = (ExampleId::Seed(u64::from(position)), Outcome::score(1.0));
        EventBody::Fact(Fact::RolloutSettled(Box::new(RolloutSettled {
            started_at: at,
            finished_at: at,
            usage: Usage {
                calls: 1,
                prompt_tokens: 500,
                completion_tokens: 50,
                ..Usage::default()
            },
            ..RolloutSettled::new(trial, Stage::Seed, candidate, position, example, outcome)
        })))
    }));
    let numbered = (1_u64..).zip(bodies).map(|(seq, body)| Event {
        seq: Seq(seq),
        at: Timestamp(seq as i64 * STEP_SECONDS * 1_000_000),
        body,
    });
    Ok(numbered.collect())
}
