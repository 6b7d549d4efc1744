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
    },
    /// 1 when the expected answer occurs in the response, else 0.
    Contains {
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// Without a capture group: 1 when the pattern is found in the response. With one: 1 when what
    /// it captures is the expected answer.
    Regex {
        /// The regular expression, searched anywhere in the response.
        pattern: String,
        /// Upper and lower case count as the same.
        #[serde(default)]
        ignore_case: bool,
    },
    /// 1 when the last number in the response is close enough to the expected one.
    Numeric {
        /// The largest difference allowed.
        #[serde(default)]
        absolute: f64,
        /// The largest difference allowed as a share of the expected number; the wider of the two
        /// limits counts.
        #[serde(default)]
        relative: f64,
    },
    /// 1 when a field of the JSON in the response is the expected answer.
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
    },
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
