//! A task app on the loopback interface that answers in the shapes of the recorded ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

pub(crate) const APP_KEY: &str = "app-key-marker-2c26b46b68ffc68f";

pub(crate) const SYSTEM: &str = "You classify patients.";
pub(crate) const USER: &str = "Patient Features:\n{features}\n\nClassify.";
pub(crate) const CLASSIFIER: &str = "Classify the query.";
pub(crate) const CALIBRATOR: &str = "Review the suggested intent.";

/// How an app treats failed model calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Answers 200 and a reward of zero, even if its model calls failed.
    Swallowing,
    /// Answers with the model's status.
    Propagating,
    /// Propagates, and makes two calls.
    Pipeline,
}

/// What is wrong with an app.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Quirk {
    None,
    /// The rollout is answered with this.
    Answers(u16, String),
    Redirects,
    /// An answer of this many bytes.
    Huge(usize),
    /// The answer ends before the length it announced.
    EarlyClose,
    /// Never answers.
    Hangs,
    /// Never calls the model.
    IgnoresInference,
    /// Asks the model again after a failed call.
    AsksAgain,
    /// A pipeline that sends the instructions it is given.
    ReadsModules,
    /// Sends its texts as parts.
    Parts,
    /// Loses the model's reply.
    LosesReplies,
    /// Hangs up on the model.
    HangsUp,
    /// `/task_info` and `/health` answer this.
    Preflight(u16),
    /// `/task_info` names this version.
    Version(&'static str),
}

pub(crate) struct FakeApp {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    family: Family,
    quirk: Quirk,
    rollouts: Mutex<Vec<Value>>,
    calls: AtomicU64,
    client: reqwest::Client,
}

struct Request {
    method: String,
    path: String,
    headers: Map<String, Value>,
    body: Value,
}

/// The model's side of a call.
struct Reply {
    status: u16,
    body: Value,
}

impl FakeApp {
    pub(crate) async fn start(family: Family, quirk: Quirk) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, family, quirk)
    }

    pub(crate) fn start_on(listener: TcpListener, family: Family, quirk: Quirk) -> Self {
        let address = listener.local_addr().unwrap();
        let client = reqwest::Client::builder().tls_certs_only([]).no_proxy();
        let shared = Arc::new(Shared {
            family,
            quirk,
            rollouts: Mutex::default(),
            calls: AtomicU64::new(0),
            client: client.build().unwrap(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self {
            address,
            shared,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The rollout requests so far.
    pub(crate) fn rollouts(&self) -> Vec<Value> {
        self.shared.rollouts.lock().clone()
    }

    /// The model calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }
}

impl Drop for FakeApp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    while let Some(request) = read(&mut stream).await {
        let bytes = answer(&request, &shared).await;
        let Some(bytes) = bytes else { return };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        let is_cut_off = request.path == "/rollout" && shared.quirk == Quirk::EarlyClose;
        if is_cut_off {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ').map(str::to_owned);
        let headers: Map<String, Value> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value)))
            .collect();
        let length = headers.get("content-length").and_then(Value::as_str);
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if bytes.len() < end + 4 + length {
            continue;
        }
        return Some(Request {
            method: first.next()?,
            path: first.next()?,
            headers,
            body: serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Value::Null),
        });
    }
}

