//! The routes of ablations: begin one, see how far it is, cancel it.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::Value;

use super::source::{Source, of_caller, read};
use crate::ablation::{AblateError, AblateRequest};
use crate::access::Caller;
use crate::failure::Failure;
use crate::routes::query::PathParams;

impl From<AblateError> for Failure {
    fn from(error: AblateError) -> Self {
        let message = error.to_string();
        let status = match error {
            AblateError::Store(error) => return error.into(),
            AblateError::Full(_) => StatusCode::TOO_MANY_REQUESTS,
            AblateError::Closing => StatusCode::SERVICE_UNAVAILABLE,
            AblateError::Goes(_)
            | AblateError::GoesElsewhere(_)
            | AblateError::Busy(_)
            | AblateError::Idle(_)
            | AblateError::UnknownEvaluator { .. }
            | AblateError::OtherApp(_) => StatusCode::CONFLICT,
            AblateError::NoCandidate(_) => StatusCode::NOT_FOUND,
            AblateError::OverQuota { .. } | AblateError::Ablation(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::new(status, message)
    }
}

/// How the ablation of the run stands.
pub(super) async fn state(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let ablations = source.helm.ablations();
    let store = source.views.store();
    Ok(Json(ablations.state(&**store, &run.parse()?).await?))
}

/// Begins an ablation.
pub(super) async fn begin(
    State(source): State<Source>,
    Extension(caller): Extension<Caller>,
    PathParams(run): PathParams<String>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let run = of_caller(&source, &caller, "ablate", &run).await?;
    let request: AblateRequest = read(body).await?;
    let store = source.helm.writable().await?;
    let quotas = source.helm.quotas();
    let ablations = source.helm.ablations();
    let begun = ablations.begin(store, &run, request, &caller, &quotas);
    Ok((StatusCode::ACCEPTED, Json(begun.await?)))
}

/// Cancels the ablation of the run that goes on.
pub(super) async fn cancel(
    State(source): State<Source>,
    Extension(caller): Extension<Caller>,
    PathParams(run): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let run = of_caller(&source, &caller, "ablate", &run).await?;
    let ablations = source.helm.ablations();
    ablations.cancel(&run)?;
    let store = source.views.store();
    Ok(Json(ablations.state(&**store, &run).await?))
}
