//! Formats figures for people.

use gepa_engine::Timestamp;
use gepa_statistics::Estimate;

use crate::screen::shown;

/// The confidence of intervals that are shown.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// Larger scores are written with a power of ten.
const LONG_SCORE: f64 = 1e9;

/// A score with three digits after the point.
pub(crate) fn score(value: f64) -> String {
    if value.abs() < LONG_SCORE {
        format!("{value:.3}")
    } else {
        format!("{value:.3e}")
    }
}

/// A mean with its interval, method and number of values.
pub(crate) fn estimate(found: Estimate) -> String {
    if has_no_width(found) {
        let (mean, count) = (found.mean, found.count);
        return format!("{mean:.3}  all {count} scores are equal, which gives no interval");
    }
    with_interval(found, |value| format!("{value:.3}"))
}

/// Equal values say nothing about the spread of others.
#[expect(clippy::float_cmp, reason = "an interval has a width or has none")]
fn has_no_width(found: Estimate) -> bool {
    found.low == found.high
}

/// A difference, with its sign.
pub(crate) fn difference(found: Estimate) -> String {
    if has_no_width(found) {
        let (mean, count) = (found.mean, found.count);
        return format!("{mean:+.3}  equal on all {count} examples, which gives no interval");
    }
    with_interval(found, |value| format!("{value:+.3}"))
}

fn with_interval(found: Estimate, figure: impl Fn(f64) -> String) -> String {
    format!(
        "{}  [{}, {}] {} % ({}, n = {})",
        figure(found.mean),
        figure(found.low),
        figure(found.high),
        percent(found.confidence),
        found.method.as_str(),
        found.count
    )
}

/// A share in per cent, with as many digits as it needs and one after the point at most.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    text.trim_end_matches(".0").to_owned()
}

/// A count with spaces between groups of three digits.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of bytes, in units of 1024.
pub(crate) fn bytes(value: u64) -> String {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let mut units = units.iter().rev();
    match units.find(|(_, shift)| value >> shift > 0) {
        Some((unit, shift)) => format!("{:.1} {unit}", value as f64 / (1_u64 << shift) as f64),
        None => format!("{value} bytes"),
    }
}

/// Dollars with two digits after the point, or more for smaller amounts.
pub(crate) fn dollars(value: f64) -> String {
    if value == 0.0 || value >= 1.0 {
        format!("${:.2}", value.abs())
    } else {
        format!("${value:.4}")
    }
}

/// What calls cost, where `unpriced` of them have no known price: `$1.20`, `at least $1.20` or `unknown`.
pub(crate) fn cost(known: f64, unpriced: u64) -> String {
    match unpriced {
        0 => dollars(known),
        _ if known == 0.0 => "unknown".to_owned(),
        _ => format!("at least {}", dollars(known)),
    }
}

/// A length of time.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=59 => format!("{whole} s"),
        60..=3_599 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// A point in time, to the second, UTC.
pub(crate) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let to_the_second = text.split('.').next().unwrap_or(&text);
    format!("{} UTC", to_the_second.replace('T', " "))
}

/// Text on one line, cut at `limit` characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let flat = shown(&flat).into_owned();
    if flat.chars().count() <= limit {
        return flat;
    }
    let cut: String = flat.chars().take(limit.saturating_sub(3)).collect();
    format!("{cut}...")
}

/// Text with every line moved to the right.
pub(crate) fn indented(text: &str, by: &str) -> String {
    text.lines()
        .map(|line| format!("{by}{line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(score(-12.5), "-12.500");
        assert_eq!(score(1.7e308), "1.700e308");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(bytes(1_023), "1023 bytes");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
        assert_eq!(dollars(0.0), "$0.00");
        assert_eq!(dollars(0.012_34), "$0.0123");
        assert_eq!(dollars(-0.0), "$0.00");
        assert_eq!(cost(1.2, 0), "$1.20");
        assert_eq!(cost(1.2, 3), "at least $1.20");
        assert_eq!(cost(0.0, 3), "unknown");
        assert_eq!(duration(3.21), "3.2 s");
        assert_eq!(duration(125.0), "2 min 05 s");
        assert_eq!(duration(7_260.0), "2 h 01 min");
        assert_eq!(one_line("a\n  b  c", 20), "a b c");
        assert_eq!(one_line("abcdefghij", 6), "abc...");
        assert_eq!(time(Timestamp(0)), "1970-01-01 00:00:00 UTC");
    }
}
