//! Reading `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3), and the millisecond variant
//! some providers send beside it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;

/// No provider means more than this, and adding it to a clock cannot overflow.
const LONGEST: Duration = Duration::from_hours(7 * 24);

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// How long the provider asks to be left alone, counted from `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|value| scaled(value, 1e-3)) {
        return Some(wait);
    }
    let value = text("retry-after")?;
    scaled(value, 1.0).or_else(|| {
        let date = UNIX_EPOCH + Duration::from_secs(http_date(value)?);
        Some(date.duration_since(now).unwrap_or_default().min(LONGEST))
    })
}

fn scaled(value: &str, seconds_per_unit: f64) -> Option<Duration> {
    let seconds = value.parse::<f64>().ok()? * seconds_per_unit;
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form senders may still generate.
fn http_date(text: &str) -> Option<u64> {
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let day: u64 = parts.next()?.parse().ok()?;
    let month_name = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month_name)? as u64 + 1;
    let year: u64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(str::parse::<u64>);
    let hour = clock.next()?.ok()?;
    let minute = clock.next()?.ok()?;
    let second = clock.next()?.ok()?;
    let is_sane = (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && hour < 24
        && minute < 60
        && second <= 60
        && parts.next() == Some("GMT");
    is_sane
        .then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days of the Gregorian calendar, counted in years that begin in March so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (march_year, months_since_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let days_before_month = (153 * months_since_march + 2) / 5;
    // 719 469 lies between 1 March of year 0 and 1 January 1970, less the day that `day` counts from.
    march_year * 365 + leap_days + days_before_month + day - 719_469
}

#[cfg(test)]
mod tests {
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
    fn dates_count_leap_years() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Mon, 23 Nov 2026 00:00:00 GMT", 1_795_392_000),
        ] {
            assert_eq!(http_date(date), Some(seconds), "{date}");
        }
    }
}
