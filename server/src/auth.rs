//! Checks that a request carries a key whose role allows it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use gepa_engine::record::RunRow;
use gepa_jobs::JobMark;

use crate::access::{Access, Caller, Role};
use crate::dashboard;
use crate::failure::Failure;

/// The only route beside the page itself that answers without a key.
const OPEN: &str = "/health";

/// Passes a request on with its caller. Answers 401 if its key is missing or wrong, and 403 if the key
/// is for reading only.
pub(crate) async fn check(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_open = path == OPEN || dashboard::is_shell(path);
    let Some(caller) = access.caller(presented(request.headers())) else {
        if is_open {
            return next.run(request).await;
        }
        let message = "the key is missing or wrong; send `Authorization: Bearer` with the server's GEPA_API_KEY, or with a \
             key of its keys file";
        return Failure::new(StatusCode::UNAUTHORIZED, message).into_response();
    };
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !reads && let Err(failure) = check_role(&caller, Role::Submit) {
        return failure.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Refuses a caller whose role does not suffice.
pub(crate) fn check_role(caller: &Caller, needed: Role) -> Result<(), Failure> {
    if caller.role >= needed {
        return Ok(());
    }
    let message = match needed {
        Role::Administer => "this needs a key with the role `administer`",
        _ => "this key is for reading; send one with the role `submit` or `administer`",
    };
    Err(Failure::new(StatusCode::FORBIDDEN, message))
}

/// Refuses a command for a job of another tenant.
pub(crate) fn check_tenant(caller: &Caller, run: &RunRow) -> Result<(), Failure> {
    let tenant = JobMark::of(run).map(|mark| mark.tenant).unwrap_or_default();
    if caller.role == Role::Administer || caller.tenant == tenant {
        return Ok(());
    }
    let message = "the job belongs to another tenant; send a key with the role `administer`";
    Err(Failure::new(StatusCode::FORBIDDEN, message))
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| key.trim().as_bytes());
    }
    headers.get("x-api-key").map(HeaderValue::as_bytes)
}
