//! Which runs a reader of a store wants.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ids::{RunId, Timestamp};
use crate::labels::RunLabels;
use crate::record::{RunRow, RunStatus};

/// Conditions on runs. All that are given must hold; without any condition every run is meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunQuery {
    /// Only runs that were created before this one; none if there is no such run.
    pub before: Option<RunId>,
    /// Only runs with one of these statuses; empty for all statuses.
    pub statuses: Vec<RunStatus>,
    /// Only runs of this name.
    pub name: Option<String>,
    /// Only runs that have all of these tags.
    pub tags: BTreeSet<String>,
    /// Only runs with this text, in capital or small letters, in [`RunTexts`].
    pub word: Option<String>,
    /// Only runs that are archived, or only those that are not.
    pub archived: Option<bool>,
    /// Only runs whose last event is not later than this; without an event, those that were created by then.
    pub idle_since: Option<Timestamp>,
    /// Only runs whose config has each of these values at its path, a JSON pointer such as `/budget/max_iterations`.
    pub config: Vec<(String, Value)>,
}

/// The texts of a run in which [`RunQuery::word`] is searched.
#[derive(Clone, Copy, Debug)]
pub struct RunTexts<'a> {
    /// The id.
    pub run_id: &'a str,
    /// The name.
    pub name: &'a str,
    /// The provider of the policy. The text that is searched is `provider/model`.
    pub provider: &'a str,
    /// The model of the policy.
    pub model: &'a str,
    /// The note beside the run.
    pub note: &'a str,
    /// The tags beside the run.
    pub tags: &'a BTreeSet<String>,
}

impl RunQuery {
    /// Whether a run meets all conditions but [`before`](Self::before), which needs the order of the store.
    pub fn takes(&self, run: &RunRow, labels: &RunLabels) -> bool {
        let texts = RunTexts {
            run_id: run.run_id.as_str(),
            name: &run.name,
            provider: &run.policy_provider,
            model: &run.policy_model,
            note: &labels.note,
            tags: &labels.tags,
        };
        let last = run.summary.updated_at.unwrap_or(run.created_at);
        (self.statuses.is_empty() || self.statuses.contains(&run.summary.status))
            && self.name.as_deref().is_none_or(|name| run.name == name)
            && self.tags.is_subset(&labels.tags)
            && self.takes_texts(texts)
            && self
                .archived
                .is_none_or(|archived| labels.archived_at.is_some() == archived)
            && self.idle_since.is_none_or(|at| last <= at)
            && self.takes_config(&run.config)
    }

    /// Whether one of the texts has the word.
    pub fn takes_texts(&self, texts: RunTexts<'_>) -> bool {
        let Some(word) = &self.word else {
            return true;
        };
        let word = word.to_lowercase();
        let policy = format!("{}/{}", texts.provider, texts.model);
        let own = [texts.run_id, texts.name, texts.note, &policy];
        let mut own = own.into_iter().chain(texts.tags.iter().map(String::as_str));
        own.any(|text| text.to_lowercase().contains(&word))
    }

    /// Whether a run's config has the values.
    pub fn takes_config(&self, config: &Value) -> bool {
        let mut wanted = self.config.iter();
        wanted.all(|(path, value)| config.pointer(path) == Some(value))
    }

    /// Texts that the JSON of a run's config contains if it has the values. A store searches them to leave out
    /// runs without parsing their configs; [`takes_config`](Self::takes_config) decides.
    pub fn config_fragments(&self) -> Vec<String> {
        // An object can be written with its keys in any order.
        let plain = self
            .config
            .iter()
            .filter(|(_, value)| !value.is_object() && !value.is_array());
        let fragments = plain.filter_map(|(path, value)| {
            let key = path.rsplit('/').next()?;
            // The last step into a list is a number, which the text does not have.
            let is_key = !key.is_empty() && !key.contains('~') && key.parse::<u64>().is_err();
            is_key.then(|| format!("{}:{value}", Value::from(key)))
        });
        fragments.collect()
    }
}
