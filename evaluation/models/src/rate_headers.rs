//! Reading what is left of a provider's limits from the headers of its replies, in the spellings of
//! OpenAI and those who follow it, of Anthropic, and of gateways that know one limit only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;

use super::retry_after::duration_in;
use gepa_limiter::{Allowance, Left};

/// A reset later than this number of seconds is ignored: it is a mistake or too late for a run.
const LONGEST: f64 = 7.0 * 86_400.0;

/// Numbers from here on are points in time, in seconds or milliseconds since 1970.
const FIRST_EPOCH_SECOND: f64 = 1e9;
const FIRST_EPOCH_MILLISECOND: f64 = 1e12;

/// What a reply says is left, counted from `now`.
pub(super) fn allowance(headers: &HeaderMap, now: SystemTime) -> Allowance {
    let openai = |what| left(headers, now, |field| format!("x-ratelimit-{field}-{what}"));
    let anthropic = |what| {
        left(headers, now, |field| {
            format!("anthropic-ratelimit-{what}-{field}")
        })
    };
    let only = || {
        left(headers, now, |field| format!("x-ratelimit-{field}"))
            .or_else(|| left(headers, now, |field| format!("ratelimit-{field}")))
    };
    Allowance {
        requests: openai("requests")
            .or_else(|| anthropic("requests"))
            .or_else(only),
        tokens: openai("tokens")
            .or_else(|| anthropic("tokens"))
            .or_else(|| anthropic("input-tokens")),
    }
}

fn left(
    headers: &HeaderMap,
    now: SystemTime,
    name: impl Fn(&'static str) -> String,
) -> Option<Left> {
    let text = |field| headers.get(name(field))?.to_str().ok().map(str::trim);
    let count = |field| {
        text(field)?
            .parse::<f64>()
            .ok()
            .filter(|count| *count >= 0.0)
    };
    Some(Left {
        limit: count("limit").map(|limit| limit as u64),
        remaining: count("remaining")? as u64,
        full_in: text("reset").and_then(|reset| time_until(reset, now)),
    })
}

/// A duration in words, a number of seconds, or a point in time.
fn time_until(reset: &str, now: SystemTime) -> Option<Duration> {
    if let Some(duration) = duration_in(reset) {
        return Some(duration);
    }
    let since_1970 = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let seconds = match reset.parse::<f64>() {
        Ok(number) if number >= FIRST_EPOCH_MILLISECOND => number / 1e3 - since_1970,
        Ok(number) if number >= FIRST_EPOCH_SECOND => number - since_1970,
        Ok(number) => number,
        Err(_) => {
            let at: jiff::Timestamp = reset.parse().ok()?;
            at.as_millisecond() as f64 / 1e3 - since_1970
        }
    };
    (0.0..=LONGEST)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Allowance {
        let headers = headers.iter().map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        allowance(&headers.collect(), now)
    }

    fn expected(limit: u64, remaining: u64, full_in: f64) -> Left {
        Left {
            limit: Some(limit),
            remaining,
            full_in: Some(Duration::from_secs_f64(full_in)),
        }
    }

    #[test]
    fn the_spelling_of_openai_is_read() {
        let found = read(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        assert_eq!(found.requests, Some(expected(60, 59, 1.0)));
        assert_eq!(found.tokens, Some(expected(150_000, 149_984, 360.0)));
    }

    #[test]
    fn the_spelling_of_anthropic_is_read() {
        let found = read(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:30Z"),
            ("anthropic-ratelimit-input-tokens-limit", "1000"),
            ("anthropic-ratelimit-input-tokens-remaining", "1000"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2027-01-15T08:00:00Z",
            ),
        ]);
        assert_eq!(found.requests, Some(expected(50, 0, 30.0)));
        assert_eq!(found.tokens, Some(expected(1_000, 1_000, 0.0)));
    }

    #[test]
    fn points_in_time_are_read_in_seconds_and_milliseconds() {
        for reset in ["1800000005", "1800000005000", "5"] {
            let found = read(&[
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "3"),
                ("x-ratelimit-reset", reset),
            ]);
            assert_eq!(found.requests, Some(expected(20, 3, 5.0)), "{reset}");
        }
    }

    #[test]
    fn nonsense_says_nothing() {
        assert_eq!(
            read(&[("x-ratelimit-remaining-requests", "many")]),
            Allowance::default()
        );
        let past = read(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1700000000"),
        ]);
        assert_eq!(past.requests.unwrap().full_in, None);
    }
}
