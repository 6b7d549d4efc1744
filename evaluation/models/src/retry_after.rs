//! Reads the pause that a provider requests: `Retry-After` as seconds or an HTTP date (RFC
//! 9110, 10.2.3), its variant in milliseconds, and pauses in words.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// Longer pauses are shortened to this. No provider means more, and no clock overflows by it.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The pause that the provider requests, counted from `now`.
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

/// The pause in a sentence such as `Please try again in 1m5.5s.`
pub(super) fn pause_in_words(text: &str) -> Option<Duration> {
    const BEFORE: [&str; 4] = ["again in ", "retry in ", "retry after ", "again after "];
    let lower = text.to_ascii_lowercase();
    BEFORE.iter().find_map(|words| {
        let at = lower.find(words)? + words.len();
        duration_in(&lower[at..])
    })
}

/// The duration at the beginning of a text: `5.5s`, `1h30m0s`, `350ms`, `20 seconds`.
pub(super) fn duration_in(text: &str) -> Option<Duration> {
    let mut rest = text.trim_start();
    let mut seconds = None;
    loop {
        let of_number = |c: char| c.is_ascii_digit() || c == '.';
        let digits = rest.len() - rest.trim_start_matches(of_number).len();
        let Ok(number) = rest[..digits].parse::<f64>() else {
            break;
        };
        let after = rest[digits..].trim_start();
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let Some(unit) = unit(&after[..letters]) else {
            break;
        };
        seconds = Some(seconds.unwrap_or(0.0) + number * unit);
        rest = &after[letters..];
    }
    let seconds: f64 = seconds?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

/// Seconds in a unit of time.
fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
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

    #[test]
    fn durations_in_words_are_understood() {
        for (text, seconds) in [
            ("5.5s", Some(5.5)),
            ("1h30m0s.", Some(5_400.0)),
            ("350ms", Some(0.35)),
            ("20 seconds and more", Some(20.0)),
            ("2 minutes", Some(120.0)),
            ("1d", Some(86_400.0)),
            ("99999d", Some(604_800.0)),
            ("6", None),
            ("soon", None),
            ("1.2.3s", None),
            ("", None),
        ] {
            let found = duration_in(text).map(|pause| pause.as_secs_f64());
            assert_eq!(found, seconds, "{text}");
        }
        let pause = pause_in_words("Limit reached. Please retry after 26 seconds.");
        assert_eq!(pause, Some(Duration::from_secs(26)));
        assert_eq!(
            pause_in_words("\u{130} try again in 1s"),
            Some(Duration::from_secs(1))
        );
    }
}
