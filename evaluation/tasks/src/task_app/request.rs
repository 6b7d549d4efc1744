//! The body of a rollout request, in the shape every generation of apps understands.

use serde_json::{Map, Value, json};

use super::settings::TaskAppSettings;
use crate::interceptor::Lease;
use gepa_evaluation::{Phase, RolloutRequest};
use gepa_models::ModelSettings;

/// The body of `POST /rollout`.
pub(super) fn rollout_body(
    settings: &TaskAppSettings,
    policy: &ModelSettings,
    request: &RolloutRequest,
    seed: u64,
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
            "config": policy_config(settings, policy, lease),
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
    lease: &Lease,
) -> Map<String, Value> {
    let mut config = settings.policy_config.clone();
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
