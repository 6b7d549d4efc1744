//! JSON in a model's answer: alone, in fences, or in the middle of prose.

use indexmap::IndexMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json_repair::repaired;

/// A JSON object or array in a text.
#[derive(Debug)]
pub(super) struct Document {
    /// Its text, which is strict JSON with the numbers as they were written.
    pub(super) json: String,
    /// Where it begins in the text around it, in bytes.
    pub(super) start: usize,
    /// Its length in the text around it, in bytes.
    pub(super) length: usize,
}

/// Every JSON object and array of a text that is not inside another one, in order. Also reads what
/// models write in place of JSON, see [`repaired`], and JSON that is quoted as one string.
pub(super) fn documents_in(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '[']) {
        let start = at + found;
        at = start + 1;
        if let Some((json, length)) = document_at(&text[start..]) {
            at = start + length;
            documents.push(Document {
                json,
                start,
                length,
            });
        }
    }
    if documents.is_empty()
        && let Ok(inner) = serde_json::from_str::<String>(text.trim())
    {
        return documents_in(&inner);
    }
    documents
}

/// A field's text in a document: a string as it is, anything else as its JSON.
pub(super) fn field_text(json: &str, path: &str) -> Option<String> {
    let field = field_in(json, path)?;
    if field.starts_with('"') {
        return serde_json::from_str(field).ok();
    }
    Some(field.to_owned())
}

/// The JSON of a field in a document, by names and list positions joined by dots.
pub(super) fn field_in<'j>(json: &'j str, path: &str) -> Option<&'j str> {
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
    Some(json)
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

/// A JSON array of texts, numbers and truth values without spaces; `None` for anything else.
pub(super) fn compact_list(json: &str) -> Option<String> {
    scalar_list(json)?;
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let items = items.iter().map(|item| {
        let text: Option<String> = serde_json::from_str(item.get()).ok();
        text.map_or_else(
            || Some(item.get().to_owned()),
            |text| serde_json::to_string(&text).ok(),
        )
    });
    let items: Option<Vec<String>> = items.collect();
    Some(format!("[{}]", items?.join(",")))
}

/// The document a text begins with and its length.
fn document_at(text: &str) -> Option<(String, usize)> {
    let (json, length) = repaired(text)?;
    // Reading it whole also says whether it is one.
    serde_json::from_str::<Value>(&json).ok()?;
    Some((json, length))
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
            "{'label': 'pos', 'why': 'it isn\\'t neg'}",
            "{'label': 'pos', 'why': 'it isn't neg'}",
            "{label: \"pos\"}",
            "{label: pos}",
            "{\"label\": \"pos\" // sure\n}",
            "{\"label\": \"pos\" /* sure */}",
            "{\u{201c}label\u{201d}: \u{201c}pos\u{201d}}",
            "{\"label\":\u{a0}\"pos\"}",
            "{\"label\"\u{ff1a}\"pos\"\u{ff0c}}",
            "{\"a\": 1., \"b\": +5, \"c\": .5, \"label\": \"pos\"}",
            "{\"a\": \"x\\_y\", \"label\": \"pos\"}",
            "{\"a\": undefined, \"label\": \"pos\"; }",
            "{\"url\": \"http://x\", \"label\": \"pos\"}",
            "\"{\\\"label\\\": \\\"pos\\\"}\"",
        ] {
            let found: Vec<String> = documents_in(text)
                .iter()
                .filter_map(|document| field_text(&document.json, "label"))
                .collect();
            assert_eq!(found, ["pos"], "{text}");
        }
    }

    #[test]
    fn what_looks_like_json_and_means_something_else_is_none() {
        for text in [
            "The set {a, b}",
            "[Smith, 2020]",
            "[x]",
            "{a b: 1}",
            "{'a', 'b'}",
        ] {
            assert!(documents_in(text).is_empty(), "{text}");
        }
        let text = |json: &str| field_text(&documents_in(json)[0].json, "x");
        assert_eq!(text("{\"x\": 02139}").as_deref(), Some("02139"));
        assert_eq!(text("{x: 4/5}").as_deref(), Some("4/5"));
        assert_eq!(text(r#"{"x": "\alpha"}"#).as_deref(), Some("\\alpha"));
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
        assert!(documents_in(&"{'".repeat(5_000)).is_empty());
        assert!(documents_in(&"{a:".repeat(5_000)).is_empty());
        assert!(documents_in(&"{/*".repeat(5_000)).is_empty());
    }
}
