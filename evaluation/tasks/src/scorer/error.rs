//! The errors of scorer settings.

/// Why a scorer cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScorerError {
    /// The pattern is no regular expression.
    #[error("scorer pattern `{pattern}` is not a regular expression: {source}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// The pattern is empty, so it is found in every response.
    #[error(
        "scorer `pattern` is empty, so every response would match; write one, e.g. `Answer: (.*)`"
    )]
    EmptyPattern,
    /// The pattern has more than one capture group.
    #[error(
        "scorer pattern `{0}` has several capture groups; keep one for the answer and write the others as `(?:..)`"
    )]
    SeveralGroups(String),
    /// A tolerance is negative or not a number.
    #[error("scorer tolerance `{name} = {value}` must be a number of at least 0")]
    BadTolerance {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// The JSON path is empty.
    #[error("scorer `path` is empty; name a field, e.g. `answer` or `result.0.name`")]
    EmptyPath,
    /// The JSON path is written in a way that names no field.
    #[error(
        "scorer `path = \"{path}\"` names no field: {reason}; write names and list positions with single dots \
         between them, e.g. `result.0.name`"
    )]
    BadPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The judge's prompt has a wildcard that is never filled.
    #[error(
        "judge `prompt` has `{{{name}}}`, which is never filled; write `{{{meant}}}` for it (the prompt may have \
         `{{input}}`, `{{output}}` and `{{expected}}`)"
    )]
    UnknownWildcard {
        /// The name in braces.
        name: String,
        /// The wildcard that has what the name says.
        meant: &'static str,
    },
    /// The judge's prompt does not show what is judged.
    #[error("judge `prompt` must contain `{{output}}`, the place of the answer to judge")]
    EmptyPrompt,
    /// No judge model is configured.
    #[error("scorer `llm_judge` needs a judge model; configure one")]
    NoJudge,
    /// The command is empty.
    #[error("scorer `command` is empty; write the program and its arguments as a list")]
    EmptyCommand,
    /// The folder the command would run in cannot be found out.
    #[error("cannot tell the folder of the scorer `command`: {0}")]
    BadDirectory(#[source] std::io::Error),
    /// The timeout is not a positive number of seconds.
    #[error("scorer `timeout_seconds = {0}` must be more than 0 and at most 86400")]
    BadTimeout(f64),
    /// A ranking over no item.
    #[error("scorer `at = 0` leaves nothing to rank; leave it out or give a number of at least 1")]
    NothingRanked,
    /// The expression is empty.
    #[error("scorer `expression` is empty; write one, e.g. `output.strip() == expected`")]
    EmptyExpression,
    /// A lasting program cannot be run as the settings say.
    #[error("scorer: {0}")]
    BadProgram(#[from] crate::process::ProcessError),
}
