//! Writing `Retry-After`.

use std::time::{Duration, SystemTime};

use super::fault::RetryAfter;

/// The header, by name and value.
pub(super) fn retry_after_header(retry_after: &RetryAfter) -> (&'static str, String) {
    let value = match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::DateIn(seconds) => {
            httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(*seconds))
        }
    };
    ("retry-after", value)
}
