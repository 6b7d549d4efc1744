//! The types of a config file, as the user writes it.

use gepa_engine::config::{
    BudgetSettings, FinalSettings, MergeSettings, ReflectionSettings, RolloutSettings, RunSettings,
    SearchSettings, TextSettings, ValidationSettings,
};
use std::path::PathBuf;

use gepa_evaluation::ExampleId;
use gepa_models::{ModelSettings, PriceSettings, ProviderSettings};
use gepa_tasks::dataset::DatasetSettings;
use gepa_tasks::process::{ProcessProposerSettings, ProcessSettings};
use gepa_tasks::scorer::ScorerSettings;
use gepa_tasks::task_app::TaskAppSettings;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::workers::{LimitsSettings, WorkersSettings};

/// The whole file. Paths are relative to the folder of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RawConfig {
    /// Identity, randomness and schedule.
    pub run: RunSettings,
    /// The chat messages that a candidate becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptSettings>,
    /// Components that are not chat messages, with their seed texts.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub components: IndexMap<String, String>,
    /// The rows from which examples are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetSettings>,
    /// The example sets of an evaluator without a dataset, as ids and ranges such as `"0..50"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples: Option<ExampleSettings>,
    /// The evaluator, which runs a candidate on an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluator: Option<EvaluatorSettings>,
    /// How answers are scored; needed by the evaluator `dataset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scorer: Option<ScorerSettings>,
    /// The model that answers examples; needed by the evaluator `dataset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<ModelSettings>,
    /// What rewrites components; the reflection model if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposer: Option<ProposerSettings>,
    /// The model that rewrites components; the policy's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reflection_model: Option<ModelSettings>,
    /// The model that scores answers; needed by the scorer `llm_judge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<ModelSettings>,
    /// Base URLs, keys and limits, by provider.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub providers: IndexMap<String, ProviderSettings>,
    /// A price catalogue that wins over the one that is built in: a JSON file with `as_of` and a list
    /// `prices` of the same keys as `[[prices]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices_file: Option<PathBuf>,
    /// Prices that are not in the catalogue, or that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceSettings>,
    /// Texts of further candidates from which the search starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<IndexMap<String, String>>,
    /// How parents are selected, the size of minibatches, and when a child is accepted.
    pub search: SearchSettings,
    /// Merges of two candidates.
    pub merge: MergeSettings,
    /// The prompt of the reflection model, and which replies are accepted.
    pub reflection: ReflectionSettings,
    /// What the texts of components may become, by component.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub texts: IndexMap<String, TextSettings>,
    /// Retries, time limits, failures.
    pub rollouts: RolloutSettings,
    /// Rollouts executed by workers on other machines.
    #[serde(skip_serializing_if = "WorkersSettings::is_default")]
    pub workers: WorkersSettings,
    /// Limits that hold over several processes.
    #[serde(skip_serializing_if = "LimitsSettings::is_default")]
    pub limits: LimitsSettings,
    /// Limits and conditions that end the search.
    pub budget: BudgetSettings,
    /// The final scoring on validation examples.
    pub validation: ValidationSettings,
    /// Which candidate is the result.
    #[serde(rename = "final", skip_serializing_if = "FinalSettings::is_default")]
    pub final_choice: FinalSettings,
}

impl RawConfig {
    /// Whether components are rewritten without the reflection model.
    pub(crate) fn has_own_proposer(&self) -> bool {
        matches!(self.proposer, Some(ProposerSettings::Process(_)))
    }

    /// The model that rewrites components, and the section that names it.
    pub(crate) fn reflection_model(&self) -> (&'static str, Option<&ModelSettings>) {
        match &self.reflection_model {
            Some(settings) => ("reflection_model", Some(settings)),
            None => ("policy", self.policy.as_ref()),
        }
    }

