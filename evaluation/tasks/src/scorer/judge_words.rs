//! Scores in a judge's words: behind a label, in a sentence, or alone in a line.

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

/// Finds scores in prose.
#[derive(Debug)]
pub(super) struct ScoreWords {
    labelled: Regex,
    said: Regex,
    alone: Regex,
}

/// Words before a label that leave it the score of the whole: `Final score`.
const OF_THE_WHOLE: [&str; 14] = [
    "a",
    "the",
    "my",
    "your",
    "this",
    "final",
    "overall",
    "total",
    "so",
    "therefore",
    "and",
    "assigned",
    "judge",
    "numeric",
];
/// Words before a label that say where the scale ends: `max_score`.
const OF_THE_SCALE: [&str; 10] = [
    "max", "maximum", "min", "minimum", "highest", "lowest", "best", "worst", "perfect", "possible",
];
/// Words behind a number by which a sentence speaks of a score that was not given.
const HYPOTHETICAL: [&str; 22] = [
    "would",
    "could",
    "might",
    "should",
    "may",
    "can",
    "cannot",
    "needs",
    "need",
    "requires",
    "require",
    "means",
    "indicates",
    "represents",
    "if",
    "was",
    "were",
    "is",
    "are",
    "isn't",
    "wasn't",
    "not",
];
/// Words behind `is` and `was` by which it was given all the same.
const GIVEN: [&str; 11] = [
    "appropriate",
    "fair",
    "given",
    "assigned",
    "warranted",
    "justified",
    "right",
    "due",
    "deserved",
    "reasonable",
    "fitting",
];

impl ScoreWords {
    pub(super) fn new() -> Self {
        let compiled = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        let marks = r"[*_`\s]*";
        let value = r"-?(?:\d+(?:[.,]\d+)?|\.\d+)(?:e-?\d+)?|[\u{bc}-\u{be}\u{2150}-\u{215e}]";
        let number = format!(
            r"(?P<value>{value})(?:{marks}\(?(?:/|out of\b|of\b){marks}(?P<most>\d+(?:[.,]\d+)?)|\s*(?P<percent>%|percent\b|per cent\b))?"
        );
        let name = r"(?:(?:\b|_)(?:score|rating|grade|verdict|bewertung|punktzahl|wertung|puntuaci[oó]n|calificaci[oó]n|puntaje|punteggio|pontua[cç][aã]o|оценка|балл)\b|评分|得分|分数|打分|評分|分數|スコア|評価|評点|点数|점수)";
        // What the scale is may stand behind the name.
        let scale = r"(?:\s*\([^()\n]{0,40}\)|\s*\[[^\[\]\n]{0,40}\])?";
        // Marks of emphasis, quotes and brackets may stand in between, and what is worked out.
        let open = r#"(?:[*_`"'\s:|~<$+\u{2248}]|\\\(|\\\[|\[|\\boxed\{)*"#;
        let sum = r"(?:[\d.,()+*/%\u{d7}\u{f7}\u{b7} \t\u{2013}\u{2212}-]+[=\u{2248}][ \t*_`$]*)*";
        let label = r#"(?:[*_`"'\s]*(?:[:=|\u{ff1a}]|->|\u{2192}|[-\u{2013}\u{2014}]\s)|>|[*_`]*\s*\n(?:[=~-]{2,}\s*\n)?)"#;
        let verb = r"[*_`\s]*\b(?:is|of)\b";
        let object = r"\b(?:score|rate|grade|give)[ds]?\s+(?:this|it|that|the\s+(?:answer|response|output|reply))(?:\s+(?:a|an|as|at))?";
        Self {
            labelled: compiled(&format!("(?i){name}{scale}{label}{open}{sum}{number}")),
            said: compiled(&format!(
                "(?i)(?:{name}{scale}{verb}|{object}){open}{number}"
            )),
            alone: compiled(&format!(
                r"(?i)^{open}{number}(?:[*_`\s\]}}.)>$]|\\\)|\\\])*$"
            )),
        }
    }

    /// Where the last label with a number stands, and the score behind it. The score is `None` where
    /// it is no single one, or where several criteria have a label each and the whole has none.
    pub(super) fn labelled(
        &self,
        reply: &str,
        is_inside: impl Fn(usize) -> bool,
    ) -> Option<(usize, Option<f64>)> {
        let all = self.labelled.captures_iter(reply).filter_map(|found| {
            let start = found.get(0)?.start();
            let word = word_before(&reply[..start]);
            let is_none = is_item_of_list(reply, &found)
                || is_inside(start)
                || OF_THE_SCALE.contains(&word.as_str());
            let is_criterion =
                word.contains(char::is_alphabetic) && !OF_THE_WHOLE.contains(&word.as_str());
            let criterion = is_criterion.then_some(word);
            (!is_none).then(|| (start, criterion, value_of(reply, &found)))
        });
        let all: Vec<(usize, Option<String>, Option<f64>)> = all.collect();
        let of_whole = all
            .iter()
            .rev()
            .find(|(_, criterion, _)| criterion.is_none());
        if let Some((start, _, score)) = of_whole {
            return Some((*start, *score));
        }
        let (start, criterion, score) = all.last()?;
        let is_only_one = all.iter().all(|(_, other, _)| other == criterion);
        Some((*start, score.filter(|_| is_only_one)))
    }

