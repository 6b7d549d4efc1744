//! What models and programs write in place of JSON, turned into JSON: Python's and JavaScript's
//! literals, comments, typographic marks.

use super::plain_text::is_invisible;

/// Deepest nesting that is followed.
const DEEPEST: usize = 100;
/// Longest string in single quotes and longest comment, in bytes. Their ends are guesses, so they are not
/// looked for without end.
const LONGEST_GUESS: usize = 1_000;

/// The text up to the brace that closes the first one, as strict JSON, and its length in bytes; `None` as
/// soon as something stands in it that has no meaning there. Read besides JSON are a comma before a
/// closing brace, `;` for a comma, comments, strings in single and typographic quotes, names without
/// quotes in objects, `True`, `None`, `NaN` and their relatives, and numbers such as `.5`, `+5` and
/// `007`, the last as a text.
pub(super) fn repaired(text: &str) -> Option<(String, usize)> {
    let mut repair = Repair {
        text,
        at: 0,
        json: String::new(),
        open: Vec::new(),
        is_after_value: false,
    };
    loop {
        repair.step()?;
        if repair.open.is_empty() {
            return Some((repair.json, repair.at));
        }
    }
}

struct Repair<'t> {
    text: &'t str,
    at: usize,
    json: String,
    /// The open braces and brackets.
    open: Vec<char>,
    /// Whether a value or a name was the last thing.
    is_after_value: bool,
}

impl<'t> Repair<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn step(&mut self) -> Option<()> {
        let c = self.rest().chars().next()?;
        match c {
            '{' | '[' => {
                self.begin_value()?;
                self.open.push(c);
                if self.open.len() > DEEPEST {
                    return None;
                }
                self.is_after_value = false;
                self.push(c, c);
            }
            '}' | ']' => {
                let end = self.json.trim_end().len();
                if self.json[..end].ends_with(',') {
                    self.json.truncate(end - 1);
                }
                self.open.pop()?;
                self.is_after_value = true;
                self.push(c, c);
            }
            ',' | '\u{ff0c}' | ';' => self.push_mark(c, ','),
            ':' | '\u{ff1a}' => self.push_mark(c, ':'),
            '"' | '\'' | '\u{201c}' | '\u{2018}' => self.string(c)?,
            '/' => self.comment()?,
            _ if c.is_whitespace() || is_invisible(c) => self.push(c, ' '),
            _ => self.word()?,
        }
        Some(())
    }

    /// Two values without a mark between them are no JSON.
    fn begin_value(&mut self) -> Option<()> {
        let follows = std::mem::replace(&mut self.is_after_value, true);
        (!follows).then_some(())
    }

    fn push(&mut self, read: char, written: char) {
        self.json.push(written);
        self.at += read.len_utf8();
    }

    fn push_mark(&mut self, read: char, written: char) {
        self.is_after_value = false;
        self.push(read, written);
    }

    fn comment(&mut self) -> Option<()> {
        let rest = self.rest();
        self.at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            beginning(rest).find("*/")? + 2
        } else {
            return None;
        };
        Some(())
    }

    fn string(&mut self, quote: char) -> Option<()> {
        self.begin_value()?;
        let inner = &self.rest()[quote.len_utf8()..];
        let (length, end) = match quote {
            '"' => end_of(inner, &['"'], |_| true)?,
            '\u{201c}' => end_of(inner, &['\u{201d}', '"'], |_| true)?,
            _ => {
                let closing = if quote == '\'' { '\'' } else { '\u{2019}' };
                end_of(beginning(inner), &[closing], ends_string)?
            }
        };
        self.json.push('"');
        push_content(&mut self.json, &inner[..length]);
        self.json.push('"');
        self.at += quote.len_utf8() + end;
        Some(())
    }

    fn word(&mut self) -> Option<()> {
        let rest = self.rest();
        let is_in_object = self.open.last() == Some(&'{');
        let belongs = |c: char| {
            c.is_alphanumeric()
                || matches!(c, '-' | '+' | '.' | '_' | '$')
                || (is_in_object && matches!(c, '/' | '%'))
        };
        let length = rest.find(|c: char| !belongs(c)).unwrap_or(rest.len());
        let word = &rest[..length];
        let is_value = self.json.trim_end().ends_with(':');
        let is_name = rest[length..].trim_start().starts_with([':', '\u{ff1a}']);
        self.begin_value()?;
        self.at += length;
        if is_name && is_in_object && !is_value {
            self.json.push('"');
            push_content(&mut self.json, word);
            self.json.push('"');
            return (!word.is_empty()).then_some(());
        }
        if let Some(literal) = literal(word) {
            self.json.push_str(&literal);
            return Some(());
        }
        // In a list a word without quotes may be anything, such as a source in brackets.
        let is_text = is_in_object && is_value && !word.is_empty();
        self.json.push('"');
        push_content(&mut self.json, word);
        self.json.push('"');
        is_text.then_some(())
    }
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_GUESS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The JSON of a literal; `None` where a word is none.
fn literal(word: &str) -> Option<String> {
    let same = match word {
        "true" | "True" | "TRUE" => "true",
        "false" | "False" | "FALSE" => "false",
        "null" | "None" | "NULL" | "undefined" | "NaN" | "nan" | "Infinity" | "-Infinity"
        | "inf" | "-inf" => "null",
        _ => return number(word),
    };
    Some(same.to_owned())
}

fn number(word: &str) -> Option<String> {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let sign = if word.starts_with('-') { "-" } else { "" };
    let mut digits = unsigned.to_owned();
    if digits.starts_with('.') {
        digits.insert(0, '0');
    }
    if digits.ends_with('.') {
        digits.push('0');
    }
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit());
    let number = format!("{sign}{digits}");
    let is_json = is_plain && serde_json::from_str::<&serde_json::value::RawValue>(&number).is_ok();
    is_json.then_some(number)
}

/// The length of a string's content, and where what follows its closing quote begins.
fn end_of(
    inner: &str,
    closing: &[char],
    may_follow: impl Fn(&str) -> bool,
) -> Option<(usize, usize)> {
    let mut is_escaped = false;
    for (at, c) in inner.char_indices() {
        let after = at + c.len_utf8();
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if closing.contains(&c) && may_follow(&inner[after..]) => return Some((at, after)),
            _ => {}
        }
    }
    None
}

/// Whether a single quote ends a string, and is no apostrophe: a mark of JSON follows.
fn ends_string(after: &str) -> bool {
    after
        .trim_start()
        .starts_with([',', ':', '}', ']', ';', '\u{ff0c}', '\u{ff1a}'])
}

/// The content of a string with its escapes as JSON has them.
fn push_content(json: &mut String, content: &str) {
    let mut characters = content.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some(escape @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                    json.push('\\');
                    json.push(escape);
                }
                // A formula's command keeps its mark.
                Some(letter) if letter.is_alphanumeric() => {
                    json.push_str("\\\\");
                    json.push(letter);
                }
                Some(other) => json.push(other),
                None => json.push_str("\\\\"),
            },
            '"' => json.push_str("\\\""),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            _ if c.is_control() => {}
            _ => json.push(c),
        }
    }
}
