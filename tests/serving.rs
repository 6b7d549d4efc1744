//! Tests of `gepa serve`: a job in the form of the recorded client, a restart in its middle, and
//! keys that do not leak.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use gepa_testing::{ModelCall, ModelReply, ModelServer};
use indexmap::IndexMap;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Workspace, number};
use crate::task_app::{APP_KEY, FakeApp, Family, Quirk, SYSTEM, USER};

pub(crate) const JOBS: &str = "/api/prompt-learning/online/jobs";
const PROVIDER_KEY: &str = "provider-key-marker-9d5e";
pub(crate) const SERVER_KEY: &str = "server-key-marker-51ac";

/// An app, its model, and a folder for the server.
pub(crate) struct World {
    app: FakeApp,
    model: ModelServer,
    workspace: Workspace,
    runtime: Runtime,
}

/// A running server.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        // Installs the TLS provider that HTTP clients need.
        let settings = gepa_models::ModelSettings::new("ollama", "none");
        gepa_models::Models::new(gepa_models::Environment::default())
            .connect(&settings, &IndexMap::new(), &[])
            .unwrap();
        let latency = Duration::from_millis(10);
        let server = ModelServer::answering(reply)
            .latency(latency)
            .keeping(100_000);
        let model = runtime.block_on(server.start()).unwrap();
        let app = runtime.block_on(FakeApp::start(Family::Swallowing, Quirk::None));
        let mut workspace = Workspace::new();
        workspace.set_variable("GEPA_PROVIDER_BASE_URL", &model.base_url());
        workspace.set_variable("GROQ_API_KEY", PROVIDER_KEY);
        workspace.set_variable("GEPA_API_KEY", SERVER_KEY);
        Self {
            app,
            model,
            workspace,
            runtime,
        }
    }

    /// Ends the app and starts another one at its address.
    fn replace_app(&mut self, quirk: Quirk) {
        let address = self.app.url().trim_start_matches("http://").to_owned();
        let runtime = &self.runtime;
        let other = runtime.block_on(FakeApp::start(Family::Swallowing, Quirk::None));
        drop(std::mem::replace(&mut self.app, other));
        self.app = runtime.block_on(async {
            loop {
                // The task that listens at the address ends a moment later.
                if let Ok(listener) = tokio::net::TcpListener::bind(&address).await {
                    return FakeApp::start_on(listener, Family::Swallowing, quirk);
                }
                tokio::task::yield_now().await;
            }
        });
    }

    pub(crate) fn serve(&self) -> Serving {
        let mut command = self
            .workspace
            .command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        // The pipe needs a reader, or the server would block.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Serving { child, address }
    }

    /// A submission as the recorded client makes it.
    pub(crate) fn submission(&self, budget: u64) -> Value {
        let seeds = |range: std::ops::Range<u64>| range.collect::<Vec<_>>();
        json!({
            "algorithm": "gepa",
            "config_body": {"prompt_learning": {
                "algorithm": "gepa",
                "task_app_url": self.app.url(),
                "task_app_api_key": APP_KEY,
                "initial_prompt": {
                    "id": "fake_pattern",
                    "name": "Fake pattern",
                    "messages": [
                        {"role": "system", "pattern": SYSTEM, "order": 0},
                        {"role": "user", "pattern": USER, "order": 1},
                    ],
                    "wildcards": {"features": "REQUIRED"},
                },
                "policy": {
                    "model": "llama-3.1-8b-instant",
                    "provider": "groq",
                    "inference_mode": "synth_hosted",
                    "temperature": 0.0,
                    "max_completion_tokens": 512,
                },
                "gepa": {
                    "env_name": "fake",
                    "proposer_type": "dspy",
                    "rollout": {"budget": 44, "max_concurrent": 4, "minibatch_size": 3},
                    "evaluation": {
                        "validation_top_k": 2,
                        "train_seeds": seeds(0..10),
                        "val_seeds": seeds(30..40),
                    },
                    "mutation": {
                        "llm_model": "llama-3.3-70b-versatile",
                        "llm_provider": "groq",
                    },
                },
            }},
            "overrides": {"prompt_learning.gepa.rollout.budget": budget},
            "metadata": {"backend_base_url": "http://127.0.0.1/api"},
            "auto_start": true,
        })
    }
}

