//! The body that `gepa train` submits to a backend.

use gepa_configs::{TASK_APP_KEY, TaskConfig};
use gepa_models::ApiKey;
use serde_json::{Value, json};

use crate::dialect::ROOT;

/// The config with overrides applied and with the task app's key in it. It goes only to a backend
/// that the user trusts with that key. A config in our own format is returned unchanged.
pub fn submission_body(task: &TaskConfig) -> Value {
    let mut body = task.config_body().clone();
    if body.get("algorithm").is_some() {
        body = json!({ROOT: body});
    }
    let given = task.task_app_key().map(ApiKey::reveal);
    let key = given.or_else(|| task.environment().get(TASK_APP_KEY));
    let job = body.get_mut(ROOT).and_then(Value::as_object_mut);
    if let (Some(job), Some(key)) = (job, key) {
        job.insert("task_app_api_key".to_owned(), key.into());
    }
    body
}