    /// The score of a reply without a label: alone in a line, else in a sentence.
    pub(super) fn unlabelled(&self, reply: &str) -> Option<f64> {
        let mut lines = reply.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next();
        let last = lines.next_back();
        let is_item = |line: &&str| line.trim().ends_with(['.', ')']) && last.is_some();
        let first = first
            .filter(|line| !is_item(line))
            .and_then(|line| self.alone_in(line));
        let last = last.and_then(|line| self.alone_in(line));
        match (first, last) {
            (Some(first), Some(last)) => (first == last).then_some(first),
            (None, None) => self.in_sentences(reply),
            (first, last) => first.or(last),
        }
    }

    /// The score that a text consists of.
    pub(super) fn alone_in(&self, text: &str) -> Option<f64> {
        let text = text.trim();
        value_of(text, &self.alone.captures(text)?)
    }

    /// The one score that the sentences of a reply give.
    fn in_sentences(&self, reply: &str) -> Option<f64> {
        let given = self.said.captures_iter(reply).filter(|found| {
            let end = found.get(0).map_or(0, |all| all.end());
            !is_hypothetical(&reply[end..])
        });
        let mut scores: Vec<Option<f64>> = given.map(|found| value_of(reply, &found)).collect();
        scores.dedup();
        match scores.as_slice() {
            [one] => *one,
            _ => None,
        }
    }
}

/// `0.5`, `4/5`, `80%`, `½`; no part of something longer, such as a range, a sum or a version.
fn value_of(text: &str, found: &Captures<'_>) -> Option<f64> {
    if !is_whole(&text[found.get(0)?.end()..]) {
        return None;
    }
    let value = found.name("value")?.as_str();
    let value = number(value).or_else(|| {
        let parts: String = value.nfkc().collect();
        let (above, below) = parts.split_once('\u{2044}')?;
        Some(number(above)? / number(below)?)
    })?;
    if found.name("percent").is_some() {
        return Some(value / 100.0);
    }
    match found.name("most") {
        None => Some(value),
        Some(most) => {
            let most = number(most.as_str())?;
            (most > 0.0).then_some(value / most)
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.replace(',', ".").parse().ok()
}

/// Whether a number ends where this text begins.
fn is_whole(after: &str) -> bool {
    const UNITS: [char; 3] = ['\u{5206}', '\u{70b9}', '\u{c810}'];
    let mut rest = after.chars();
    match rest.next() {
        Some('.' | ',') => return !rest.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) if c.is_alphanumeric() => return UNITS.contains(&c),
        _ => {}
    }
    let joined = after.trim_start_matches([' ', '\t']);
    let beyond = ["to ", "or ", "..", "\u{2026}"]
        .iter()
        .find_map(|word| joined.strip_prefix(word))
        .or_else(|| {
            joined.strip_prefix([
                '-', '\u{2013}', '\u{2014}', '\u{2212}', '+', '*', '/', '\u{d7}', '\u{f7}',
                '\u{b7}', '~', '\u{b1}', '^',
            ])
        });
    let beyond = beyond.map(|beyond| beyond.trim_start_matches(['.', ' ', '\t']));
    !beyond.is_some_and(|beyond| beyond.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether the number is that of the first item of a list below a heading: `1. Clear`.
fn is_item_of_list(text: &str, found: &Captures<'_>) -> bool {
    let (Some(all), Some(value)) = (found.get(0), found.name("value")) else {
        return false;
    };
    let is_below = text[all.start()..value.start()].contains('\n');
    let is_count = value.as_str().bytes().all(|byte| byte.is_ascii_digit());
    let after = &text[all.end()..];
    is_below && is_count && (after.starts_with(". ") || after.starts_with(") "))
}

/// The word in front of a label, in lower case, by which it may be that of one criterion: `Style score`.
fn word_before(before: &str) -> String {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let line = line.trim_end_matches([' ', '*', '`', '#', '"', '\'', '_']);
    let mut words = line.rsplit(|c: char| !(c.is_alphanumeric() || c == '\''));
    words.next().unwrap_or_default().to_lowercase()
}

fn is_hypothetical(after: &str) -> bool {
    let sentence = after.split(['\n', ';']).next().unwrap_or_default();
    if sentence.starts_with('.') {
        return false;
    }
    let mut words = sentence
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}')))
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().replace('\u{2019}', "'"));
    let Some(first) = words.next() else {
        return false;
    };
    let is_given = matches!(first.as_str(), "is" | "was")
        && words
            .next()
            .is_some_and(|word| GIVEN.contains(&word.as_str()));
    HYPOTHETICAL.contains(&first.as_str()) && !is_given
}
