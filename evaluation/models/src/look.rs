//! One look at a provider that costs nothing: whether it is there, takes the key and knows the model.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use super::attempt::{complaint, sending_failed};
use super::chat::ChatModel;
use super::dialect::Dialect;
use super::fault::AttemptFault;
use gepa_evaluation::{ModelError, ModelErrorKind, Usage};

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest list of models that is read, in bytes.
const LARGEST_LIST: usize = 8 * 1024 * 1024;

/// What a look at a provider showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It lists its models.
    Lists {
        /// Whether a key was sent with the request.
        has_key: bool,
        /// Whether the model is in the list; `None` where the list is not read to its end, or names
        /// something else than what calls name.
        has_model: Option<bool>,
    },
    /// It answers, but does not list its models: only a call can show whether it takes the key.
    Answers {
        /// The status of its answer.
        status: u16,
    },
}

impl ChatModel {
    /// The address that a [`look`](Self::look) reads.
    pub fn address_of_models(&self) -> String {
        format!("{}{}", self.endpoint.base_url, self.endpoint.list_path())
    }

    /// Asks the provider once for the list of its models, which no provider charges for. Fails with the
    /// message that a call would fail with where the provider is not reached, refuses the key, or is
    /// out of order.
    pub async fn look(&self) -> Result<Sight, ModelError> {
        let address = self.address_of_models();
        let to = self.addressee();
        let request = self
            .client
            .get(&address)
            .headers(self.endpoint.headers_of_get());
        let response = match timeout(PATIENCE, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failed(sending_failed(to, error))),
            Err(_) => return Err(failed(AttemptFault::timeout(to, "answer", PATIENCE))),
        };
        let status = response.status().as_u16();
        if response.status().is_success() {
            let list = timeout(PATIENCE, list_of(response)).await.ok().flatten();
            let Some(list) = list else {
                return Ok(Sight::Answers { status });
            };
            let names_calls = self.endpoint.dialect != Dialect::Azure;
            return Ok(Sight::Lists {
                has_key: self.endpoint.key.is_some(),
                has_model: names_calls
                    .then(|| has_model(&list, &self.settings.model))
                    .flatten(),
            });
        }
        let fault = complaint(to, response).await;
        let is_final = status == 401
            || status >= 500
            || matches!(
                fault.kind,
                ModelErrorKind::Account | ModelErrorKind::Unreachable
            )
            || (status == 400 && fault.message.to_ascii_lowercase().contains("api key"));
        if is_final && self.endpoint.key_can_be_shown() {
            return Err(failed(fault));
        }
        // A key may be allowed to call models and not to list them.
        Ok(Sight::Answers { status })
    }
}

fn failed(fault: AttemptFault) -> ModelError {
    ModelError {
        kind: fault.kind,
        message: fault.message,
        usage: Usage::default(),
    }
}

async fn list_of(mut response: Response) -> Option<Value> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_LIST {
            return None;
        }
    }
    let list: Value = serde_json::from_slice(&body).ok()?;
    models_of(&list).is_some().then_some(list)
}

fn models_of(list: &Value) -> Option<&Vec<Value>> {
    ["data", "models"]
        .iter()
        .find_map(|field| list.get(field)?.as_array())
        .or_else(|| list.as_array())
}

fn has_model(list: &Value, model: &str) -> Option<bool> {
    let goes_on = list.get("has_more").and_then(Value::as_bool) == Some(true)
        || list.get("nextPageToken").is_some_and(Value::is_string);
    let is_named = models_of(list)?.iter().any(|item| {
        let names = ["id", "name", "model"].iter();
        let mut names = names.filter_map(|field| item.get(field)?.as_str());
        names.any(|name| name == model || name.strip_prefix("models/") == Some(model))
    });
    (is_named || !goes_on).then_some(is_named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_found_in_the_lists_of_every_dialect() {
        for list in [
            json!({"object": "list", "data": [{"id": "other"}, {"id": "m"}]}),
            json!({"models": [{"name": "models/m"}], "nextPageToken": "x"}),
            json!({"data": [{"type": "model", "id": "m"}], "has_more": true}),
            json!([{"id": "m"}]),
        ] {
            assert_eq!(has_model(&list, "m"), Some(true), "{list}");
        }
        assert_eq!(
            has_model(&json!({"data": [{"id": "other"}]}), "m"),
            Some(false)
        );
        let first_page = json!({"data": [{"id": "other"}], "has_more": true});
        assert_eq!(has_model(&first_page, "m"), None);
    }
}
