//! Replaces `${NAME}` in values by the variable's value.

use gepa_models::Environment;

/// Replaces every `${NAME}` by the variable's value, in one pass. The error text is meant to follow
/// the key's name and never quotes a value.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_variable(rest) {
        let Some(value) = environment.get(name) else {
            return Err(format!(
                "needs the variable {name}, which is not set; set it in the environment, in .env, or in \
                 the file `env_file_path` names"
            ));
        };
        expanded.push_str(before);
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The variable's name if the whole text is `${NAME}`.
pub(super) fn sole_variable(text: &str) -> Option<&str> {
    match next_variable(text.trim())? {
        ("", name, "") => Some(name),
        _ => None,
    }
}

/// Whether the text contains a `${NAME}`.
pub(super) fn names_variable(text: &str) -> bool {
    next_variable(text).is_some()
}

fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| at + from) {
        let inside = &text[at + 2..];
        let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        if end > 0 && inside[end..].starts_with('}') {
            return Some((&text[..at], &inside[..end], &inside[end + 1..]));
        }
        from = at + 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once_and_other_braces_stay() {
        let environment = Environment::of([("A", "${B}"), ("B", "two")]);
        let check =
            |text, expected: &str| assert_eq!(expand(text, &environment).unwrap(), expected);
        check("${A} and ${B}", "${B} and two");
        check("$A ${ ${} {B} ${B", "$A ${ ${} {B} ${B");
        check("", "");
        assert!(
            expand("x${MISSING}", &environment)
                .unwrap_err()
                .contains("MISSING")
        );
        assert_eq!(sole_variable(" ${A} "), Some("A"));
        assert_eq!(sole_variable("Bearer ${A}"), None);
    }
}
