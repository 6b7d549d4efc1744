//! The words for a limit on the cost of a day that is used up.

use std::time::{Duration, SystemTime};

use gepa_evaluation::{MicroUsd, ModelErrorKind};
use gepa_limiter::UsedUp;
use jiff::Timestamp;

/// In every message that says so.
const MARK: &str = "`dollars_per_day` is used up";
const DAY_SECONDS: u64 = 86_400;

/// When calls go on, in seconds since the Unix epoch, where this message says that a limit on the cost of a day is used
/// up: at midnight in UTC. `None` for other messages. It is for workers of versions that send no more than the message;
/// others send the time ([`gepa_evaluation::Failure::goes_on_at`]).
pub fn end_of_day_in(message: &str) -> Option<u64> {
    message.contains(MARK).then(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        (now.as_secs() / DAY_SECONDS + 1) * DAY_SECONDS
    })
}

/// The kind of failure of a call that finds the day used up.
pub(super) fn kind(day: &UsedUp) -> ModelErrorKind {
    ModelErrorKind::DayUsedUp {
        goes_on_at: end_of(day),
    }
}

/// When the day is over, in seconds since the Unix epoch.
fn end_of(day: &UsedUp) -> u64 {
    (day.day + 1).saturating_mul(DAY_SECONDS)
}

/// The message for a call that finds the day used up.
pub(super) fn told(provider: &str, day: &UsedUp) -> String {
    let date = Timestamp::from_second(i64::try_from(end_of(day)).unwrap_or(i64::MAX));
    let date = date.map_or_else(
        |_| "midnight".to_owned(),
        |date| date.strftime("%Y-%m-%d 00:00").to_string(),
    );
    format!(
        "{MARK} for the key of provider `{provider}`: {} of {} are left, which is less than a call can cost; calls go \
         on at {date} UTC, in {}. Resume then, or raise `providers.{provider}.dollars_per_day` in all processes \
         that use the key",
        dollars(day.left),
        dollars(day.limit),
        hours(day.ends_in)
    )
}

fn dollars(micro_dollars: u64) -> String {
    format!("${:.4}", MicroUsd(micro_dollars).dollars())
}

fn hours(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_is_used_up_says_when_calls_go_on() {
        let day = UsedUp {
            limit: 40_000_000,
            left: 1_200,
            day: 20_784,
            ends_in: Duration::from_secs(7_081),
        };
        let said = told("openai", &day);
        assert!(
            said.contains("2026-11-28 00:00 UTC, in 1 h 59 min"),
            "{said}"
        );
        assert!(said.contains("$0.0012 of $40.0000"), "{said}");
        assert_eq!(end_of(&day), 20_785 * DAY_SECONDS);
        let next = end_of_day_in(&said).expect("it says that the day is used up");
        assert_eq!(next % DAY_SECONDS, 0);
        assert_eq!(end_of_day_in("the provider is down"), None);
    }
}
