//! Reading `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3), and the millisecond variant
//! some providers send beside it.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// No provider means more than this, and adding it to a clock cannot overflow.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// How long the provider asks to be left alone, counted from `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|value| scaled(value, 1e-3)) {
        return Some(wait);
    }
    let value = text("retry-after")?;
    scaled(value, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(now).unwrap_or_default().min(LONGEST))
    })
}

fn scaled(value: &str, seconds_per_unit: f64) -> Option<Duration> {
    let seconds = value.parse::<f64>().ok()? * seconds_per_unit;
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn check(name: &'static str, value: &str, expected: Option<f64>) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let found = retry_after(&headers, now).map(|wait| wait.as_secs_f64());
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_understood() {
        check("retry-after", "7", Some(7.0));
        check("retry-after", "0.5", Some(0.5));
        check("retry-after-ms", "250", Some(0.25));
        check("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10.0));
        check("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT", Some(0.0));
        check("retry-after", "Sunday, 06-Nov-94 08:49:47 GMT", Some(10.0));
    }

    #[test]
    fn nonsense_is_ignored_and_eternity_is_capped() {
        for value in [
            "soon",
            "-1",
            "NaN",
            "",
            "Sun, 99 Nov 1994 08:49:47 GMT",
            "Sun, 06 Foo 1994",
        ] {
            check("retry-after", value, None);
        }
        check("retry-after", "1e300", Some(604_800.0));
        check("retry-after", "inf", Some(604_800.0));
        check(
            "retry-after",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            Some(604_800.0),
        );
    }
}
