//! Streams of events: live, and resumed after a reader's last event.

use std::sync::Arc;

use gepa_server::ServerSettings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{JOBS, ask, get, until};
use crate::world::{Ledger, alone, listen, memory, quick};

/// The blocks of a finished stream: id, event, data.
fn blocks(text: &str) -> Vec<(u64, String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.starts_with("id: "));
    blocks
        .map(|block| {
            let lines: Vec<&str> = block.lines().collect();
            let [id, event, data] = lines[..] else {
                panic!("{block}");
            };
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            let id = id.strip_prefix("id: ").unwrap().parse().unwrap();
            (id, event.strip_prefix("event: ").unwrap().to_owned(), data)
        })
        .collect()
}

#[tokio::test]
async fn a_stream_opened_early_sends_every_event_and_ends_with_the_job() {
    let server = alone().await;
    let job = server.submit(json!({"budget": 80, "pause_ms": 2})).await;
    let path = format!("{JOBS}/{job}/events/stream");
    let answer = ask(server.address, "GET", &path, "", None).await;
    assert!(answer.head.contains("content-type: text/event-stream"));
    let told = blocks(&answer.text);
    assert_eq!(told[0].1, "prompt.learning.stream.connected");
    let stored = get(server.address, &format!("{JOBS}/{job}/events")).await;
    let streamed: Vec<Value> = told[1..].iter().map(|(_, _, data)| data.clone()).collect();
    assert_eq!(Value::Array(streamed), stored["events"]);
    for (id, kind, data) in &told[1..] {
        assert_eq!(data["seq"], *id);
        assert_eq!(data["type"], **kind);
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_what_it_missed() {
    let server = alone().await;
    let job = server.submit(json!({"budget": 80})).await;
    until(server.address, &job, &["succeeded"]).await;
    let path = format!("{JOBS}/{job}/events/stream");
    let by_header = ask(server.address, "GET", &path, "Last-Event-ID: 5\r\n", None).await;
    let by_query = ask(
        server.address,
        "GET",
        &format!("{path}?since_seq=5"),
        "",
        None,
    )
    .await;
    for answer in [by_header, by_query] {
        assert_eq!(blocks(&answer.text)[1].0, 6);
    }
    let nothing = ask(
        server.address,
        "GET",
        &format!("{path}?since_seq=5000"),
        "",
        None,
    )
    .await;
    assert_eq!(blocks(&nothing.text).len(), 1);
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let settings = ServerSettings {
        max_streams: 1,
        ..quick()
    };
    let server = listen(memory(), &Arc::<Ledger>::default(), settings).await;
    let job = server.submit(json!({"budget": 400, "pause_ms": 100})).await;
    let path = format!("{JOBS}/{job}/events/stream");
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    first.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let second = ask(server.address, "GET", &path, "", None).await;
    assert_eq!(second.status, 429);
    assert!(second.is_json());
    server.stop().await;
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
}
