//! Requests to the app, and its answers within limits of time and size.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::error::TaskAppError;
use super::settings::TaskAppSettings;
use gepa_evaluation::RolloutClock;
use gepa_models::{
    ApiKey, ClientKind, Environment, HttpAddress, build_client, innermost, is_loopback,
};

/// Largest answer that is read.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Longest part of an app's message that enters one of ours, in characters.
const LONGEST_QUOTE: usize = 300;

/// Characters at the beginning of a key that apps quote in their error messages.
const QUOTED_OF_KEYS: usize = 15;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An app's address and key.
#[derive(Debug)]
pub(super) struct AppClient {
    pub(super) url: String,
    pub(super) key_variable: String,
    key: Option<ApiKey>,
    headers: HeaderMap,
    client: Client,
}

/// The answer of an app.
#[derive(Clone, Debug)]
pub(super) struct AppAnswer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AppFault {
    Unreachable(String),
    Broken(String),
    TimedOut(Duration),
    TooLarge,
}

impl AppClient {
    pub(super) fn new(
        settings: &TaskAppSettings,
        key: Option<ApiKey>,
        environment: &Environment,
    ) -> Result<Self, TaskAppError> {
        let url = HttpAddress::parse_base(&settings.url).map_err(TaskAppError::BadUrl)?;
        let key_variable = settings.api_key_env.clone();
        let key = key.or_else(|| environment.get(&key_variable).map(ApiKey::new));
        let headers = match &key {
            Some(key) => key_headers(key).ok_or_else(|| TaskAppError::BadKey {
                variable: key_variable.clone(),
            })?,
            None => HeaderMap::new(),
        };
        let client = build_client(ClientKind {
            connect_timeout: CONNECT_TIMEOUT,
            is_encrypted: url.scheme() == "https",
            is_loopback: is_loopback(&url),
        });
        Ok(Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            key_variable,
            key,
            headers,
            client: client.map_err(TaskAppError::HttpClient)?,
        })
    }

    pub(super) async fn get(&self, path: &str, limit: Duration) -> Result<AppAnswer, AppFault> {
        let request = self.client.get(format!("{}{path}", self.url));
        self.send(request, limit).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<AppAnswer, AppFault> {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        self.send(request, limit).await
    }

    /// The error for an answer that refuses the key, if it does.
    pub(super) fn refused_key(&self, answer: &AppAnswer) -> Option<TaskAppError> {
        let url = self.url.clone();
        let code = answer.error_code();
        if answer.status == 503 && code.as_deref() == Some("missing_environment_api_key") {
            return Some(TaskAppError::AppHasNoKey { url });
        }
        let is_refusal = matches!(answer.status, 401 | 403)
            || (answer.status == 400 && code.is_some_and(|code| code.starts_with("unauthori")));
        let variable = self.key_variable.clone();
        is_refusal.then_some(match self.key {
            Some(_) => TaskAppError::Unauthorised { url, variable },
            None => TaskAppError::MissingKey { url, variable },
        })
    }

    /// The message of an answer, as one line of bounded length without the key.
    pub(super) fn quoted(&self, answer: &AppAnswer) -> String {
        let text = answer.message();
        let text = match &self.key {
            Some(key) => key.scrubbed_with_start(&text, QUOTED_OF_KEYS),
            None => text,
        };
        let line: Vec<&str> = text.split_whitespace().collect();
        let line = line.join(" ");
        match line.char_indices().nth(LONGEST_QUOTE) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None if line.is_empty() => "(no message)".to_owned(),
            None => line,
        }
    }

    async fn send(&self, request: RequestBuilder, limit: Duration) -> Result<AppAnswer, AppFault> {
        let request = request.headers(self.headers.clone());
        match RolloutClock::within(limit, exchange(request)).await {
            Some(result) => result,
            None => Err(AppFault::TimedOut(limit)),
        }
    }
}

impl AppAnswer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null where it is not.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn error_code(&self) -> Option<String> {
        let json = self.json();
        ["/detail/error/code", "/error/code", "/detail/code", "/code"]
            .iter()
            .find_map(|pointer| json.pointer(pointer)?.as_str().map(str::to_owned))
    }

    fn message(&self) -> String {
        let json = self.json();
        let pointers = [
            "/detail/error/message",
            "/detail/message",
            "/detail",
            "/error/message",
            "/error",
            "/message",
        ];
        let said = pointers.iter().find_map(|pointer| {
            let said = json.pointer(pointer)?;
            said.as_str().map(str::to_owned)
        });
        said.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}

async fn exchange(request: RequestBuilder) -> Result<AppAnswer, AppFault> {
    let mut response = request.send().await.map_err(|error| {
        let is_connect = error.is_connect();
        let reason = innermost(&error.without_url());
        if is_connect {
            AppFault::Unreachable(reason)
        } else {
            AppFault::Broken(reason)
        }
    })?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(AppAnswer { status, body }),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(AppFault::Broken(innermost(&error.without_url()))),
        }
        if body.len() > LARGEST_ANSWER {
            return Err(AppFault::TooLarge);
        }
    }
}

/// The key in each of the places where apps look for it.
fn key_headers(key: &ApiKey) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", key.plain()?);
    headers.insert("x-api-keys", key.plain()?);
    headers.insert(AUTHORIZATION, key.bearer()?);
    Some(headers)
}
