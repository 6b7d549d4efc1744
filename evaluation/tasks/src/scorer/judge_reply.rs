//! Reading a judge's reply: its score, and the feedback beside it.

use serde_json::{Map, Value};

use super::input::Verdict;
use super::json_documents::{Document, documents_in};
use super::judge_words::ScoreWords;
use gepa_evaluation::split_reasoning;

/// The names of a score in JSON, in lower case and without signs. The one for the whole wins.
const SCORES: [&str; 12] = [
    "finalscore",
    "overallscore",
    "totalscore",
    "finalrating",
    "overallrating",
    "finalgrade",
    "overallgrade",
    "score",
    "rating",
    "grade",
    "overall",
    "total",
];
/// The names of what sums up several criteria.
const TOTALS: [&str; 5] = ["overall", "total", "final", "result", "summary"];
/// The names under which an item of a list says which criterion it is about.
const CRITERIA: [&str; 7] = [
    "name",
    "criterion",
    "aspect",
    "dimension",
    "category",
    "metric",
    "rubric",
];

/// Finds scores in replies.
#[derive(Debug)]
pub(super) struct ReplyReader(ScoreWords);

/// The score in JSON and its feedback; `None` where several criteria have one each and no total.
type Found = Option<(f64, Option<String>)>;

impl ReplyReader {
    pub(super) fn new() -> Self {
        Self(ScoreWords::new())
    }

    /// The score from 0 to 1 and the feedback; `None` where there is no such score.
    ///
    /// The last one with a label counts, in JSON or in words. Where none has a label, a number counts
    /// that is alone in the first or last line, and then one that a sentence calls the score.
    pub(super) fn read(&self, reply: &str) -> Option<Verdict> {
        let reply = split_reasoning(reply).answer;
        let documents = documents_in(reply);
        let in_json = documents
            .iter()
            .rev()
            .find_map(|document| Some((document.start, self.of_document(document)?)));
        let labelled = self.0.labelled(reply, |start| {
            documents.iter().any(|one| {
                one.start < start
                    && start < one.start + one.length
                    && self.of_document(one).is_some()
            })
        });
        let whole = || Some(reply.trim().to_owned());
        let (score, feedback) = match (in_json, labelled) {
            (Some((at, Some(found))), Some((other, _))) if at > other => found,
            (_, Some((_, score))) => (score?, whole()),
            (Some((_, found)), None) => found?,
            (None, None) => (self.0.unlabelled(reply)?, whole()),
        };
        (0.0..=1.0).contains(&score).then(|| Verdict {
            score,
            feedback,
            ..Verdict::default()
        })
    }

    fn of_document(&self, document: &Document) -> Option<Found> {
        let value: Value = serde_json::from_str(&document.json).ok()?;
        self.of_value(&value)
    }

    /// The score of an object, of the one inside it, or of the last object of a list.
    fn of_value(&self, value: &Value) -> Option<Found> {
        match value {
            Value::Array(items) => self.of_items(items),
            Value::Object(fields) => self.of_fields(fields),
            _ => None,
        }
    }

    fn of_items(&self, items: &[Value]) -> Option<Found> {
        let found = items.iter().filter_map(|item| {
            let criterion = CRITERIA.iter().find_map(|name| item.get(name)?.as_str());
            Some((criterion.map(plain), self.of_value(item)?))
        });
        let mut found: Vec<(Option<String>, Found)> = found.collect();
        let is_total = |(criterion, _): &(Option<String>, Found)| {
            let name = criterion.as_deref();
            name.is_some_and(|name| TOTALS.iter().any(|total| name.starts_with(total)))
        };
        if let Some(total) = found.iter().position(is_total) {
            return Some(found.swap_remove(total).1);
        }
        if found.len() > 1 && found.iter().any(|(criterion, _)| criterion.is_some()) {
            return Some(None);
        }
        found.pop().map(|(_, found)| found)
    }

