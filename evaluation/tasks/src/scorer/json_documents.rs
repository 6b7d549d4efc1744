//! JSON in a model's answer: alone, in fences, or in the middle of prose.

use indexmap::IndexMap;
use serde_json::Value;
use serde_json::value::RawValue;

/// Deepest nesting that is followed.
const DEEPEST: usize = 100;

/// A JSON object or array in a text.
#[derive(Debug)]
pub(super) struct Document {
    /// Its text, which is strict JSON with the numbers as they were written.
    pub(super) json: String,
    /// Where it begins in the text around it, in bytes.
    pub(super) start: usize,
}

/// Every JSON object and array of a text that is not inside another one, in order. Also reads
/// common deviations from JSON: a comma before a closing brace, `NaN` and `Infinity` (as null),
/// `True`, `False` and `None`.
pub(super) fn documents_in(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '[']) {
        let start = at + found;
        at = start + 1;
        if let Some((json, length)) = document_at(&text[start..]) {
            documents.push(Document { json, start });
            at = start + length;
        }
    }
    documents
}

/// A field's text in a document, by names and list positions joined by dots: a string as it is,
/// anything else as its JSON.
pub(super) fn field_text(json: &str, path: &str) -> Option<String> {
    let mut json = json;
    for step in path.split('.') {
        json = match json.trim_start().as_bytes().first()? {
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                items.get(step.parse::<usize>().ok()?)?.get()
            }
            b'{' => {
                let fields: IndexMap<String, &RawValue> = serde_json::from_str(json).ok()?;
                fields.get(step)?.get()
            }
            _ => return None,
        };
    }
    if json.starts_with('"') {
        return serde_json::from_str(json).ok();
    }
    Some(json.to_owned())
}

/// The texts of a JSON array of strings, numbers and booleans; `None` for anything else, and for an
/// array that is empty or holds something else.
pub(super) fn scalar_list(json: &str) -> Option<Vec<String>> {
    if !json.trim_start().starts_with('[') {
        return None;
    }
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let texts = items
        .iter()
        .map(|item| match item.get().as_bytes().first()? {
            b'"' => serde_json::from_str(item.get()).ok(),
            b'{' | b'[' | b'n' => None,
            _ => Some(item.get().to_owned()),
        });
    let texts: Option<Vec<String>> = texts.collect();
    texts.filter(|texts| !texts.is_empty())
}

/// The document a text begins with and its length.
fn document_at(text: &str) -> Option<(String, usize)> {
    let (json, length) = repaired(text)?;
    // Reading it whole also says whether it is one.
    serde_json::from_str::<Value>(&json).ok()?;
    Some((json, length))
}

/// The text up to the brace that closes the first one, as strict JSON; `None` as soon as something
/// stands in it that JSON does not have.
fn repaired(text: &str) -> Option<(String, usize)> {
    let mut json = String::new();
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        let c = rest.chars().next()?;
        let length = match c {
            '{' | '[' => {
                depth += 1;
                if depth > DEEPEST {
                    return None;
                }
                json.push(c);
                1
            }
            '}' | ']' => {
                depth -= 1;
                let end = json.trim_end().len();
                if json[..end].ends_with(',') {
                    json.truncate(end - 1);
                }
                json.push(c);
                if depth == 0 {
                    return Some((json, text.len() - rest.len() + 1));
                }
                1
            }
            '"' => {
                let length = string_length(rest)?;
                push_string(&mut json, &rest[..length]);
                length
            }
            ',' | ':' | ' ' | '\n' | '\r' | '\t' => {
                json.push(c);
                1
            }
            _ => {
                let length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.'))
                    .unwrap_or(rest.len());
                json.push_str(strict_word(&rest[..length])?);
                length
            }
        };
        rest = &rest[length..];
    }
}

fn strict_word(word: &str) -> Option<&str> {
    match word {
        "" => None,
        "true" | "True" => Some("true"),
        "false" | "False" => Some("false"),
        "null" | "None" | "NaN" | "nan" | "Infinity" | "-Infinity" | "inf" => Some("null"),
        number => number
            .starts_with(|c: char| c.is_ascii_digit() || c == '-')
            .then_some(number),
    }
}

fn string_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Line ends inside strings, which JSON wants escaped.
fn push_string(json: &mut String, string: &str) {
    for c in string.chars() {
        match c {
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            _ => json.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_among_other_braces() {
        for text in [
            "The set {a, b} matters.\n{\"label\": \"pos\"}",
            "{\"label\": \"pos\"}\nNote: {x} is ignored.",
            "Using {a}:\n```json\n{\"label\": \"pos\"}\n```\nthat is {b}.",
            "[1] As the source says: {\"label\": \"pos\"}",
            "{\"label\": \"pos\",}",
            "{\"label\": \"pos\", \"p\": NaN, \"q\": [1, -Infinity,],}",
            "{\"label\": \"pos\", \"ok\": True}",
            "a brace in a string: {\"x\": \"}\", \"label\": \"pos\"}",
            "{ open {\"label\": \"pos\"}",
        ] {
            let found: Vec<String> = documents_in(text)
                .iter()
                .filter_map(|document| field_text(&document.json, "label"))
                .collect();
            assert_eq!(found, ["pos"], "{text}");
        }
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        let documents =
            documents_in("{\"a\": [1, {\"b\": 3.10}], \"c\": 1267650600228229401496703205376}");
        let json = &documents[0].json;
        assert_eq!(field_text(json, "a.1.b").as_deref(), Some("3.10"));
        assert_eq!(
            field_text(json, "c").as_deref(),
            Some("1267650600228229401496703205376")
        );
        assert_eq!(field_text(json, "a.x"), None);
    }

    #[test]
    fn braces_that_never_close_cost_no_more_than_their_number() {
        assert!(documents_in(&"[1,".repeat(20_000)).is_empty());
        assert!(documents_in(&"{\"".repeat(20_000)).is_empty());
    }
}