/// The bytes of an answer; `None` hangs up.
async fn answer(request: &Request, shared: &Shared) -> Option<Vec<u8>> {
    let key = ["x-api-key", "x-api-keys"].map(|name| request.headers.get(name));
    if key
        .iter()
        .any(|key| key.and_then(|key| key.as_str()) != Some(APP_KEY))
    {
        let sent = key[0].and_then(Value::as_str).unwrap_or_default();
        let error = json!({
            "code": "unauthorised", "message": "API key missing or invalid",
            "allowed_first15": [&APP_KEY[..15]], "got_first15": [sent],
        });
        return Some(json_answer(400, &json!({"detail": {"error": error}})));
    }
    match (
        request.method.as_str(),
        request.path.as_str(),
        &shared.quirk,
    ) {
        ("GET", "/health" | "/task_info", Quirk::Preflight(status)) => {
            Some(json_answer(*status, &json!({})))
        }
        ("GET", "/health", _) => Some(json_answer(200, &json!({"healthy": true}))),
        ("GET", "/task_info", Quirk::Version(version)) => {
            let taskset = json!({"id": "fake", "version": version, "sizes": {"train": 30}});
            Some(json_answer(200, &json!({"taskset": taskset})))
        }
        ("GET", "/task_info", _) => {
            let taskset = json!({"splits": ["train", "test"], "dataset": "<circular type=dict>"});
            Some(json_answer(200, &json!({"taskset": taskset})))
        }
        ("POST", "/rollout", quirk) => {
            shared.rollouts.lock().push(request.body.clone());
            rollout(&request.body, quirk, shared).await
        }
        _ => Some(json_answer(404, &json!({"detail": "Not Found"}))),
    }
}

async fn rollout(body: &Value, quirk: &Quirk, shared: &Shared) -> Option<Vec<u8>> {
    match quirk {
        Quirk::Redirects => {
            return Some(
                b"HTTP/1.1 307 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec(),
            );
        }
        Quirk::Hangs => return std::future::pending().await,
        Quirk::IgnoresInference => {
            return Some(json_answer(200, &response(body, &json!({}), 1.0)));
        }
        _ => {}
    }
    let (status, value) = match shared.family {
        Family::Pipeline => pipeline(body, quirk, shared).await,
        family => single(body, family, quirk, shared).await,
    };
    match quirk {
        Quirk::Answers(status, text) => Some(raw_answer(*status, text.as_bytes())),
        Quirk::Huge(bytes) => {
            let text = format!("{{\"x\": \"{}\"}}", "x".repeat(*bytes));
            Some(raw_answer(200, text.as_bytes()))
        }
        Quirk::EarlyClose => {
            let mut bytes = json_answer(status, &value);
            bytes.truncate(bytes.len() - 20);
            Some(bytes)
        }
        _ => Some(json_answer(status, &value)),
    }
}

/// One call with one tool, as the single-step apps make it.
async fn single(body: &Value, family: Family, quirk: &Quirk, shared: &Shared) -> (u16, Value) {
    let seed = body["env"]["seed"].as_u64().unwrap();
    let expected = (seed % 2).to_string();
    let features = format!("age: {seed}\nsex: 0");
    let user = USER.replace("{features}", &features);
    let messages = if *quirk == Quirk::Parts {
        let part = |text: &str| json!([{"type": "text", "text": text}]);
        json!([{"role": "system", "content": part(SYSTEM)}, {"role": "user", "content": part(&user)}])
    } else {
        json!([{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}])
    };
    let reply = ask(body, &messages, quirk, shared).await;
    let lost = reply.is_none() || *quirk == Quirk::LosesReplies;
    let reply = reply.unwrap_or(Reply {
        status: 502,
        body: Value::Null,
    });
    if family == Family::Propagating && reply.status != 200 {
        let said = reply.body["error"]["message"].as_str().unwrap_or("failed");
        let detail = format!("Interceptor/provider error: {said}");
        return (reply.status, json!({"detail": detail}));
    }
    let predicted = predicted(&reply.body);
    let is_right = predicted == expected && !lost;
    let mut info = json!({
        "expected_label": expected, "predicted_label": predicted, "label_correct": is_right,
        "response_text": predicted, "response_json": reply.body,
    });
    if lost || reply.status >= 500 {
        info["error"] = json!("All connection attempts failed");
        info["response_json"] = Value::Null;
        info["response_text"] = json!("");
    }
    let reward = f64::from(u8::from(is_right));
    (200, response(body, &info, reward))
}