    fn of_fields(&self, fields: &Map<String, Value>) -> Option<Found> {
        let own = named(fields, &SCORES, |value| self.of_field(value));
        if let Some(score) = own {
            let most = named(fields, &["maxscore", "outof", "max"], Value::as_f64);
            let score = match most {
                Some(most) if most > 1.0 => score / most,
                _ => score,
            };
            let reasons = ["feedback", "explanation", "reason", "reasoning"];
            let feedback = named(fields, &reasons, Value::as_str);
            return Some(Some((score, feedback.map(str::to_owned))));
        }
        if let Some(total) = named(fields, &TOTALS, |value| self.of_value(value)) {
            return Some(total);
        }
        let mut inner = fields.values().filter_map(|inner| self.of_value(inner));
        let first = inner.next()?;
        Some(first.filter(|_| inner.next().is_none()))
    }

    fn of_field(&self, value: &Value) -> Option<f64> {
        match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(passed) => Some(f64::from(*passed)),
            Value::String(text) => self.0.alone_in(text),
            _ => None,
        }
    }
}

/// What `read` makes of the field with the first of these names that it can read.
fn named<'v, T>(
    fields: &'v Map<String, Value>,
    names: &[&str],
    read: impl Fn(&'v Value) -> Option<T>,
) -> Option<T> {
    names.iter().find_map(|name| {
        let mut found = fields.iter().filter(|(key, _)| plain(key) == *name);
        found.find_map(|(_, value)| read(value))
    })
}

