//! The bytes that are sent in reply to one request, and how many of them.

use serde_json::{Value, json};

use super::fault::Fault;
use super::reply::ReportedUsage;
use super::request::ModelCall;
use super::retry_after::retry_after_header;
use super::shared::Shared;

/// An answer, and where its sending stops.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) usage: Option<ReportedUsage>,
    pub(super) ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    ResetAtOnce,
    ResetAfterHeaders,
    StallInBody,
    CloseInBody,
}

impl Answer {
    /// The answer to a call, with its fault if one is planned for it.
    pub(super) fn to(call: &ModelCall, fault: Option<&Fault>, shared: &Shared) -> Self {
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
            Some(Fault::Raw {
                status,
                headers,
                body,
            }) => {
                let mut answer = Answer::json(*status, &Value::Null);
                answer.headers.clone_from(headers);
                answer.body.clone_from(body);
                return answer;
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

    /// A complete answer.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            usage: None,
            ending: Ending::Complete,
        }
    }

    /// A complete answer in the form of OpenAI's errors.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"message": message, "type": "injected", "code": code});
        Self::json(status, &json!({ "error": error }))
    }

    /// The head and the body as they are sent.
    pub(super) fn encoded(&self, is_chunked: bool) -> (String, Vec<u8>) {
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
