//! The body of a rollout request, in the shape every generation of apps understands.

use serde_json::{Map, Value, json};

use super::settings::TaskAppSettings;
use crate::interceptor::Lease;
use gepa_archive::Candidate;
use gepa_evaluation::{Phase, RolloutRequest};
use gepa_models::ModelSettings;

/// The body of `POST /rollout`.
pub(super) fn rollout_body(
    settings: &TaskAppSettings,
    policy: &ModelSettings,
    request: &RolloutRequest,
    seed: u64,
    modules: &[Value],
    lease: &Lease,
) -> Value {
    json!({
        "run_id": &*request.run_id,
        "trace_correlation_id": lease.trace_id(),
        "env": {
            "env_name": settings.env_name,
            "seed": seed,
            "config": env_config(settings, request.phase(), seed),
        },
        "policy": {
            "policy_name": settings.policy_name.as_ref().unwrap_or(&settings.env_name),
            "policy_id": null,
            "config": policy_config(settings, policy, modules, lease),
            "assert_proxy": true,
            "proxy_only": true,
        },
        "ops": ["agent", "env"],
        "record": {"trajectories": true},
        "on_done": "reset",
        "safety": {"max_ops": 100_000, "max_time_s": 3600.0},
        "training_session_id": null,
        "synth_base_url": null,
        "mode": "eval",
    })
}

/// The split is named only where the config does: apps fail on a split they do not know.
fn env_config(settings: &TaskAppSettings, phase: Phase, seed: u64) -> Map<String, Value> {
    let mut config = Map::from_iter([("index".to_owned(), Value::from(seed))]);
    config.extend(settings.env_config.clone());
    let of_validation = settings
        .validation_split
        .as_ref()
        .filter(|_| phase == Phase::Validation);
    if let Some(split) = of_validation.or(settings.split.as_ref()) {
        config.insert("split".to_owned(), Value::from(split.as_str()));
    }
    config
}

/// The policy's settings win over the app's own settings.
fn policy_config(
    settings: &TaskAppSettings,
    policy: &ModelSettings,
    modules: &[Value],
    lease: &Lease,
) -> Map<String, Value> {
    let mut config = settings.policy_config.clone();
    hand_over(modules, &mut config);
    let fields = [
        ("model", Some(Value::from(policy.model.as_str()))),
        ("provider", Some(Value::from(policy.provider.as_str()))),
        ("temperature", policy.temperature.map(Value::from)),
        ("max_completion_tokens", policy.max_tokens.map(Value::from)),
        ("inference_url", Some(Value::from(lease.inference_url()))),
        ("trace_correlation_id", Some(Value::from(lease.trace_id()))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    }
    config
}

/// The pipeline's modules as apps read them, with the seed's instructions; empty where the app sends
/// every instruction by itself. The seed's texts are given for every candidate: the interceptor
/// replaces them in the app's calls, so a candidate reaches the model where its seed would.
pub(super) fn modules_to_hand_over(settings: &TaskAppSettings, seed: &Candidate) -> Vec<Value> {
    let pipeline = &settings.pipeline;
    if pipeline.iter().all(|module| module.baseline.is_some()) {
        return Vec::new();
    }
    let modules = pipeline.iter().map(|module| {
        let text = seed.text(&module.component).map_or("", |text| text);
        let given = if module.baseline.is_none() { text } else { "" };
        json!({"name": module.component, "instruction_text": given, "few_shots": []})
    });
    modules.collect()
}

/// Puts the modules where apps look for them, unless the config gives the app modules of its own.
fn hand_over(modules: &[Value], config: &mut Map<String, Value>) {
    if modules.is_empty() {
        return;
    }
    let mut template = taken(config, "prompt_template");
    let mut metadata = taken(&mut template, "prompt_metadata");
    let given = metadata.entry("pipeline_modules".to_owned());
    given.or_insert_with(|| Value::from(modules));
    template.insert("prompt_metadata".to_owned(), Value::Object(metadata));
    config.insert("prompt_template".to_owned(), Value::Object(template));
}

/// The table under `name`; an empty one where there is none.
fn taken(table: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match table.get_mut(name).map(Value::take) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    }
}
