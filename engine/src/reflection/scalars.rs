//! Scalars as text.

use serde_json::Value;

/// Scalars read as Python prints them, which is what prompts recorded with the reference hold.
pub(super) fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(string) => string.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other
            .as_f64()
            .filter(|_| other.is_f64())
            .map_or_else(|| other.to_string(), float_text),
    }
}

/// Removes the white space at both ends. Python counts the four ASCII separators as white space.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|one: char| one.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&one))
}

/// The fewest digits that read back as the same number, with an exponent below 1e-4 and from 1e16
/// on.
fn float_text(float: f64) -> String {
    let shortest = format!("{float:e}");
    let digits = shortest.chars().take_while(|one| *one != 'e');
    let decimals = digits
        .filter(char::is_ascii_digit)
        .count()
        .saturating_sub(1);
    // Of two shortest texts equally near, Python takes the even one, and so does rounding.
    let rounded = format!("{float:.decimals$e}");
    let Some((digits, exponent)) = rounded
        .split_once('e')
        .and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)))
    else {
        return rounded;
    };
    if (-4..16).contains(&exponent) {
        let places = (decimals as i32 - exponent).max(1) as usize;
        return format!("{float:.places$}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
