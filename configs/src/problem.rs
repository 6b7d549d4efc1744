//! What is wrong with a config file, and where.

use std::fmt;

use gepa_engine::Problem;

/// Where a value came from.
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

/// A problem, or a note, and the place to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedProblem {
    /// The file.
    pub file: String,
    /// The line in it, from 1, where the key or the table that lacks it stands.
    pub line: Option<usize>,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong.
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

/// Everything wrong with a configuration.
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
