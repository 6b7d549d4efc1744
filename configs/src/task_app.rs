//! Checks of a task whose evaluator is an HTTP task app.

use std::time::Duration;

use gepa_archive::Candidate;
use gepa_engine::Problem;
use gepa_evaluation::ExampleId;
use gepa_models::Models;
use gepa_tasks::Services;
use gepa_tasks::task_app::{TaskAppEvaluator, TaskAppParts, TaskAppSettings};

use crate::raw::{EvaluatorSettings, RawConfig};
use crate::task::{RULEBOOK, TaskConfig, problem};

/// The app gets this share of the run's time limit for a rollout. The rest is for accounting.
const SHARE_OF_LIMIT: f64 = 0.98;

/// Longest time limit that is supported.
const LONGEST_SECONDS: f64 = 1e9;

impl TaskConfig {
    pub(crate) async fn task_app_evaluator(
        &self,
        settings: &TaskAppSettings,
        models: &Models,
        services: &Services,
    ) -> Result<TaskAppEvaluator, Vec<Problem>> {
        let Some(policy) = &self.raw.policy else {
            return Err(vec![Problem::new("policy", POLICY_MISSING)]);
        };
        let policy = models
            .connect(policy, &self.raw.providers, &self.raw.prices)
            .map_err(|error| problem("policy", &error))?;
        let rollouts = &self.raw.rollouts;
        let limit = (rollouts.timeout_seconds * SHARE_OF_LIMIT).clamp(0.0, LONGEST_SECONDS);
        let parts = TaskAppParts {
            settings: settings.clone(),
            api_key: self.task_app_key.clone(),
            template: self.config.prompt().clone(),
            seed: Candidate::clone(self.config.seed()),
            policy,
            interceptor: services.interceptor.clone(),
            rollout_limit: Duration::from_secs_f64(limit),
            attempts: rollouts.max_attempts,
        };
        let connected = TaskAppEvaluator::connect(parts, models.environment()).await;
        connected.map_err(|error| problem("evaluator", &error))
    }
}

const POLICY_MISSING: &str =
    "is missing; the evaluator `task_app` needs a model: name `provider` and `model`";

/// Checks that the config has the parts that a task app needs, and none that it does not use.
pub(crate) fn check_parts(
    raw: &RawConfig,
    evaluator: &EvaluatorSettings,
    problems: &mut Vec<Problem>,
) {
    let EvaluatorSettings::TaskApp(_) = evaluator else {
        return;
    };
    let policy = raw.policy.as_ref();
    if policy.is_none() {
        problems.push(Problem::new("policy", POLICY_MISSING));
    }
    if policy.is_some_and(|policy| policy.provider == RULEBOOK) {
        problems.push(Problem::new(
            "policy.provider",
            "is `rulebook`, which cannot answer an app's calls; name a provider with an address",
        ));
    }
    if raw.dataset.is_some() {
        problems.push(Problem::new(
            "dataset",
            "cannot be used with the evaluator `task_app`, which has its own examples; name their \
             seeds in `[examples]`",
        ));
    }
    let Some(examples) = &raw.examples else {
        return;
    };
    let sets = [
        ("train", &examples.train),
        ("pareto", &examples.pareto),
        ("validation", &examples.validation),
    ];
    for (name, items) in sets {
        let ids = items.iter().filter_map(|item| item.ids().ok()).flatten();
        let names = ids.filter_map(|id| match id {
            ExampleId::Name(name) => Some(name),
            ExampleId::Seed(_) => None,
        });
        if let Some(id) = names.into_iter().next() {
            problems.push(Problem::new(
                format!("examples.{name}"),
                format!("holds `{id}`; a task app's examples are seeds, that is integers"),
            ));
        }
    }
}

/// Checks that every module of the pipeline is a component.
pub(crate) fn check_pipeline(
    evaluator: &EvaluatorSettings,
    seed: Option<&Candidate>,
    problems: &mut Vec<Problem>,
) {
    let (EvaluatorSettings::TaskApp(settings), Some(seed)) = (evaluator, seed) else {
        return;
    };
    for (position, module) in settings.pipeline.iter().enumerate() {
        if seed.text(&module.component).is_none() {
            let known: Vec<&str> = seed.components().keys().map(|name| &**name).collect();
            problems.push(Problem::new(
                format!("evaluator.pipeline[{position}].component"),
                format!(
                    "is `{}`, which is not a component; the components are: {}",
                    module.component,
                    known.join(", ")
                ),
            ));
        }
    }
}
