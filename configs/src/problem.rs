//! Problems of a config file, with their places.

use std::fmt;

use gepa_engine::Problem;

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The config file.
    File,
    /// `--set`.
    Set,
    /// The environment variable of this name.
    Environment(String),
    /// The overrides submitted with a job.
    Override,
}

/// A problem or a note, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedProblem {
    /// The file.
    pub file: String,
    /// The line, from 1, of the key, or of the table that lacks it.
    pub line: Option<usize>,
    /// The source of the value.
    pub origin: Origin,
    /// The key and the message.
    pub problem: Problem,
}

impl fmt::Display for LocatedProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.line) {
            (Origin::File, Some(line)) => write!(formatter, "{}:{line}: ", self.file)?,
            (Origin::File, None) => write!(formatter, "{}: ", self.file)?,
            (Origin::Set, _) => formatter.write_str("--set: ")?,
            (Origin::Override, _) => formatter.write_str("overrides: ")?,
            (Origin::Environment(name), _) => write!(formatter, "environment {name}: ")?,
        }
        self.problem.fmt(formatter)
    }
}

/// All problems of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one problem.
    pub problems: Vec<LocatedProblem>,
}

impl ConfigError {
    pub(crate) fn one(problem: LocatedProblem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

pub(crate) fn whole_file(file: &str, message: String) -> ConfigError {
    ConfigError::one(LocatedProblem {
        file: file.to_owned(),
        line: None,
        origin: Origin::File,
        problem: Problem::new("", message),
    })
}
