//! Settings by name, as overrides of the engine's defaults.

use gepa_engine::Settings;
use serde_json::{Map, Value};

const LISTED: &str = include_str!("policies.txt");
/// What `$reference` stands for: the sequential algorithm of the reference implementation, which
/// reuses no outcome and tries copies of known candidates.
const REFERENCE: &str = "search.evaluation=full run.gate_lag=1 run.pareto_lag=1 run.speculate=off \
    search.reuse_outcomes=false search.duplicates=keep";
/// What `$growing` stands for: rows that grow, also one proposal at a time.
const GROWING: &str = "search.evaluation=growing run.gate_lag=1 run.pareto_lag=1 run.speculate=off";
const FIRST: &str = "pareto.first";
const TOKENS_OF: &str = "tokens.of";

/// Named settings.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    /// Uses that many of the pareto examples; all if absent.
    pub(crate) first: Option<usize>,
    /// Is limited to the tokens that this policy used.
    pub(crate) tokens_of: Option<String>,
    overrides: Vec<(String, Value)>,
}

impl Policy {
    /// All listed ones, in order.
    pub(crate) fn listed() -> Result<Vec<Self>, String> {
        let lines = LISTED.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(Self::of_line).collect()
    }

    fn of_line(line: &str) -> Result<Self, String> {
        let (name, keys) = line
            .split_once(": ")
            .ok_or(format!("`{line}` is not `name: key=value ...`"))?;
        let keys = keys.replace("$reference", REFERENCE);
        let keys = keys.replace("$growing", GROWING);
        let mut policy = Self {
            name: name.to_owned(),
            first: None,
            tokens_of: None,
            overrides: Vec::new(),
        };
        for word in keys.split_whitespace() {
            let (key, value) = word
                .split_once('=')
                .ok_or(format!("`{word}` of {name} is not key=value"))?;
            if key == FIRST {
                let first = value.parse();
                policy.first = Some(first.map_err(|_| format!("`{value}` is no number"))?);
                continue;
            }
            if key == TOKENS_OF {
                policy.tokens_of = Some(value.to_owned());
                continue;
            }
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            policy.overrides.push((key.to_owned(), value));
        }
        Ok(policy)
    }

    /// The engine's settings. An error names the key that this engine does not know.
    pub(crate) fn settings(&self, seed: u64, rollouts: u64) -> Result<Settings, String> {
        let defaults = serde_json::to_value(Settings::default());
        let mut settings = defaults.map_err(|error| error.to_string())?;
        for (key, value) in &self.overrides {
            // Tables and keys without a default are not there yet; a wrong name is found below.
            let mut place = &mut settings;
            for name in key.split('.') {
                let table = place.as_object_mut();
                let table = table.ok_or(format!("{}: `{key}` is in no table", self.name))?;
                place = table
                    .entry(name)
                    .or_insert_with(|| Value::Object(Map::new()));
            }
            *place = value.clone();
        }
        let settings = serde_json::from_value::<Settings>(settings);
        let mut settings = settings.map_err(|error| format!("{}: {error}", self.name))?;
        settings.run.seed = seed;
        settings.budget.max_rollouts = Some(rollouts);
        Ok(settings)
    }
}
