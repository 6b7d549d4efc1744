//! One connection: requests in, replies and misbehaviour out.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::fault::{Fault, RetryAfter};
use super::ledger::OpenCall;
use super::reply::ReportedUsage;
use super::request::{Incoming, ModelCall, Request};
use super::server::Shared;

/// What to send, and how far.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content_type: &'static str,
    body: Vec<u8>,
    usage: Option<ReportedUsage>,
    ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Complete,
    ResetAtOnce,
    ResetAfterHeaders,
    StallInBody,
    CloseInBody,
}

/// Serves a connection until either side is done with it.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut incoming = Incoming::new(stream);
    // Without this, the byte held back for the books would wait for an acknowledgement.
    if incoming.stream.set_nodelay(true).is_err() {
        return;
    }
    while let Ok(Some(request)) = incoming.request().await {
        let wants_close = request.wants_close();
        match handle(&mut incoming, request, &shared).await {
            Ok(true) if !wants_close => {}
            _ => return,
        }
    }
}

/// Answers one request; whether the connection can go on.
async fn handle(
    incoming: &mut Incoming,
    request: Request,
    shared: &Arc<Shared>,
) -> io::Result<bool> {
    let route = request.path.split('?').next().unwrap_or_default();
    if request.method == "GET" && route.ends_with("/models") {
        let list = json!({"object": "list", "data": [{"id": "loopback", "object": "model"}]});
        return send(incoming, &Answer::json(200, &list), shared, None).await;
    }
    if request.method != "POST" || !route.ends_with("/chat/completions") {
        let answer = Answer::error(404, "not_found", "only POST .../chat/completions is served");
        return send(incoming, &answer, shared, None).await;
    }
    let mut call = ModelCall {
        index: 0,
        path: request.path,
        headers: request.headers,
        body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
    };
    let open = OpenCall::received(shared, &mut call);
    let fault = shared.faults.fault(call.index);
    let mut wait = (shared.latency)(&call);
    if let Some(Fault::SlowFirstByte(delay)) = fault {
        wait += *delay;
    }
    if !waited(incoming, wait).await {
        return Ok(false);
    }
    let answer = answer(&call, fault, shared);
    send(incoming, &answer, shared, Some(open)).await
}

/// Waits; `false` if the client hung up meanwhile.
async fn waited(incoming: &Incoming, wait: Duration) -> bool {
    if wait.is_zero() {
        return true;
    }
    tokio::select! {
        () = sleep(wait) => true,
        () = incoming.hung_up() => false,
    }
}

fn answer(call: &ModelCall, fault: Option<&Fault>, shared: &Shared) -> Answer {
    match fault {
        Some(Fault::Status {
            status,
            retry_after,
            code,
            message,
        }) => {
            let mut answer = Answer::error(*status, code, message);
            answer.headers = retry_after.iter().map(retry_after_header).collect();
            return answer;
        }
        Some(Fault::Redirect(address)) => {
            let mut answer = Answer::error(307, "moved", "moved");
            answer.headers = vec![("location", address.clone())];
            return answer;
        }
        Some(Fault::ErrorObject { code }) => {
            let body = json!({"error": {"code": code, "message": "injected error object"}});
            return Answer::json(200, &body);
        }
        Some(Fault::NoChoices) => return Answer::json(200, &json!({"choices": []})),
        Some(Fault::InvalidJson) => {
            let mut answer = Answer::json(200, &Value::Null);
            answer.body = b"{\"choices\": [{\"message\": ".to_vec();
            return answer;
        }
        _ => {}
    }
    let reply = (shared.handler)(call).bent(fault);
    let is_reported = !matches!(fault, Some(Fault::MissingUsage));
    let usage = is_reported.then(|| reply.usage_for(call));
    let mut answer = Answer::json(200, &reply.to_json(call, usage));
    answer.usage = usage;
    answer.ending = match fault {
        Some(Fault::ResetBeforeHeaders) => Ending::ResetAtOnce,
        Some(Fault::ResetAfterHeaders) => Ending::ResetAfterHeaders,
        Some(Fault::StalledBody) => Ending::StallInBody,
        Some(Fault::TruncatedBody) => Ending::CloseInBody,
        _ => Ending::Complete,
    };
    if matches!(fault, Some(Fault::WrongContentType)) {
        answer.content_type = "text/html";
    }
    answer
}

/// Sends an answer as far as it goes; whether the connection can go on.
async fn send(
    incoming: &mut Incoming,
    answer: &Answer,
    shared: &Shared,
    open: Option<OpenCall>,
) -> io::Result<bool> {
    let (head, body) = answer.encoded(shared.is_chunked);
    match answer.ending {
        Ending::Complete => {
            let (most, last) = body.split_at(body.len().saturating_sub(1));
            incoming
                .stream
                .write_all(&[head.as_bytes(), most].concat())
                .await?;
            if let Some(mut call) = open {
                call.answered(answer.status, answer.usage);
            }
            incoming.stream.write_all(last).await?;
            return Ok(true);
        }
        Ending::ResetAtOnce => incoming.stream.set_zero_linger()?,
        Ending::ResetAfterHeaders => {
            incoming.stream.write_all(head.as_bytes()).await?;
            incoming.stream.set_zero_linger()?;
        }
        Ending::StallInBody | Ending::CloseInBody => {
            let half = &body[..body.len() / 2];
            incoming
                .stream
                .write_all(&[head.as_bytes(), half].concat())
                .await?;
            if answer.ending == Ending::StallInBody {
                incoming.hung_up().await;
            }
        }
    }
    Ok(false)
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            usage: None,
            ending: Ending::Complete,
        }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"message": message, "type": "injected", "code": code});
        Self::json(status, &json!({ "error": error }))
    }

    /// The head and the body as they go over the wire.
    fn encoded(&self, is_chunked: bool) -> (String, Vec<u8>) {
        let (length_header, body) = if is_chunked {
            (
                "transfer-encoding: chunked".to_owned(),
                in_chunks(&self.body),
            )
        } else {
            (
                format!("content-length: {}", self.body.len()),
                self.body.clone(),
            )
        };
        let mut head = format!(
            "HTTP/1.1 {} Status\r\ncontent-type: {}\r\n{length_header}\r\n",
            self.status, self.content_type
        );
        for (name, value) in &self.headers {
            head.extend([*name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        (head, body)
    }
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for chunk in body.chunks(body.len().div_ceil(3).max(1)) {
        encoded.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        encoded.extend(chunk);
        encoded.extend(b"\r\n");
    }
    encoded.extend(b"0\r\n\r\n");
    encoded
}

fn retry_after_header(retry_after: &RetryAfter) -> (&'static str, String) {
    let value = match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::DateIn(seconds) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            http_date(now.as_secs() + seconds)
        }
    };
    ("retry-after", value)
}

/// A date as HTTP writes it, from seconds since 1970.
fn http_date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    let mut day = days;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month_name = "Dec";
    for (name, length) in MONTHS {
        let length = length + u64::from(name == "Feb" && is_leap(year));
        if day < length {
            month_name = name;
            break;
        }
        day -= length;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!(
        "{weekday}, {:02} {month_name} {year} {hour:02}:{minute:02}:{second:02} GMT",
        day + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_writes_them() {
        for (seconds, date) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_798_675_200, "Thu, 31 Dec 2026 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(seconds), date);
        }
    }
}
