//! Writing `Retry-After`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::fault::RetryAfter;

/// The header, by name and value.
pub(super) fn retry_after_header(retry_after: &RetryAfter) -> (&'static str, String) {
    let value = match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::DateIn(seconds) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            http_date(now.as_secs() + seconds)
        }
    };
    ("retry-after", value)
}

/// A date as HTTP writes it, from seconds since 1970.
fn http_date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    let mut day = days;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month_name = "Dec";
    for (name, length) in MONTHS {
        let length = length + u64::from(name == "Feb" && is_leap(year));
        if day < length {
            month_name = name;
            break;
        }
        day -= length;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!(
        "{weekday}, {:02} {month_name} {year} {hour:02}:{minute:02}:{second:02} GMT",
        day + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_writes_them() {
        for (seconds, date) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_798_675_200, "Thu, 31 Dec 2026 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(seconds), date);
        }
    }
}
