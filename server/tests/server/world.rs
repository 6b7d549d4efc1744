//! A server with jobs whose evaluators are scripted by the submission.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gepa_archive::Candidate;
use gepa_configs::{ConfigError, LocatedProblem, Origin};
use gepa_engine::config::Problem;
use gepa_engine::record::RunRow;
use gepa_engine::reflection::ModelProposer;
use gepa_engine::{Config, ExampleSets, Settings, Store};
use gepa_evaluation::{
    Evaluation, Evaluator, EvaluatorInfo, ExampleId, Failure, FailureKind, Outcome, PromptMessage,
    PromptTemplate, RolloutRequest, Usage,
};
use gepa_server::{JobSource, OutageSettings, PreparedJob, Server, ServerSettings};
use gepa_testing::ScriptedModel;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::{JOBS, post};

/// What all jobs of a test share, over several servers.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Number of completed calls, by trial and example.
    pub(crate) ended: Mutex<BTreeMap<(String, String), u32>>,
    pub(crate) running: AtomicUsize,
    pub(crate) most_running: AtomicUsize,
    /// Names of the jobs in the order of their first rollouts.
    pub(crate) begun: Mutex<Vec<String>>,
    /// While this is above zero, rollouts fail because their provider is down.
    pub(crate) outages: AtomicUsize,
    /// Rollouts before this time, in seconds since the Unix epoch, find the limit of a day used up.
    pub(crate) goes_on_at: AtomicU64,
    /// Whether the time is said in words alone, as workers of earlier versions do.
    pub(crate) says_words: AtomicBool,
    /// Rollouts that found the limit used up.
    pub(crate) refused: AtomicUsize,
}

/// Makes jobs of configs that consist of a few numbers.
pub(crate) struct Scripted(pub(crate) Arc<Ledger>);

#[async_trait]
impl JobSource for Scripted {
    async fn submitted(
        &self,
        config_body: &Value,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError> {
        let mut body = config_body.clone();
        for (key, value) in overrides {
            body[key] = value.clone();
        }
        self.prepare(body)
    }

    async fn stored(&self, run: &RunRow) -> Result<PreparedJob, ConfigError> {
        self.prepare(run.config["script"].clone())
    }

    async fn branched(
        &self,
        run: &RunRow,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError> {
        let mut script = run.config["script"].clone();
        if let Some(most) = overrides.get("budget.max_rollouts") {
            script["budget"] = most.clone();
        }
        self.prepare(script)
    }
}

impl Scripted {
    fn prepare(&self, script: Value) -> Result<PreparedJob, ConfigError> {
        if script["unusable"] == true {
            return Err(problem("unusable", "is true, so nothing can be done"));
        }
        let ids = |range: std::ops::Range<u64>| range.map(ExampleId::Seed).collect();
        let sets = ExampleSets {
            train: ids(0..10),
            pareto: ids(10..16),
            validation: ids(20..24),
        };
        let mut settings = Settings::default();
        settings.budget.max_rollouts = Some(script["budget"].as_u64().unwrap_or(120));
        let name = script["name"].as_str().unwrap_or("job");
        name.clone_into(&mut settings.run.name);
        let seed = Candidate::new([("instruction", "Answer.")]).unwrap();
        let prompt = PromptTemplate {
            messages: vec![
                PromptMessage {
                    role: "system".to_owned(),
                    component: Some("instruction".to_owned()),
                    pattern: "Answer.".to_owned(),
                },
                PromptMessage {
                    role: "user".to_owned(),
                    component: None,
                    pattern: "Question: {question}".to_owned(),
                },
            ],
        };
        let config = Config::new(seed, prompt, sets, settings)
            .map_err(|invalid| problem(&invalid.problems[0].key, &invalid.problems[0].message))?;
        let more_lines = if script["lines"] == true {
            "\nBe brief.\nBe kind."
        } else {
            ""
        };
        let model = ScriptedModel::answering(move |request| {
            let noise = hash(&request.messages[0].content);
            let length = (noise % 9) as usize;
            let line = "x".repeat(length);
            format!("```\n{line}{:x}{more_lines}\n```", noise % 4_096)
        });
        Ok(PreparedJob {
            described: json!({"script": script, "settings": {}, "data": {}}),
            config_body: script.clone(),
            notes: vec!["`crossover_rate` is not used".to_owned()],
            other_app: None,
            evaluator: Arc::new(Player {
                pause: Duration::from_millis(script["pause_ms"].as_u64().unwrap_or(0)),
                name: name.to_owned(),
                fatal: script["fatal"] == true,
                ledger: Arc::clone(&self.0),
            }),
            proposer: Arc::new(ModelProposer::new(Arc::new(model), &config)),
            config,
        })
    }
}

fn problem(key: &str, message: &str) -> ConfigError {
    ConfigError {
        problems: vec![LocatedProblem {
            file: "submitted config".to_owned(),
            line: None,
            origin: Origin::File,
            problem: Problem::new(key, message),
        }],
    }
}

/// Scores longer prompts higher, after a pause.
struct Player {
    pause: Duration,
    name: String,
    fatal: bool,
    ledger: Arc<Ledger>,
}

#[async_trait]
impl Evaluator for Player {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        {
            let mut begun = self.ledger.begun.lock().unwrap();
            if !begun.contains(&self.name) {
                begun.push(self.name.clone());
            }
        }
        let down = |left: usize| left.checked_sub(1);
        let outages = &self.ledger.outages;
        if outages
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, down)
            .is_ok()
        {
            let mut evaluation = Evaluation::free(Outcome::failed(
                FailureKind::Transient,
                "connection refused",
            ));
            evaluation.provider_down = true;
            return evaluation;
        }
        let goes_on_at = self.ledger.goes_on_at.load(Ordering::SeqCst);
        if seconds_now() < goes_on_at {
            self.ledger.refused.fetch_add(1, Ordering::SeqCst);
            return self.day_is_used_up(goes_on_at);
        }
        let running = self.ledger.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.ledger
            .most_running
            .fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(self.pause).await;
        self.ledger.running.fetch_sub(1, Ordering::SeqCst);
        let key = (request.trial_id.to_string(), request.example.to_string());
        *self.ledger.ended.lock().unwrap().entry(key).or_default() += 1;
        if self.fatal {
            return Evaluation::free(Outcome::fatal("the task app refused the key"));
        }
        let text = request.candidate.text("instruction").unwrap();
        let noise = hash(&format!("{text}{}", request.example)) % 100;
        let threshold = 20 + 4 * (text.len() as u64).min(15);
        let usage = Usage {
            calls: 1,
            prompt_tokens: 5,
            completion_tokens: 2,
            cost: gepa_evaluation::MicroUsd(10),
            ..Usage::default()
        };
        let score = f64::from(u8::from(noise < threshold));
        Evaluation::with_usage(Outcome::score(score), usage)
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo {
            kind: "scripted".to_owned(),
            policy_provider: "groq".to_owned(),
            policy_model: "llama".to_owned(),
        }
    }
}

