//! The items of a text, as people and models write lists.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::json_documents::{documents_in, scalar_list};
use super::plain_text::trimmed;

/// Longest words before a list in the same line, such as `The labels are:`, in bytes.
const LONGEST_LEAD: usize = 60;
/// Longest part of a line that is parted at `and`, in bytes.
const LONGEST_PARTED: usize = 1_000;
/// What items in one line stand between, the strongest first.
const SEPARATORS: [&[char]; 4] = [
    &[';', '\u{ff1b}'],
    &[',', '\u{ff0c}', '\u{3001}'],
    &['|'],
    &['>', '\u{2192}', '\u{227b}'],
];
/// Words between the last two items of a line.
const JOINING: [&str; 3] = [" and ", " or ", " & "];
/// Names in JSON of the list that is the answer, where an object has several lists.
const LISTS: [&str; 10] = [
    "answer",
    "answers",
    "labels",
    "items",
    "list",
    "tags",
    "categories",
    "ranking",
    "results",
    "output",
];

/// The items of a text: those of its last JSON list, also of one in an object, else its lines that begin
/// with a bullet or a number, else its lines, else the parts between `;`, `,`, `|` or `>`.
pub(super) fn items_in(text: &str) -> Vec<String> {
    items_among(text, &|_| false)
}

/// The same, where `is_known` says whether a text is an item that may come: such an item is not parted,
/// and two of which one is known are parted at the `and` between them.
pub(super) fn items_among(text: &str, is_known: &dyn Fn(&str) -> bool) -> Vec<String> {
    let lists = documents_in(text).into_iter().rev();
    let mut lists: Vec<Vec<String>> = lists.filter_map(|list| list_in(&list.json)).collect();
    // `[1]` may be the mark of a source.
    let is_source = |items: &Vec<String>| matches!(&items[..], [one] if one.parse::<u32>().is_ok());
    if let Some(at) = lists.iter().position(|items| !is_source(items)) {
        return lists.swap_remove(at);
    }
    if !lists.is_empty() && text.trim().starts_with('[') && text.trim().ends_with(']') {
        return lists.swap_remove(0);
    }
    let text = without_braces(trimmed(text));
    if text.is_empty() {
        return Vec::new();
    }
    let lines: Vec<&str> = text
        .lines()
        .map(trimmed)
        .filter(|line| !line.is_empty())
        .collect();
    let marked: Vec<&str> = lines.iter().filter_map(|line| after_mark(line)).collect();
    let parts = if !marked.is_empty() {
        marked
    } else if lines.len() > 1 {
        let has_lead = lines[0].ends_with([':', '\u{ff1a}']);
        lines[usize::from(has_lead)..].to_vec()
    } else if is_known(without_quotes(text)) {
        vec![text]
    } else {
        parts_of_line(text, is_known)
    };
    let plain = parts.into_iter().map(|part| {
        let part = part.trim_end_matches([',', ';']);
        without_quotes(part)
    });
    plain
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The list of a document: itself, or the one inside it. Of several the one whose name says that it is
/// the answer, else the last.
fn list_in(json: &str) -> Option<Vec<String>> {
    if json.starts_with('[') {
        return scalar_list(json);
    }
    let mut lists = Vec::new();
    gather_lists(json, "", &mut lists);
    let named = lists.iter().position(|(name, _)| {
        let name = name.to_lowercase();
        LISTS.contains(&name.as_str())
    });
    let at = named.or_else(|| lists.len().checked_sub(1))?;
    Some(lists.swap_remove(at).1)
}

/// The lists of texts and numbers in the fields of an object, with the names of their fields.
fn gather_lists(json: &str, name: &str, lists: &mut Vec<(String, Vec<String>)>) {
    if let Some(inner) = json.strip_prefix('[') {
        let is_empty = inner.trim_start().starts_with(']');
        let items = if is_empty {
            Some(Vec::new())
        } else {
            scalar_list(json)
        };
        lists.extend(items.map(|items| (name.to_owned(), items)));
    } else if let Ok(fields) = serde_json::from_str::<IndexMap<String, &RawValue>>(json) {
        for (name, field) in fields {
            gather_lists(field.get(), &name, lists);
        }
    }
}

/// The parts of one line, without the words before the first, the `and` before the last and the full
/// stop behind it.
fn parts_of_line<'l>(line: &'l str, is_known: &dyn Fn(&str) -> bool) -> Vec<&'l str> {
    let separator = SEPARATORS.iter().find(|marks| line.contains(**marks));
    let mut parts: Vec<&str> = match separator {
        Some(separator) => line.split(*separator).map(trimmed).collect(),
        None => vec![line],
    };
    if separator.is_some_and(|marks| marks.contains(&'>')) {
        // `a -> b`
        for part in &mut parts {
            *part = trimmed(part.trim_end_matches(['-', '=']));
        }
    }
    parts.retain(|part| !part.is_empty());
    let is_plain = parts.iter().skip(1).all(|part| !part.contains(": "));
    if let Some(first) = parts.first_mut()
        && let Some((lead, rest)) = first.split_once(": ")
        && is_plain
        && lead.len() <= LONGEST_LEAD
        && lead.contains(char::is_alphabetic)
    {
        *first = trimmed(rest);
    }
    let has_stops = parts.iter().rev().skip(1).any(|part| part.ends_with('.'));
    if let Some((last, others)) = parts.split_last_mut() {
        if !others.is_empty() {
            let joined = ["and ", "or ", "& "]
                .iter()
                .find_map(|word| last.strip_prefix(word));
            *last = joined.map_or(*last, trimmed);
        }
        if let Some(inner) = last.strip_suffix('.')
            && !has_stops
            && !inner.contains('.')
            && separator.is_some()
        {
            *last = inner;
        }
    }
    if let Some(last) = parts.pop() {
        parts.extend(parted(last, is_known));
    }
    parts
}

