//! Texts brought into one form before they are compared or read.

use unicode_normalization::{UnicodeNormalization, is_nfc_quick};

use super::UnicodeForm;

/// A text as it is compared: in one Unicode form, and in lower case where case does not count.
pub(super) fn comparable(text: &str, form: UnicodeForm, ignore_case: bool) -> String {
    let one_form = match form {
        UnicodeForm::None => text.to_owned(),
        UnicodeForm::Nfc
            if is_nfc_quick(text.chars()) == unicode_normalization::IsNormalized::Yes =>
        {
            text.to_owned()
        }
        UnicodeForm::Nfc => text.nfc().collect(),
        UnicodeForm::Nfkc => text.nfkc().collect(),
    };
    if ignore_case {
        one_form.to_lowercase()
    } else {
        one_form
    }
}

/// The text without white space and characters without width at both ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Invisible characters: marks of direction, joiners, byte order marks.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// The words of a text in lower case: runs of letters and digits; of scripts written without spaces
/// every character is a word.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.nfkc().flat_map(char::to_lowercase) {
        let alone = is_written_without_spaces(c);
        if (alone || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.to_string());
        } else if c.is_alphanumeric() {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn is_written_without_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2ffff}')
}

/// The marked final answer of a response: the content of the last `\boxed{..}`, else the text
/// after the last `####`, else the whole response.
pub(super) fn final_part(text: &str) -> &str {
    if let Some(content) = last_box(text) {
        return content;
    }
    match text.rsplit_once("####") {
        Some((_, end)) if !end.trim().is_empty() => end,
        _ => text,
    }
}

fn last_box(text: &str) -> Option<&str> {
    const BOX: &str = r"\boxed{";
    let start = text.rfind(BOX)? + BOX.len();
    let mut depth = 1_usize;
    for (at, c) in text[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let content = &text[start..start + at];
            return (!content.trim().is_empty()).then_some(content);
        }
    }
    None
}