    /// What rewrites components: `provider/model`, or the command of a process.
    pub(crate) fn writer(&self) -> Option<String> {
        if let Some(ProposerSettings::Process(settings)) = &self.proposer {
            return Some(format!("`{}`", settings.command.join(" ")));
        }
        let (_, model) = self.reflection_model();
        model.map(|model| format!("{}/{}", model.provider, model.model))
    }
}

/// `[prompt]`: the chat messages candidates become.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PromptSettings {
    /// The messages, in order.
    pub messages: Vec<MessageSettings>,
}

/// `[[prompt.messages]]`: one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MessageSettings {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The component whose seed text this message is. A message without a component is not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The text; `{column}` stands for a field of the example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A file with the text, instead of `pattern`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern_file: Option<String>,
}

/// `[examples]`: example sets by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExampleSettings {
    /// Minibatches are drawn from these.
    pub train: Vec<ExampleItem>,
    /// The fronts are kept over these.
    pub pareto: Vec<ExampleItem>,
    /// Held out for the final scoring.
    pub validation: Vec<ExampleItem>,
}

/// An id, or a range of integer ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ExampleItem(#[schemars(with = "serde_json::Value")] ExampleId);

impl<'de> Deserialize<'de> for ExampleItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ExampleId::deserialize(deserializer).map(Self)
    }
}

impl From<ExampleId> for ExampleItem {
    fn from(id: ExampleId) -> Self {
        Self(id)
    }
}

impl ExampleItem {
    /// The ids of this item. A range does not include its end: `"0..3"` is 0, 1 and 2.
    pub fn ids(&self) -> Result<Vec<ExampleId>, String> {
        let ExampleId::Name(name) = &self.0 else {
            return Ok(vec![self.0.clone()]);
        };
        let Some((from, to)) = name.split_once("..") else {
            return Ok(vec![self.0.clone()]);
        };
        let (Ok(from), Ok(to)) = (from.trim().parse::<u64>(), to.trim().parse::<u64>()) else {
            return Ok(vec![self.0.clone()]);
        };
        if from >= to {
            return Err(format!(
                "holds the empty range `{name}`; write it as `\"from..to\"` with to above from"
            ));
        }
        if to - from > MAX_RANGE {
            return Err(format!(
                "holds the range `{name}` of more than {MAX_RANGE} examples"
            ));
        }
        Ok((from..to).map(ExampleId::Seed).collect())
    }
}

/// Longest range. The limit keeps a mistyped range from filling the memory.
const MAX_RANGE: u64 = 10_000_000;

/// `[evaluator]`: what runs a candidate on an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EvaluatorSettings {
    /// The policy model answers the prompt filled from a row of `[dataset]`; `[scorer]` scores it.
    Dataset(DatasetTaskSettings),
    /// A program in any language, which is started once and exchanges JSON lines with the engine.
    Process(ProcessSettings),
    /// An HTTP task app; its model calls go through the embedded interceptor.
    TaskApp(TaskAppSettings),
}

/// `[evaluator]` with `kind = "dataset"`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetTaskSettings {
    /// Treat the policy's answers as repeatable (temperature 0), so that known outcomes are reused.
    pub deterministic: bool,
    /// Score answers with the reasoning they begin with, such as `<think>..</think>`, which is taken
    /// off otherwise.
    pub keep_reasoning: bool,
    /// Lowest and highest score, where they are known; a score outside of them is a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_range: Option<[f64; 2]>,
}

impl EvaluatorSettings {
    /// Lowest and highest score, where the config says them.
    pub fn score_range(&self) -> Option<[f64; 2]> {
        match self {
            Self::Dataset(settings) => settings.score_range,
            Self::Process(settings) => settings.score_range,
            Self::TaskApp(settings) => settings.score_range,
        }
    }
}

/// `[proposer]`: what rewrites components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProposerSettings {
    /// The reflection model, asked with the prompt of `[reflection]`.
    Model(ModelProposerSettings),
    /// A program of any language, started once and spoken to in JSON lines.
    Process(ProcessProposerSettings),
}

/// `[proposer]` with `kind = "model"`, which has no keys of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelProposerSettings {}
