//! Reads HTTP/1.1 requests.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LARGEST_HEAD: usize = 64 * 1024;
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// One call as it arrived.
#[derive(Clone, Debug)]
pub struct ModelCall {
    /// Its place in the order of arrival, from 0.
    pub index: u64,
    /// The path, with the query.
    pub path: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body; null if it was not JSON.
    pub body: Value,
}

/// A request of any kind.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A connection, with the bytes that were read from it and not used yet.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

impl ModelCall {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The text of the message at `index`; empty if there is none.
    pub fn message(&self, index: usize) -> &str {
        let message = self.messages().get(index);
        message.map(content).unwrap_or_default()
    }

    /// The text of the last message; empty if there is none.
    pub fn last_message(&self) -> &str {
        let last = self.messages().last();
        last.map(content).unwrap_or_default()
    }

    /// The requested model; empty if the call names none.
    pub fn model(&self) -> &str {
        let model = self.body.get("model").and_then(Value::as_str);
        model.unwrap_or_default()
    }

    /// Role and text of every message.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.messages().iter().map(|message| {
            let role = message.get("role").and_then(Value::as_str);
            (role.unwrap_or_default(), content(message))
        })
    }

    pub(super) fn prompt_characters(&self) -> usize {
        let messages = self.messages().iter();
        messages
            .map(|message| content(message).chars().count())
            .sum()
    }

    fn messages(&self) -> &[Value] {
        let messages = self.body.get("messages").and_then(Value::as_array);
        messages.map(Vec::as_slice).unwrap_or_default()
    }
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(super) fn wants_close(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default();
        connection.eq_ignore_ascii_case("close")
    }
}

impl Incoming {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// The next request; `None` when the client has closed the connection between two of them.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        let Some(head_length) = self.head_length().await? else {
            return Ok(None);
        };
        let head: Vec<u8> = self.unread.drain(..head_length).collect();
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let method = first.next().unwrap_or_default().to_owned();
        let path = first.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        if find(&headers, "expect").is_some() {
            self.stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        let is_chunked = find(&headers, "transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let body = if is_chunked {
            self.chunked_body().await?
        } else {
            let length = find(&headers, "content-length").map_or(Ok(0), str::parse);
            self.take(length.map_err(|_| malformed("content-length"))?)
                .await?
        };
        Ok(Some(Request {
            method,
            path,
            headers,
            body,
        }))
    }

    /// Returns when the client has hung up. Never returns if it sends something instead.
    pub(super) async fn hung_up(&self) {
        let mut byte = [0];
        if let Ok(1..) = self.stream.peek(&mut byte).await {
            std::future::pending::<()>().await;
        }
    }

    /// Reads the next head completely. Returns its length with the empty line that ends it.
    async fn head_length(&mut self) -> io::Result<Option<usize>> {
        loop {
            let end = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok(Some(end + 4));
            }
            if self.unread.len() > LARGEST_HEAD {
                return Err(malformed("head"));
            }
            let is_between_requests = self.unread.is_empty();
            if self.read_more().await? == 0 {
                return if is_between_requests {
                    Ok(None)
                } else {
                    Err(malformed("head"))
                };
            }
        }
    }

    async fn chunked_body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size"))?;
            if size == 0 {
                break;
            }
            if body.len().saturating_add(size) > LARGEST_BODY {
                return Err(malformed("body length"));
            }
            body.extend(self.take(size).await?);
            self.line().await?;
        }
        // Trailers end with an empty line.
        while !self.line().await?.is_empty() {}
        Ok(body)
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.unread.len() > LARGEST_HEAD || self.read_more().await? == 0 {
                return Err(malformed("line"));
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > LARGEST_BODY {
            return Err(malformed("body length"));
        }
        while self.unread.len() < length {
            if self.read_more().await? == 0 {
                return Err(malformed("body"));
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.unread).await
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|(known, _)| known == name);
    header.map(|(_, value)| value.as_str())
}

fn content(message: &Value) -> &str {
    let content = message.get("content").and_then(Value::as_str);
    content.unwrap_or_default()
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
