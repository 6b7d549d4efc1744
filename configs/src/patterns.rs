//! Regular expressions as the language of `texts.NAME.forbidden`.

use std::sync::Arc;

use gepa_evaluation::{PatternSyntax, TextPattern};
use regex::Regex;

/// Patterns are regular expressions of the crate `regex`, whose time grows with the length of the text alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegularExpressions;

#[derive(Debug)]
struct Expression(Regex);

impl PatternSyntax for RegularExpressions {
    fn read(&self, pattern: &str) -> Result<Arc<dyn TextPattern>, String> {
        let expression = Regex::new(pattern).map_err(|error| reason(&error))?;
        if expression.is_match("") {
            return Err(
                "it matches the empty text, so it would refuse every text; make a part of it required"
                    .to_owned(),
            );
        }
        Ok(Arc::new(Expression(expression)))
    }
}

impl TextPattern for Expression {
    fn first_match<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.0.find(text).map(|found| found.as_str())
    }
}

/// The last line of the library's message says what is wrong; those before it draw the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_cannot_be_read_says_why() {
        let error = |pattern| RegularExpressions.read(pattern).unwrap_err();
        assert_eq!(error("(a"), "unclosed group");
        assert!(error("a*").contains("empty text"));
        let pattern = RegularExpressions.read("(?i)as an ai").unwrap();
        assert_eq!(pattern.first_match("As an AI, I"), Some("As an AI"));
        assert_eq!(pattern.first_match("has an air"), Some("as an ai"));
        assert_eq!(pattern.first_match("none"), None);
    }
}
