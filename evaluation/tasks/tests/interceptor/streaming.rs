//! Streamed answers.

use std::sync::Arc;

use gepa_tasks::interceptor::CallOutcome;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    Answered, body, client, completions_url, interceptor, lease, policy_at, policy_settings, post,
};

/// A provider that answers each call with the next of these answers, the last one for ever.
struct Provider {
    base_url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    async fn start(answers: Vec<(u16, &'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        tokio::spawn(async move {
            let mut count = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = read_request(&mut stream).await;
                seen.lock().push(body);
                let (status, kind, text) = &answers[count.min(answers.len() - 1)];
                count += 1;
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n"
                );
                // Cut up, so that lines arrive in pieces.
                let bytes = [head.as_bytes(), text.as_bytes()].concat();
                for piece in bytes.chunks(17) {
                    if stream.write_all(piece).await.is_err() {
                        break;
                    }
                    stream.flush().await.unwrap();
                }
            }
        });
        Self { base_url, bodies }
    }
}

async fn read_request(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return body;
        }
        assert!(read > 0, "the request broke off");
    }
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn delta(delta: impl Into<Value>, finish: Option<&str>) -> Value {
    let delta: Value = delta.into();
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"object": "chat.completion.chunk", "choices": [choice]})
}

fn stream_of(with_usage: bool) -> String {
    let mut text = event(&delta(json!({"role": "assistant", "content": "Hel"}), None));
    text += ": a comment\n\n";
    text += &event(&delta(json!({"content": "lo é"}), None));
    let call =
        json!({"index": 0, "id": "c", "function": {"name": "answer", "arguments": "{\"a\""}});
    text += &event(&delta(json!({"tool_calls": [call]}), None));
    let more = json!({"index": 0, "function": {"arguments": ": 1}"}});
    text += &event(&delta(json!({"tool_calls": [more]}), Some("tool_calls")));
    if with_usage {
        let usage = json!({"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30});
        text += &event(&json!({"choices": [], "usage": usage}));
    }
    text + "data: [DONE]\n\n"
}

fn streamed_body() -> Value {
    let mut body = body("hello");
    body["stream"] = json!(true);
    body
}

async fn read_all(url: &str) -> (String, Option<String>) {
    let request = client().post(url).body(streamed_body().to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/event-stream");
    let mut response = response;
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (String::from_utf8(bytes).unwrap(), None),
            Err(error) => {
                return (String::from_utf8(bytes).unwrap(), Some(error.to_string()));
            }
        }
    }
}

const STREAM: &str = "text/event-stream";

#[tokio::test]
async fn lines_are_passed_on_as_they_came_and_usage_is_that_of_the_last_chunk() {
    let text = stream_of(true);
    let provider = Provider::start(vec![(200, STREAM, text.clone())]).await;
    let interceptor = interceptor();
    let lease = lease(
        &interceptor,
        policy_at(&provider.base_url, &policy_settings()),
    )
    .await;
    let (read, error) = read_all(&completions_url(lease.inference_url())).await;
    assert_eq!((read, error), (text, None));
    let sent = provider.bodies.lock()[0].clone();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    assert_eq!(sent["messages"][0]["content"], "Candidate.");
    let calls = lease.close();
    let usage = calls[0].usage;
    assert_eq!(
        (usage.prompt_tokens, usage.completion_tokens, usage.calls),
        (21, 9, 1)
    );
    let CallOutcome::Answered {
        text, tool_calls, ..
    } = &calls[0].outcome
    else {
        panic!("{:?}", calls[0].outcome);
    };
    assert_eq!(text, "Hello é");
    assert_eq!(tool_calls[0]["function"]["arguments"], "{\"a\": 1}");
}

#[tokio::test]
async fn a_stream_without_usage_is_estimated() {
    let provider = Provider::start(vec![(200, STREAM, stream_of(false))]).await;
    let interceptor = interceptor();
    let lease = lease(
        &interceptor,
        policy_at(&provider.base_url, &policy_settings()),
    )
    .await;
    read_all(&completions_url(lease.inference_url())).await;
    let usage = lease.close()[0].usage;
    assert!(usage.unknown_tokens > 0 && usage.prompt_tokens == 0);
}

#[tokio::test]
async fn a_stream_is_retried_before_its_first_byte_and_never_after() {
    let broken = event(&delta(json!({"content": "Hal"}), None));
    let provider = Provider::start(vec![
        (503, "application/json", "{}".to_owned()),
        (200, STREAM, broken.clone()),
        (200, STREAM, stream_of(true)),
    ])
    .await;
    let interceptor = interceptor();
    let lease = lease(
        &interceptor,
        policy_at(&provider.base_url, &policy_settings()),
    )
    .await;
    let (read, error) = read_all(&completions_url(lease.inference_url())).await;
    assert!(broken.starts_with(&read), "{read}");
    assert!(
        error.is_some(),
        "an answer that broke off must not look complete"
    );
    assert_eq!(provider.bodies.lock().len(), 2);
    let calls = lease.close();
    assert!(matches!(&calls[0].outcome, CallOutcome::Failed { .. }));
    assert_eq!(calls[0].usage.calls, 2);
    assert!(calls[0].usage.unknown_tokens > 0);
}

#[tokio::test]
async fn a_provider_that_refuses_to_stream_is_quoted() {
    let refusal = json!({"error": {"message": "no streams", "code": "x"}}).to_string();
    let provider = Provider::start(vec![(400, "application/json", refusal)]).await;
    let interceptor = interceptor();
    let lease = lease(
        &interceptor,
        policy_at(&provider.base_url, &policy_settings()),
    )
    .await;
    let url = completions_url(lease.inference_url());
    let Answered { status, body } = post(&url, &streamed_body()).await;
    assert_eq!(
        (status, &body["error"]["message"]),
        (400, &json!("no streams"))
    );
}
