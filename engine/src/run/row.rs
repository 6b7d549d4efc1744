//! The row of a run that has not begun.

use gepa_evaluation::EvaluatorInfo;

use crate::config::Config;
use crate::ids::{RunId, Timestamp};
use crate::record::{RunRow, RunSummary};

/// The row of a run with this configuration. Where the caller describes it in no other form, its
/// settings are stored as its description.
pub(super) fn run_row(
    run_id: RunId,
    config: &Config,
    described: &serde_json::Value,
    info: EvaluatorInfo,
) -> RunRow {
    RunRow {
        run_id,
        name: config.settings().run.name.clone(),
        created_at: Timestamp::now(),
        config: if described.is_null() {
            serde_json::json!(config.settings())
        } else {
            described.clone()
        },
        policy_provider: info.policy_provider,
        policy_model: info.policy_model,
        template: config.prompt().clone(),
        pareto: config.sets().pareto.clone(),
        validation: config.sets().validation.clone(),
        summary: RunSummary::default(),
    }
}
