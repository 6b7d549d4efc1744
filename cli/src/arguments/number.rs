//! Numbers of options.

/// A finite number. `NaN` would make every comparison with it false, and so turn a limit off.
pub(super) fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("it must be a finite number".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
