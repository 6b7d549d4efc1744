//! What a config says about scoring.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How answers are scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ScorerSettings {
    /// 1 when the response is the expected answer, else 0.
    Exact {
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
        /// White space around the response counts as a difference.
        #[serde(default)]
        keep_whitespace: bool,
        /// The Unicode form both texts are brought into.
        #[serde(default)]
        unicode: UnicodeForm,
    },
    /// 1 when the expected answer occurs in the response, else 0.
    Contains {
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
        /// The Unicode form both texts are brought into.
        #[serde(default)]
        unicode: UnicodeForm,
    },
    /// Without a capture group: 1 when the pattern is found in the response. With one: 1 when what
    /// it captures is the expected answer.
    Regex {
        /// The regular expression, searched anywhere in the response.
        pattern: String,
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
        /// Which match of a pattern with a capture group counts.
        #[serde(default)]
        occurrence: Occurrence,
        /// The Unicode form both texts are brought into.
        #[serde(default)]
        unicode: UnicodeForm,
    },
    /// 1 when the last number of the response is close enough to the expected one. Of a response with
    /// `\\boxed{..}` or `####` only what that marks is read.
    Numeric {
        /// The largest difference allowed.
        #[serde(default)]
        absolute: f64,
        /// The largest difference allowed as a share of the expected number; the wider of the two
        /// limits counts.
        #[serde(default)]
        relative: f64,
    },
    /// 1 when a field of the JSON in the response is the expected answer; the last object or array
    /// that has the field counts.
    JsonField {
        /// Names and list positions from the top, joined by dots: `result.0.name`.
        path: String,
        /// How the field is compared.
        #[serde(default)]
        compare: JsonComparison,
    },
    /// A model judges the response and gives 0 to 1.
    LlmJudge {
        /// The judge's prompt with `{input}`, `{output}` and `{expected}`. It should ask for
        /// `{"score": 0.5, "feedback": ".."}` or a line `Score: 0.5`.
        prompt: String,
    },
    /// Shared words, from 0 to 1: the harmonic mean of the shares of the expected answer's and of the
    /// response's words. Case and punctuation do not count.
    TokenF1 {
        /// Whether the words a, an and the count.
        #[serde(default)]
        keep_articles: bool,
    },
    /// Shared words in the same order (ROUGE-L), from 0 to 1. Case and punctuation do not count.
    RougeL {},
    /// Similarity by characters, from 0 to 1: 1 less the share that has to be changed.
    EditSimilarity {
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// How far the response names the expected items, in any order.
    SetMatch {
        /// What is measured.
        #[serde(default)]
        measure: SetMeasure,
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// How far the response names the expected items, in their order.
    ListMatch {
        /// What is measured.
        #[serde(default)]
        measure: ListMeasure,
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// How well the response ranks: the expected answer is a list of the relevant items, or an object
    /// of item to grade.
    Ranking {
        /// What is measured.
        #[serde(default)]
        measure: RankingMeasure,
        /// The number of items of the response that count, from the first; without it all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<usize>,
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// A Python expression over `output`, `expected`, `input` and `example`, worked out in programs
    /// that are started once. It gives a number, a truth value, `(score, feedback)` or an object with
    /// `score`.
    Python {
        /// The expression; the modules `math`, `re`, `json`, `statistics`, `difflib` and `datetime`
        /// are at hand.
        expression: String,
        /// The interpreter.
        #[serde(default = "default_python")]
        python: String,
        /// How many of them run at once.
        #[serde(default = "default_processes")]
        processes: usize,
        /// How long one answer may take.
        #[serde(default = "default_timeout_seconds")]
        timeout_seconds: f64,
        /// Whether the same response always gets the same score.
        #[serde(default = "default_true")]
        deterministic: bool,
    },
    /// A program reads `{"example", "input", "output", "expected"}` as JSON and prints
    /// `{"score", "feedback"?, "objectives"?}`.
    Command {
        /// The program and its arguments; no shell is involved. It runs in the config file's
        /// folder; a name without a folder is looked up in `PATH`.
        command: Vec<String>,
        /// How long it may run.
        #[serde(default = "default_timeout_seconds")]
        timeout_seconds: f64,
        /// Whether the same response always gets the same score.
        #[serde(default)]
        deterministic: bool,
        /// Whether the program is started once and answers line by line, as process evaluators do;
        /// without it a program is started for every answer.
        #[serde(default)]
        lasting: bool,
        /// How many of a lasting program run at once.
        #[serde(default = "default_processes")]
        processes: usize,
    },
}

/// The Unicode forms texts are compared in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnicodeForm {
    /// As they are, byte for byte.
    None,
    /// Accents written in one or in two characters are the same.
    #[default]
    Nfc,
    /// Also wide, narrow and joined characters are those they stand for.
    Nfkc,
}

/// Which of several matches counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Occurrence {
    /// The one that begins first.
    #[default]
    First,
    /// The one that begins last.
    Last,
}

/// How two sets of items are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SetMeasure {
    /// The harmonic mean of precision and recall.
    #[default]
    F1,
    /// Items in both over items in either.
    Jaccard,
    /// The share of the response's items that are expected.
    Precision,
    /// The share of the expected items that the response has.
    Recall,
    /// 1 when both have the same items.
    Exact,
}

/// How two lists of items are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListMeasure {
    /// The share of places with the same item, of the longer list.
    #[default]
    Positions,
    /// 1 when both are the same.
    Exact,
}

/// How a ranking is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RankingMeasure {
    /// Grades, each divided by the logarithm of its place, as a share of the best order's.
    #[default]
    Ndcg,
    /// 1 over the place of the first relevant item.
    ReciprocalRank,
    /// The mean of the precision at each relevant item.
    AveragePrecision,
}

/// How a JSON field is compared with the expected answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum JsonComparison {
    /// Same text, after trimming; numbers and booleans by their JSON text.
    #[default]
    Exact,
    /// Same number within the tolerance.
    Numeric {
        /// The largest difference allowed.
        #[serde(default)]
        absolute: f64,
        /// The largest difference allowed as a share of the expected number.
        #[serde(default)]
        relative: f64,
    },
}

fn default_timeout_seconds() -> f64 {
    30.0
}

fn default_python() -> String {
    "python3".to_owned()
}

fn default_processes() -> usize {
    4
}

fn default_true() -> bool {
    true
}
