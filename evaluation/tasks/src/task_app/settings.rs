//! What a config says about a task app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An HTTP task app that runs candidates on its own examples, addressed by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskAppSettings {
    /// The app's address, `http://` or `https://`.
    pub url: String,
    /// The variable that holds the app's key.
    #[serde(default = "default_api_key_env")]
    pub api_key_env: String,
    /// The environment's name, as the app knows it.
    pub env_name: String,
    /// Passed to every rollout as `env.config`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub env_config: Map<String, Value>,
    /// Passed to every rollout as `policy.policy_name`; the environment's name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
    /// Passed to every rollout inside `policy.config`, beside model, provider and limits.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub policy_config: Map<String, Value>,
    /// The split that seeds of the train and pareto sets address; the app's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The split that seeds of the validation set address; `split` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_split: Option<String>,
    /// The modules of a pipeline in the order of their model calls; empty for apps that make one
    /// kind of call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipeline: Vec<PipelineModule>,
    /// Put the candidate's system text in even where the app's own system message does not contain
    /// the seed's text: the app's message is replaced whole, or the text put in front where the app
    /// sends none. Without it such a rollout fails, since text of the app would be lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_system: bool,
    /// Seconds the interceptor takes at most to answer a call of the app; below the app's own limit
    /// for its model calls.
    #[serde(default = "default_answer_seconds")]
    pub answer_seconds: f64,
    /// Take the app's rollouts to be repeatable, so that known outcomes are reused.
    #[serde(default)]
    pub deterministic: bool,
    /// Lowest and highest score, where they are known; a score outside of them is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_range: Option<[f64; 2]>,
}

impl TaskAppSettings {
    /// Settings with everything but the address and the environment's name left at its default.
    pub fn new(url: impl Into<String>, env_name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key_env: default_api_key_env(),
            env_name: env_name.into(),
            env_config: Map::new(),
            policy_name: None,
            policy_config: Map::new(),
            split: None,
            validation_split: None,
            pipeline: Vec::new(),
            force_system: false,
            answer_seconds: default_answer_seconds(),
            deterministic: false,
            score_range: None,
        }
    }
}

/// One module of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineModule {
    /// The component that holds its instruction, and its name in the app.
    pub component: String,
    /// The text that the app sends for it by itself. Without it the app is given the seed's text in
    /// `policy.config.prompt_template.prompt_metadata.pipeline_modules` and must send that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
}

fn default_api_key_env() -> String {
    "ENVIRONMENT_API_KEY".to_owned()
}

/// The shortest limit known of an app is 30 seconds.
fn default_answer_seconds() -> f64 {
    25.0
}
