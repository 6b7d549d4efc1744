//! Keys that cannot leak by accident.

use std::fmt;

use reqwest::header::HeaderValue;

/// The key of a provider or a task app. Compares and orders by content, prints as a placeholder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key with this text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for sending the key to its provider or task app.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The `Authorization` header, marked sensitive; `None` where no header can carry the key.
    pub fn bearer(&self) -> Option<HeaderValue> {
        sensitive(&format!("Bearer {}", self.0))
    }

    /// The key alone as a header, marked sensitive; `None` where no header can carry it.
    pub fn plain(&self) -> Option<HeaderValue> {
        sensitive(&self.0)
    }

    /// `text` without the key in it, also where it is escaped for an address, HTML or JSON, or written
    /// in other cases.
    pub fn scrubbed(&self, text: &str) -> String {
        without(text, &self.0)
    }

    /// `text` without the key and without its first `length` characters, which some servers quote.
    pub fn scrubbed_with_start(&self, text: &str, length: usize) -> String {
        let scrubbed = self.scrubbed(text);
        match self.0.char_indices().nth(length) {
            Some((end, _)) => without(&scrubbed, &self.0[..end]),
            None => scrubbed,
        }
    }
}

/// What stands in place of a key.
const PLACEHOLDER: &str = "[key]";

/// Shortest key that is looked for in its escaped forms, in bytes. A shorter one may be a part of a word.
const SHORTEST_ESCAPED: usize = 8;

fn without(text: &str, key: &str) -> String {
    if key.is_empty() {
        return text.to_owned();
    }
    let text = text.replace(key, PLACEHOLDER);
    if key.len() < SHORTEST_ESCAPED {
        return text;
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if let Some(length) = length_of(key, rest) {
            cleaned.push_str(PLACEHOLDER);
            length
        } else {
            cleaned.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    cleaned
}

/// The length of the key at the beginning of a text, where it stands there.
fn length_of(key: &str, text: &str) -> Option<usize> {
    // A sign such as `%` may stand for itself or begin an escape, so several readings are followed.
    let mut ends = vec![0];
    for character in key.chars() {
        let mut next: Vec<usize> = Vec::new();
        for at in ends {
            for (read, length) in readings(&text[at..]) {
                let end = at + length;
                if read.eq_ignore_ascii_case(&character) && !next.contains(&end) {
                    next.push(end);
                }
            }
        }
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.into_iter().max()
}

/// The characters that a text can begin with, and how long each is there: as it stands, `%2F`, `&#47;`,
/// `&#x2F;`, `&amp;`, `\u002f`, `\/`.
fn readings(text: &str) -> impl Iterator<Item = (char, usize)> {
    let plain = text.chars().next().map(|first| (first, first.len_utf8()));
    let escaped = match plain {
        Some(('%', _)) => hexadecimal(text.get(1..3)).map(|read| (read, 3)),
        Some(('&', _)) => entity(text),
        Some(('\\', _)) => match text[1..].chars().next() {
            Some('u' | 'U') => hexadecimal(text.get(2..6)).map(|read| (read, 6)),
            other => other.map(|read| (read, 1 + read.len_utf8())),
        },
        _ => None,
    };
    plain.into_iter().chain(escaped)
}

fn hexadecimal(digits: Option<&str>) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits?, 16).ok()?)
}

/// An HTML entity.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(10).position(|byte| byte == b';')?;
    let name = text[1..end].to_ascii_lowercase();
    let read = match name.as_str() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => match name.strip_prefix("#x") {
            Some(digits) => hexadecimal(Some(digits))?,
            None => char::from_u32(name.strip_prefix('#')?.parse().ok()?)?,
        },
    };
    Some((read, end + 1))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_form_that_a_server_echoes() {
        let key = ApiKey::new("sk-TOP/abc+def=01&<x>");
        for echoed in [
            "sk-TOP/abc+def=01&<x>",
            "sk-TOP%2Fabc%2Bdef%3D01%26%3Cx%3E",
            "sk-TOP%2fabc%2bdef%3d01%26%3cx%3e",
            "sk-TOP/abc+def=01&amp;&lt;x&gt;",
            "sk-TOP&#x2F;abc&#43;def&#61;01&#38;&#60;x&#62;",
            "SK-TOP/ABC+DEF=01&<X>",
            r"sk-TOP\/abc+def=01\u0026\u003cx\u003e",
        ] {
            assert_eq!(
                key.scrubbed(&format!("Incorrect key {echoed}. \u{e9}")),
                "Incorrect key [key]. \u{e9}"
            );
        }
        let other = "sk-TOP/abc+def=01&<y> 100% &c &#x2F; \\";
        assert_eq!(key.scrubbed(other), other);
        assert_eq!(ApiKey::new("100%2Fab").scrubbed("100%2fab"), "[key]");
        assert_eq!(ApiKey::new("x").scrubbed("X x"), "X [key]");
        assert_eq!(ApiKey::new("").scrubbed("a"), "a");
        assert_eq!(
            key.scrubbed_with_start("key sk-TOP%2Fab***", 9),
            "key [key]***"
        );
    }
}
