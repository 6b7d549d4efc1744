//! Errors as HTTP answers: a status, and a sentence that says what to do.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gepa_configs::ConfigError;
use gepa_engine::{BadRunId, RunError, StoreError};
use serde_json::{Map, Value, json};

use crate::events::TooManyStreams;
use crate::jobs::{CommandError, SubmitError};

/// The answer to a request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
    /// Further fields of the answer's JSON object.
    fields: Map<String, Value>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            fields: Map::new(),
        }
    }

    /// A submission that cannot be used, with a message for each key.
    pub(crate) fn unusable(message: impl Into<String>, problems: Vec<(String, String)>) -> Self {
        let problems: Vec<Value> = problems
            .into_iter()
            .map(|(key, message)| json!({"key": key, "message": message}))
            .collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message).with("problems", json!(problems))
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::UnknownRun(_) => StatusCode::NOT_FOUND,
            StoreError::Label(_) => StatusCode::UNPROCESSABLE_ENTITY,
            StoreError::Claimed { .. } | StoreError::Needed { .. } => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(%error, "store failed");
        }
        Self::new(status, error.to_string())
    }
}

impl From<BadRunId> for Failure {
    fn from(error: BadRunId) -> Self {
        Self::new(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let problems = error.problems.iter();
        let problems = problems.map(|located| {
            let problem = &located.problem;
            (problem.key.clone(), problem.message.clone())
        });
        Self::unusable(error.to_string(), problems.collect())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        match error {
            RunError::Store(error) => error.into(),
            RunError::BudgetTooSmall {
                limit,
                floor,
                seed,
                proposal,
                validation,
            } => Self::unusable(
                message.clone(),
                vec![("budget.max_rollouts".to_owned(), message)],
            )
            .with(
                "budget",
                json!({
                    "limit": limit, "floor": floor, "seed": seed, "proposal": proposal,
                    "validation": validation,
                }),
            ),
            RunError::Refused(_)
            | RunError::NoSuchIteration { .. }
            | RunError::OtherTask { .. } => Self::new(StatusCode::CONFLICT, message),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Config(error) => error.into(),
            SubmitError::Run(error) => error.into(),
            SubmitError::QueueFull(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string())
            }
            SubmitError::OtherApp(_) | SubmitError::Evaluation(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            SubmitError::Closing => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Store(error) => error.into(),
            other => Self::new(StatusCode::CONFLICT, other.to_string()),
        }
    }
}

impl From<TooManyStreams> for Failure {
    fn from(error: TooManyStreams) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("error".to_owned(), json!(self.message));
        // Clients of other frameworks read this field.
        body.insert("detail".to_owned(), json!(self.message));
        body.extend(self.fields);
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