/// A name in lower case and without the signs that part its words.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static READER: std::sync::LazyLock<ReplyReader> = std::sync::LazyLock::new(ReplyReader::new);

    fn check(reply: &str, score: Option<f64>) {
        let found = READER.read(reply).map(|verdict| verdict.score);
        assert_eq!(found, score, "{reply}");
    }

    #[test]
    fn scores_are_read_in_their_usual_forms() {
        for reply in [
            "Score: 0.5",
            "Score: 0.5.",
            "**Score:** 0.5",
            "**Score: 0.5**",
            "Score = .5",
            "Final score: 5/10",
            "Score: 2.5 out of 5",
            "Rating: 50%",
            "The score is 0.5 because it is half right.",
            "I give it a score of **0.5**.",
            "<score>0.5</score>",
            r"Score: \boxed{0.5}",
            "Rating: [[0.5]]",
            "0.5",
            "**0.5**",
            "[[0.5]]",
            "{\"score\": 0.5}",
            "{\"score\": \"1/2\", \"feedback\": \"x\"}",
            "```json\n{\"score\": 0.5,}\n```",
            "Score (0-1): 0.5",
            "Score (out of 10): 5/10",
            "Score - 0.5",
            "Overall rating \u{2013} 2.5/5",
            "Score: **5** out of **10**",
            "Score: 5 (out of 10)",
            "Score: 5 of 10",
            "Score: 50 percent",
            "Score: 0,5",
            "Score: 5e-1",
            "## Score\n0.5",
            "| Score | 0.5 |",
            "{\"Score\": 0.5}",
            "{'score': 0.5}",
            "{\"score\": 5/10}",
            "{\"score\": 50%}",
            "{\"rating\": 0.5}",
            "{\"score\": 5, \"max_score\": 10}",
            "{\"result\": {\"score\": 0.5}}",
            "[{\"score\": 0.1}, {\"score\": 0.5}]",
            "{\"evaluation\": \"Score: 0.5\"}",
            "{\"overall_score\": 0.5}",
            "{\"finalScore\": 0.5, \"score\": 1}",
            "{\"style\": {\"score\": 0.1}, \"overall\": {\"score\": 0.5}}",
            "{\"style\": 0.1, \"overall\": 0.5}",
            "[{\"criterion\": \"style\", \"score\": 0.1}, {\"criterion\": \"Overall\", \"score\": 0.5}]",
            "0.5\n\nGood.",
            "Good.\n\n0.5",
            "Good.\n**1/2**\n",
            "Score [0-1]: 0.5",
            "Score: <0.5>",
            "Score: ~0.5",
            r"Score: \(0.5\)",
            "Score: $0.5$",
            "Score: +0.5",
            "Score: \u{bd}",
            "Score\n=====\n0.5",
            "overall_score: 0.5",
            "I'd score this 0.5.",
            "I would rate the answer a 5/10.",
            "A score of 0.5 is appropriate.",
            "\u{8bc4}\u{5206}: 0.5",
            "\u{6700}\u{7ec8}\u{5f97}\u{5206}\u{ff1a}0.5\u{5206}",
            "Bewertung: 0,5",
            "Puntuaci\u{f3}n: 0.5",
            "Score: 0.4 + 0.1 = 0.5",
            "Score: (0.4 + 0.6) / 2 = **0.5**",
            "Style score: 0.1\nContent score: 0.9\nFinal score: 0.5",
            "Style score: 0.5",
            "\"{\\\"score\\\": 0.5}\"",
        ] {
            check(reply, Some(0.5));
        }
    }

    #[test]
    fn the_last_score_counts_and_none_of_the_reasoning() {
        check("Score: 0.1 would be unfair.\nScore: 0.9", Some(0.9));
        check("<think>\nScore: 0.1\n</think>\nScore: 0.9", Some(0.9));
        check("Score: 0.9\n{\"score\": 0.2}", Some(0.2));
        check("{\"score\": 0.2} but then\nScore: 0.9", Some(0.9));
        check("Score: 0.1\n</think>\n{\"score\": 0.9}", Some(0.9));
    }

    #[test]
    fn a_label_counts_more_than_a_sentence() {
        for reply in [
            "Score: 0.5\nA perfect score of 1 would require more.",
            "Score: 0.5. A score of 1.0 would need a citation.",
            "Score: 0.5\n\nJustification: The rating of 1 was not given because it is short.",
            "Score: 0.5\n(Scores range from 0 to 1; a score of 0 is worst.)",
            "{\"score\": 0.5}\nA perfect score of 1 would require more.",
            "The score is 0.5. A score of 1 would need a citation.",
            "0.5\nA score of 1 would need a citation.",
            "A score > 0.9 is rare. Score: 0.5",
            "Score: 0.5\nMaximum score: 1",
        ] {
            check(reply, Some(0.5));
        }
    }

    #[test]
    fn what_is_no_score_from_0_to_1_is_none() {
        for reply in [
            "A perfect score of 1 would require more.",
            "The score is 0.4. I give it a score of 0.6.",
            "{\"accuracy\": {\"score\": 0.2}, \"style\": {\"score\": 0.8}}",
            "[{\"name\": \"accuracy\", \"score\": 0.2}, {\"name\": \"style\", \"score\": 0.8}]",
            "Accuracy score: 0.2\nStyle score: 0.8",
            "Score: 0.4 + 0.1",
            "Score: 0.4 or 0.6",
            "Score: 0.5.1",
            "Score:\n1. Clear\n2. Short",
            "0.4\nor\n0.6",
            "max_score: 1",
            "good",
            "Score: 2",
            "Score: 7",
            "{\"points\": 1}",
            "Score: NaN",
            "",
            "Score: -0.1",
            "Score: 0.4-0.6",
            "Score: 0.4 to 0.6",
            "Score (0-1): good",
        ] {
            check(reply, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_reply_panics_and_scores_are_from_0_to_1(
            reply in r"(Score|rating|\u{8bc4}\u{5206}|[0-9]{1,2}|[:=.,/%\n \[\](){}<>*\u{bd}\u{2013}-]|is|of|would|\x22score\x22:){0,14}",
        ) {
            let score = READER.read(&reply).map_or(0.0, |verdict| verdict.score);
            proptest::prop_assert!((0.0..=1.0).contains(&score), "{reply}");
        }
    }
}
