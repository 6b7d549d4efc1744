//! Texts brought into one form before they are compared or read.

use unicode_normalization::{UnicodeNormalization, is_nfc_quick};

use super::UnicodeForm;

/// A text as it is compared: in one Unicode form, and in lower case where case does not count. In every
/// form but [`UnicodeForm::None`] a space of any width is a space, also one at which no line may break,
/// a line ends with a line feed, and what cannot be seen does not count.
pub(super) fn comparable(text: &str, form: UnicodeForm, ignore_case: bool) -> String {
    if form != UnicodeForm::None && text.chars().any(|c| is_space_variant(c) || is_ignorable(c)) {
        let plain: String = text
            .chars()
            .filter(|c| !is_ignorable(*c))
            .map(|c| if is_space_variant(c) { ' ' } else { c })
            .collect();
        return comparable(&plain.replace("\r\n", "\n"), form, ignore_case);
    }
    if form != UnicodeForm::None && text.contains("\r\n") {
        return comparable(&text.replace("\r\n", "\n"), form, ignore_case);
    }
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
        // Letters whose upper case has another lower case.
        one_form
            .to_lowercase()
            .replace('\u{df}', "ss")
            .replace('\u{3c2}', "\u{3c3}")
    } else {
        one_form
    }
}

/// The text without white space and characters without width at both ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// The text without what does not count at its ends: with [`UnicodeForm::None`] white space alone.
pub(super) fn trimmed_in(text: &str, form: UnicodeForm) -> &str {
    match form {
        UnicodeForm::None => text.trim(),
        _ => trimmed(text),
    }
}

fn is_space_variant(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Invisible characters that carry no meaning; those that join or part letters do.
fn is_ignorable(c: char) -> bool {
    is_invisible(c) && !matches!(c, '\u{200c}' | '\u{200d}')
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

/// What follows `Answer:` in the last line that begins with it and goes on, or the next line where that is
/// short and has a digit.
pub(super) fn answer_line(text: &str) -> Option<&str> {
    let is_blank = |line: &str| !line.contains(char::is_alphanumeric);
    let mut below = None;
    for line in text.lines().rev() {
        if let Some(rest) = after_answer(line) {
            let found = Some(rest).filter(|rest| !is_blank(rest)).or(below);
            if found.is_some() {
                return found;
            }
        }
        if !is_blank(line) {
            below = Some(line).filter(|line| is_short_number(line));
        }
    }
    None
}

/// Whether a line below `Answer:` is no more than a number and what it is measured in.
fn is_short_number(line: &str) -> bool {
    const MOST_WORDS: usize = 3;
    line.contains(|c: char| c.is_ascii_digit()) && line.split_whitespace().count() <= MOST_WORDS
}

/// What stands behind `Answer:` at the beginning of a line.
fn after_answer(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let rest = ["the final answer", "final answer", "the answer", "answer"]
        .into_iter()
        .find_map(|name| {
            let head = line.get(..name.len())?;
            head.eq_ignore_ascii_case(name).then(|| &line[name.len()..])
        })?;
    let rest = rest.trim_start_matches([' ', '*', '_']);
    let rest = rest.strip_prefix("is").unwrap_or(rest);
    let rest = rest.trim_start_matches([' ', '*', '_']);
    rest.strip_prefix([':', '\u{ff1a}'])
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