impl Player {
    fn day_is_used_up(&self, goes_on_at: u64) -> Evaluation {
        let message = "`dollars_per_day` is used up for the key of provider `groq`";
        let is_said = !self.ledger.says_words.load(Ordering::SeqCst);
        let failure = Failure {
            goes_on_at: is_said.then_some(goes_on_at),
            ..Failure::new(FailureKind::Transient, message)
        };
        Evaluation {
            provider_down: true,
            ..Evaluation::free(Outcome::Failed(failure))
        }
    }
}

pub(crate) fn seconds_now() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    now.unwrap().as_secs()
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    }) >> 7
}

/// A server that listens on loopback.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) server: Arc<Server>,
    answering: JoinHandle<()>,
}

impl Listening {
    /// Ends the server as a signal would.
    pub(crate) async fn stop(self) {
        self.server.shut_down().await;
        self.answering.await.unwrap();
    }

    pub(crate) async fn submit(&self, script: Value) -> String {
        submit(self.address, script).await
    }
}

pub(crate) async fn submit(address: SocketAddr, script: Value) -> String {
    let answer = post(address, JOBS, submission(script)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["status"], "queued");
    assert_eq!(body["id"], body["job_id"]);
    body["job_id"].as_str().unwrap().to_owned()
}

pub(crate) fn submission(script: Value) -> Value {
    json!({
        "algorithm": "gepa",
        "config_body": script,
        "overrides": {},
        "metadata": {"backend_base_url": "http://127.0.0.1/api"},
        "auto_start": true,
    })
}

pub(crate) fn memory() -> Arc<dyn Store> {
    gepa_store::open("memory:").unwrap()
}

pub(crate) fn quick() -> ServerSettings {
    ServerSettings {
        outage: OutageSettings {
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(20),
            allowed: Duration::from_mins(30),
            look_every: Duration::from_mins(10),
            clocks_differ: Duration::from_millis(10),
        },
        ..ServerSettings::default()
    }
}

pub(crate) async fn listen(
    store: Arc<dyn Store>,
    ledger: &Arc<Ledger>,
    settings: ServerSettings,
) -> Listening {
    let source = Arc::new(Scripted(Arc::clone(ledger)));
    let server = Arc::new(Server::start(store, source, settings).await.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.serve(listener).await }
    });
    Listening {
        address,
        server,
        answering,
    }
}

/// A server with its own store.
pub(crate) async fn alone() -> Listening {
    listen(memory(), &Arc::default(), quick()).await
}
