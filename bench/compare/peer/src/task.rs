//! The program's input: the address of the world, the task, and how much may be spent.

use std::collections::HashMap;
use std::fs;

use serde::Deserialize;

/// The command line, as `--name value` pairs.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The run's address on the world server, without `/v1`.
    pub(crate) base: String,
    /// The file with the task.
    pub(crate) dataset: String,
    /// Policy calls.
    pub(crate) budget: usize,
    /// Seconds, where they are limited.
    pub(crate) seconds: Option<u64>,
    /// Policy calls in flight at once.
    pub(crate) slots: usize,
    pub(crate) seed: u64,
}

/// A world's task, as the server gives it out.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) seed_prompt: String,
    pub(crate) component: String,
    pub(crate) train: Vec<Item>,
    pub(crate) pareto: Vec<Item>,
}

/// One example.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) input: String,
    pub(crate) answer: String,
    pub(crate) feedback_right: String,
    pub(crate) feedback_wrong: String,
}

impl Settings {
    pub(crate) fn from_arguments() -> Result<Self, String> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let pairs: HashMap<&str, &str> = words
            .chunks_exact(2)
            .map(|pair| (pair[0].trim_start_matches('-'), pair[1].as_str()))
            .collect();
        let given = |name: &str| {
            let value = pairs.get(name).copied();
            value.ok_or_else(|| format!("--{name} is missing"))
        };
        let number = |name: &str| {
            let value = given(name)?;
            let parsed = value.parse::<u64>();
            parsed.map_err(|_| format!("--{name} is a whole number, not `{value}`"))
        };
        Ok(Self {
            base: given("base")?.to_owned(),
            dataset: given("dataset")?.to_owned(),
            budget: number("budget")? as usize,
            seconds: if pairs.contains_key("seconds") {
                Some(number("seconds")?)
            } else {
                None
            },
            slots: number("slots")? as usize,
            seed: number("seed")?,
        })
    }
}

impl Task {
    pub(crate) fn read(path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
    }
}
