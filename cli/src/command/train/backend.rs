//! The client of a backend's HTTP API.

use std::time::Duration;

use gepa_models::{ApiKey, Environment, HttpAddress, innermost};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder};
use rustls::crypto::{CryptoProvider, ring};
use serde_json::Value;

use crate::error::CommandError;

/// The variables that may hold the key; the first that is set counts.
const KEYS: [&str; 2] = ["SYNTH_API_KEY", "GEPA_API_KEY"];
const CALL_SECONDS: u64 = 120;
/// Longest quoted part of an answer, in characters.
const QUOTED: usize = 2_000;

/// A backend.
#[derive(Debug)]
pub(in crate::command) struct Backend {
    client: Client,
    base: String,
    key: Option<ApiKey>,
}

impl Backend {
    /// A backend at an address with or without `/api` at its end.
    pub(super) fn new(url: &str, environment: &Environment) -> Result<Self, CommandError> {
        Self::named("--backend", url, environment)
    }

    /// A backend that the user named with this option.
    pub(in crate::command) fn named(
        option: &str,
        url: &str,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let address = HttpAddress::parse(url)
            .map_err(|error| CommandError::Usage(format!("`{option}` {error}")))?;
        if CryptoProvider::get_default().is_none() {
            // This fails only if another provider has been installed already, which serves as well.
            let _ = ring::default_provider().install_default();
        }
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(CALL_SECONDS))
            .user_agent(concat!("gepa/", env!("CARGO_PKG_VERSION")));
        if address.is_loopback() {
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| CommandError::Backend(error.to_string()))?;
        let root = url.trim().trim_end_matches('/');
        let root = root.strip_suffix("/api").unwrap_or(root);
        let key = KEYS.iter().find_map(|name| environment.get(name));
        Ok(Self {
            client,
            base: format!("{root}/api"),
            key: key.map(ApiKey::new),
        })
    }

    /// The address to which paths are appended.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(in crate::command) async fn get(&self, path: &str) -> Result<Value, CommandError> {
        self.send(self.client.get(format!("{}{path}", self.base)))
            .await
    }

    pub(in crate::command) async fn post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Value, CommandError> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body))
            .await
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Value, CommandError> {
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, authorization(key)?);
        }
        let unreachable = |error: reqwest::Error| {
            let message = format!(
                "the backend {} does not answer: {}",
                self.base,
                innermost(&error)
            );
            CommandError::Unreachable(message)
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|_| {
                CommandError::Backend(format!(
                    "the answer of the backend {} is not JSON",
                    self.base
                ))
            });
        }
        // A backend may quote the request, which contains the key.
        let text = match &self.key {
            Some(key) => text.replace(key.reveal(), "[key]"),
            None => text,
        };
        let quoted: String = text.chars().take(QUOTED).collect();
        let message = format!("the backend {} answers {status}: {quoted}", self.base);
        Err(match status.as_u16() {
            401 | 403 => CommandError::Usage(format!("{message}; set {} to its key", KEYS[0])),
            400 | 404 | 409 | 413 | 422 => CommandError::Usage(message),
            429 | 500.. => CommandError::Unreachable(message),
            _ => CommandError::Backend(message),
        })
    }
}

fn authorization(key: &ApiKey) -> Result<HeaderValue, CommandError> {
    let mut header = HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| {
        CommandError::Usage(format!(
            "{} holds characters that a header cannot carry",
            KEYS[0]
        ))
    })?;
    header.set_sensitive(true);
    Ok(header)
}