/// Two calls, the second about the answer of the first.
async fn pipeline(body: &Value, quirk: &Quirk, shared: &Shared) -> (u16, Value) {
    let seed = body["env"]["seed"].as_u64().unwrap();
    let expected = (seed % 2).to_string();
    let query = format!("age: {seed}\nsex: 0");
    let mut suggested = String::new();
    let stages = [CLASSIFIER, CALIBRATOR];
    let template = &body["policy"]["config"]["prompt_template"];
    let given = &template["prompt_metadata"]["pipeline_modules"];
    for (stage, own) in stages.into_iter().enumerate() {
        // As the real app does: an instruction it is given comes after a text of its own.
        let instruction = match given[stage]["instruction_text"].as_str() {
            Some(text) if *quirk == Quirk::ReadsModules => {
                let shots = given[stage]["few_shots"].as_array().map_or(0, Vec::len);
                format!(
                    "You are stage {stage}.\n\n{}\n\n{shots} examples",
                    text.trim()
                )
            }
            _ => own.to_owned(),
        };
        let user = match stage {
            0 => query.clone(),
            _ => format!("{query}\nsuggested: {suggested}"),
        };
        let messages = json!([
            {"role": "system", "content": format!("{instruction}\n\nAvailable Intents:\n0\n1")},
            {"role": "user", "content": user},
        ]);
        let Some(reply) = ask(body, &messages, quirk, shared).await else {
            return (502, json!({"detail": "Proxy POST failed"}));
        };
        if reply.status != 200 {
            return (
                reply.status,
                json!({"detail": "Interceptor/provider error"}),
            );
        }
        suggested = predicted(&reply.body);
    }
    let is_right = suggested == expected;
    let info = json!({
        "expected_intent": expected, "predicted_intent": suggested, "correct": is_right,
        "modules": [],
    });
    (200, response(body, &info, f64::from(u8::from(is_right))))
}

async fn ask(body: &Value, messages: &Value, quirk: &Quirk, shared: &Shared) -> Option<Reply> {
    let config = &body["policy"]["config"];
    let url = config["inference_url"].as_str().unwrap();
    let url = url.replace('?', "/chat/completions?");
    let tool = json!({"type": "function", "function": {"name": "classify"}});
    let request = json!({
        "model": config["model"], "messages": messages, "max_tokens": 100, "temperature": 0.0,
        "tools": [tool], "tool_choice": "required",
    });
    let attempts = if *quirk == Quirk::AsksAgain { 3 } else { 1 };
    let mut last = None;
    for _ in 0..attempts {
        shared.calls.fetch_add(1, Ordering::Relaxed);
        let sending = shared
            .client
            .post(&url)
            .header("x-api-key", APP_KEY)
            .body(request.to_string())
            .send();
        if *quirk == Quirk::HangsUp {
            let limit = std::time::Duration::from_millis(100);
            let _ = tokio::time::timeout(limit, sending).await;
            return None;
        }
        let response = sending.await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.ok()?;
        let reply = Reply {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        };
        if status == 200 {
            return Some(reply);
        }
        last = Some(reply);
    }
    last
}

fn predicted(completion: &Value) -> String {
    let message = &completion["choices"][0]["message"];
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str();
    let arguments: Value = serde_json::from_str(arguments.unwrap_or("{}")).unwrap_or_default();
    arguments["label"].as_str().unwrap_or_default().to_owned()
}

fn response(body: &Value, info: &Value, reward: f64) -> Value {
    let step = json!({"obs": {}, "tool_calls": [], "reward": reward, "done": true, "info": info});
    json!({
        "run_id": body["run_id"],
        "trajectories": [{
            "env_id": "fake::train::0", "steps": [step], "length": 1,
            "inference_url": body["policy"]["config"]["inference_url"],
        }],
        "branches": {},
        "metrics": {
            "episode_returns": [reward], "mean_return": reward, "num_steps": 1, "num_episodes": 1,
            "outcome_score": reward, "events_score": reward, "details": {},
        },
        "aborted": false, "ops_executed": 2, "trace_correlation_id": null, "trace": null,
    })
}

fn json_answer(status: u16, body: &Value) -> Vec<u8> {
    raw_answer(status, body.to_string().as_bytes())
}

fn raw_answer(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