impl Serving {
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             authorization: Bearer {SERVER_KEY}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(!reply.contains(APP_KEY) && !reply.contains(PROVIDER_KEY));
        let (head, text) = reply.split_once("\r\n\r\n").unwrap();
        (
            head[9..12].parse().unwrap(),
            serde_json::from_str(text).unwrap(),
        )
    }

    pub(crate) fn submit(&self, submission: &Value) -> String {
        let (status, body) = self.ask("POST", JOBS, &submission.to_string());
        assert_eq!(status, 201, "{body}");
        body["job_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn until(&self, job: &str, done: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..3_000 {
            let (_, detail) = self.ask("GET", &format!("{JOBS}/{job}"), "");
            if done(&detail) {
                return detail;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("job {job} never got there");
    }

    pub(crate) fn terminate(mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

/// Ends the server also when the test fails, since a running server would keep its output open.
impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Right where the system message says `Good`; asked to reflect, writes such a message.
fn reply(call: &ModelCall) -> ModelReply {
    let age = call.last_message().split("age: ").nth(1);
    let Some(age) = age.filter(|_| !call.message(1).is_empty()) else {
        return ModelReply::text("```\nGood instructions.\n```").reporting(50, 5);
    };
    let digits: String = age.chars().take_while(char::is_ascii_digit).collect();
    let parity = digits.parse::<u64>().unwrap_or(0) % 2;
    let label = if call.message(0).contains("Good") {
        parity
    } else {
        0
    };
    let mut reply = ModelReply::text("").reporting(10, 2);
    reply.tool_calls = vec![json!({
        "id": "call_1", "type": "function",
        "function": {"name": "classify", "arguments": json!({"label": label.to_string()}).to_string()},
    })];
    reply
}

pub(crate) fn is_over(detail: &Value) -> bool {
    ["succeeded", "failed"].contains(&detail["status"].as_str().unwrap())
}

pub(crate) fn check_books(world: &World, detail: &Value) {
    assert_eq!(detail["status"], "succeeded", "{}", detail["error"]);
    let stats = &detail["metadata"]["stats"];
    let rollouts = number(stats, "total_rollouts");
    assert_eq!(rollouts, world.app.rollouts().len() as u64);
    assert_eq!(rollouts, world.app.calls());
    assert!(rollouts > 0 && rollouts <= 120);
    let tokens = number(stats, "rollouts_prompt_tokens") + number(stats, "mutation_prompt_tokens");
    assert_eq!(tokens, world.model.ledger().prompt_tokens);
    assert_eq!(stats["best_validation_score"], 1.0, "{stats}");
}

#[test]
fn a_job_of_the_recorded_shape_runs_and_its_books_agree() {
    let world = World::new();
    let server = world.serve();
    let job = server.submit(&world.submission(120));
    let detail = server.until(&job, is_over);
    check_books(&world, &detail);
    let body = &detail["metadata"]["config_body"]["prompt_learning"];
    assert_eq!(body["gepa"]["rollout"]["budget"], 120);
    assert_eq!(body["policy"]["model"], "llama-3.1-8b-instant");
    let messages = &detail["best_snapshot"]["messages"];
    assert_eq!(messages[0]["content"], "Good instructions.");
    assert_eq!(messages[1]["content"], USER);
    server.terminate();
}

#[test]
fn a_job_goes_on_after_a_restart_with_the_key_of_the_environment() {
    let mut world = World::new();
    let server = world.serve();
    let job = server.submit(&world.submission(120));
    server.until(&job, |detail| {
        detail["total_rollouts"].as_u64().unwrap() > 15
    });
    server.terminate();
    let stored = std::fs::read(world.workspace.path().join(".gepa/gepa.db")).unwrap();
    let stored = String::from_utf8_lossy(&stored);
    assert!(!stored.contains(APP_KEY) && !stored.contains(PROVIDER_KEY));

    world.workspace.set_variable("ENVIRONMENT_API_KEY", APP_KEY);
    let server = world.serve();
    let detail = server.until(&job, is_over);
    check_books(&world, &detail);
    server.terminate();
}

#[test]
fn a_job_waits_after_a_restart_while_its_app_is_of_another_version() {
    let mut world = World::new();
    world.replace_app(Quirk::Version("1.0"));
    let server = world.serve();
    let job = server.submit(&world.submission(120));
    server.until(&job, |detail| {
        detail["total_rollouts"].as_u64().unwrap() > 15
    });
    server.terminate();

    world.workspace.set_variable("ENVIRONMENT_API_KEY", APP_KEY);
    world.replace_app(Quirk::Version("1.1"));
    let server = world.serve();
    let waiting = server.until(&job, |detail| {
        detail
            .to_string()
            .contains("the task app that the job began with")
    });
    assert!(
        waiting.to_string().contains("was `1.0` and is `1.1`"),
        "{waiting}"
    );
    assert!(world.app.rollouts().is_empty());
    world.replace_app(Quirk::Version("1.0"));
    let detail = server.until(&job, is_over);
    assert_eq!(detail["status"], "succeeded", "{}", detail["error"]);
    server.terminate();
}

#[test]
fn a_job_whose_key_is_gone_after_a_restart_fails_and_says_so() {
    let world = World::new();
    let server = world.serve();
    let job = server.submit(&world.submission(120));
    server.until(&job, |detail| {
        detail["total_rollouts"].as_u64().unwrap() > 5
    });
    server.terminate();
    let server = world.serve();
    let detail = server.until(&job, is_over);
    assert_eq!(detail["status"], "failed");
    let error = detail["error"].as_str().unwrap();
    assert!(error.contains("ENVIRONMENT_API_KEY"), "{error}");
    server.terminate();
}

#[test]
fn a_submitted_config_reaches_nothing_local() {
    let world = World::new();
    let server = world.serve();
    let body = json!({"algorithm": "gepa", "config_body": {
        "evaluator": {"kind": "process", "command": ["sh", "-c", "touch proof"]},
        "examples": {"train": [1], "pareto": [2]},
        "components": {"a": "b"},
        "budget": {"max_rollouts": 50},
        "reflection_model": {"provider": "rulebook", "model": "rulebook"},
    }});
    let (status, answer) = server.ask("POST", JOBS, &body.to_string());
    assert_eq!(status, 422, "{answer}");
    assert!(!world.workspace.path().join("proof").exists());
    server.terminate();
}

#[test]
fn without_a_key_nobody_else_is_listened_to() {
    let workspace = Workspace::new();
    let finished = workspace.gepa(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("GEPA_API_KEY"),
        "{}",
        finished.stderr
    );
}
