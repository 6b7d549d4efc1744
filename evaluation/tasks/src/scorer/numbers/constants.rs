//! Roots and multiples of π, worked out.

use regex::{Captures, Regex};

/// The mark of a root.
pub(super) const ROOT: char = '\u{221a}';
/// The number of the circle.
pub(super) const PI: char = '\u{3c0}';

/// Finds products of a number, roots and π.
#[derive(Debug)]
pub(super) struct Constants {
    product: Regex,
    root: Regex,
}

impl Constants {
    pub(super) fn new() -> Self {
        let compiled = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        Self {
            product: compiled(
                r"([0-9]+(?:\.[0-9]+)?)?\s*((?:√\s*\(?\s*[0-9]+(?:\.[0-9]+)?\s*\)?\s*|π)+)(\s*/|\p{L})?",
            ),
            root: compiled(r"√\s*\(?\s*([0-9]+(?:\.[0-9]+)?)"),
        }
    }

    /// The text with decimals in place of such products. A π alone is one where the text has no other
    /// number, since it may only say what another one is measured in.
    pub(super) fn worked_out(&self, text: &str) -> String {
        if !text.contains([ROOT, PI]) {
            return text.to_owned();
        }
        let has_digits = text.contains(|c: char| c.is_ascii_digit());
        self.product
            .replace_all(text, |found: &Captures<'_>| {
                let part = |group: usize| found.get(group).map_or("", |text| text.as_str());
                let (whole, factor, after) = (part(0), part(1), part(3));
                let has_letter = after.starts_with(char::is_alphabetic);
                let is_alone = factor.is_empty() && part(2).trim() == "π" && after.is_empty();
                if has_letter || (is_alone && has_digits) {
                    return whole.to_owned();
                }
                let roots = self.root.captures_iter(part(2));
                let roots = roots.filter_map(|root| root[1].parse::<f64>().ok());
                let roots: f64 = roots.map(f64::sqrt).product();
                let circles = part(2).matches(PI).count();
                let factor: f64 = factor.parse().unwrap_or(1.0);
                let value = factor * roots * std::f64::consts::PI.powi(circles as i32);
                // What was glued to a letter or a sign stays so.
                format!("{value}{after}")
            })
            .into_owned()
    }
}