/// `b and c` in two, where one of them is a known item and the whole is none.
fn parted<'l>(part: &'l str, is_known: &dyn Fn(&str) -> bool) -> Vec<&'l str> {
    let plain = |text: &'l str| without_quotes(text.strip_suffix('.').unwrap_or(text));
    if part.len() > LONGEST_PARTED || is_known(plain(part)) {
        return vec![part];
    }
    JOINING
        .iter()
        .find_map(|word| {
            let (front, back) = part.split_once(word)?;
            let (front, back) = (plain(front), plain(back));
            let mut both = vec![front];
            both.extend(parted(back, is_known));
            both.iter().any(|item| is_known(item)).then_some(both)
        })
        .unwrap_or_else(|| vec![part])
}

/// The content of a list in brackets that are no JSON, such as `{'A', 'B'}`.
fn without_braces(text: &str) -> &str {
    [('{', '}'), ('(', ')'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| {
            let inner = text.strip_prefix(open)?.strip_suffix(close)?;
            (!inner.contains([open, close])).then_some(trimmed(inner))
        })
        .unwrap_or(text)
}

/// The text after a bullet, a number or a letter: `- `, `1. `, `(1) `, `a) `, and behind it the box of a
/// task list.
fn after_mark(line: &str) -> Option<&str> {
    const BULLETS: [char; 13] = [
        '-', '*', '+', '\u{2022}', '\u{2023}', '\u{25e6}', '\u{25aa}', '\u{25cf}', '\u{25cb}',
        '\u{2219}', '\u{b7}', '\u{2013}', '\u{2014}',
    ];
    let rest = line.strip_prefix(BULLETS).or_else(|| after_number(line))?;
    let rest = trimmed(rest.strip_prefix(' ')?);
    let boxes = ["[ ] ", "[x] ", "[X] "].iter();
    let unboxed = boxes.into_iter().find_map(|mark| rest.strip_prefix(mark));
    Some(trimmed(unboxed.unwrap_or(rest)))
}

fn after_number(line: &str) -> Option<&str> {
    let (inner, is_bracketed) = match line.strip_prefix('(') {
        Some(inner) => (inner, true),
        None => (line, false),
    };
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    let letters = inner.bytes().take_while(u8::is_ascii_alphabetic).count();
    let after = match (digits, letters) {
        (1.., _) => &inner[digits..],
        (0, 1) => return inner[1..].strip_prefix(')'),
        _ => return None,
    };
    if is_bracketed {
        after.strip_prefix(')')
    } else {
        after.strip_prefix(['.', ')'])
    }
}

fn without_quotes(item: &str) -> &str {
    let item = trimmed(item);
    let inner = item.trim_matches(['`', '*']);
    let quotes = [('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}')];
    let unquoted = quotes
        .into_iter()
        .find_map(|(open, close)| inner.strip_prefix(open)?.strip_suffix(close));
    trimmed(unquoted.unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_of_a_list_are_found_however_it_is_written() {
        for text in [
            "[\"A\", \"B\"]",
            "['A', 'B']",
            "{'A', 'B'}",
            "(A, B)",
            "The answer is [\"A\", \"B\"] [1].",
            "- A\n- **B**",
            "These:\n1. A\n2. `B`",
            "(1) A\n(2) B",
            "a) A\nb) B",
            "\u{2013} A\n\u{2013} B",
            "\u{25e6} A\n\u{25e6} B",
            "- [x] A\n- [ ] B",
            "A\nB",
            "A,\nB",
            "Here they are:\nA\nB",
            "A, B",
            "A, and B",
            "A, B.",
            "The labels are: A, B",
            "A; B;",
            "A\u{3001}B",
            "A\u{ff0c}B",
            "A | B",
            "`A`, \u{201c}B\u{201d}",
            "{\"labels\": [\"A\", \"B\"]}",
            "{\"result\": {\"labels\": [\"A\", \"B\"], \"why\": \"x\"}}",
            "{\"labels\": [\"A\", \"B\"], \"evidence\": [\"x\", \"y\"]}",
            "```json\n{'labels': ['A', 'B']}\n```",
            "A > B",
            "A -> B",
            "A \u{2192} B",
        ] {
            assert_eq!(items_in(text), ["A", "B"], "{text}");
        }
    }

    #[test]
    fn marks_that_belong_to_items_stay() {
        for (text, items) in [
            ("U.S., U.K.", ["U.S.", "U.K."]),
            ("10:30, 11:30", ["10:30", "11:30"]),
            ("3.5, 4.5", ["3.5", "4.5"]),
            ("name: Bob, age: 5", ["name: Bob", "age: 5"]),
            ("rock and roll, jazz", ["rock and roll", "jazz"]),
            ("[1, 2]", ["1", "2"]),
            ("-5\n-6", ["-5", "-6"]),
        ] {
            assert_eq!(items_in(text), items, "{text}");
        }
        for text in ["[]", "[ ]", "", "{}", "{\"labels\": []}"] {
            assert!(items_in(text).is_empty(), "{text}");
        }
        assert_eq!(items_in("[3]"), ["3"]);
    }

    #[test]
    fn an_item_that_may_come_is_not_parted_and_others_are_parted_at_their_and() {
        let known = ["a", "b", "c", "rock and roll", "x > 3", "New York, NY"];
        for (text, items) in [
            ("a, b and c", &["a", "b", "c"][..]),
            ("a and b", &["a", "b"]),
            ("a and b.", &["a", "b"]),
            ("a and b and c", &["a", "b", "c"]),
            ("a or x", &["a", "x"]),
            ("The labels are: a, `b` & c", &["a", "b", "c"]),
            ("a, rock and roll", &["a", "rock and roll"]),
            ("rock and roll", &["rock and roll"]),
            ("pop and soul", &["pop and soul"]),
            ("x > 3", &["x > 3"]),
            ("New York, NY", &["New York, NY"]),
            ("a > b > c", &["a", "b", "c"]),
        ] {
            let found = items_among(text, &|item| known.contains(&item));
            assert_eq!(found, items, "{text}");
        }
    }
}
