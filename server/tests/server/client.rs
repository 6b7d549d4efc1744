//! A minimal HTTP client.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const JOBS: &str = "/api/prompt-learning/online/jobs";

/// The response to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn is_json(&self) -> bool {
        self.head.contains("content-type: application/json")
    }
}

/// Sends a request with further header lines, each ended by a line break.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&str>,
) -> Answer {
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, text) = reply.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_lowercase(),
        text: if head.to_lowercase().contains("transfer-encoding: chunked") {
            unchunked(text)
        } else {
            text.to_owned()
        },
    }
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        text = rest[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    whole
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Value {
    let answer = ask(address, "GET", path, "", None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert!(answer.is_json(), "{path}");
    answer.json()
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: Value) -> Answer {
    ask(address, "POST", path, "", Some(&body.to_string())).await
}

/// Polls a job until it has one of these statuses.
pub(crate) async fn until(address: SocketAddr, job: &str, statuses: &[&str]) -> Value {
    for _ in 0..3_000 {
        let detail = get(address, &format!("{JOBS}/{job}")).await;
        if statuses.contains(&detail["status"].as_str().unwrap()) {
            return detail;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("job {job} never became {statuses:?}");
}
