//! What a run can cost and show, before it begins.

use gepa_engine::verdict::planned;
use gepa_engine::{Config, Plan};
use pyo3::prelude::*;
use serde_json::json;

use crate::session::{Parts, config_of, value_error};

/// Share of proposals that are accepted, where nothing is known.
const LIKELY_ACCEPTANCE: f64 = 0.3;

/// The plan of a run as JSON: `floor`, `likely`, `most`, `affordable`, and what its examples can show.
#[pyfunction]
#[pyo3(signature = (*, seed, train, pareto, held_out, settings))]
pub(crate) fn plan(
    seed: Vec<(String, String)>,
    train: Vec<u64>,
    pareto: Vec<u64>,
    held_out: Vec<u64>,
    settings: &str,
) -> PyResult<String> {
    let config: Config = config_of(
        &seed,
        Parts {
            train,
            pareto,
            held_out,
        },
        settings,
    )?
    .0;
    let plan = Plan::of(&config, None);
    let accepted = plan.likely.proposals.unwrap_or(1) as f64 * LIKELY_ACCEPTANCE;
    #[expect(clippy::cast_sign_loss, reason = "a share of a count is not negative")]
    let shows = planned(&config, accepted as u64);
    serde_json::to_string(&json!({"plan": plan, "shows": shows})).map_err(value_error)
}
