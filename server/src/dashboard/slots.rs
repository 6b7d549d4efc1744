//! Slots and limits over the time of a run, as `gepa export --what slots` has them.

use gepa_engine::occupancy::{Call, OCCUPANCY_EXPORT, Occupancy};
use gepa_engine::record::export::object;
use serde_json::{Value, json};

use super::rollout_index::RolloutIndex;
use super::run_rows::RunRows;

pub(super) fn slots(rows: &RunRows, index: &RolloutIndex) -> Value {
    let mut occupancy = Occupancy::new(&rows.run.summary);
    for call in index
        .entries()
        .iter()
        .map(super::rollout_index::Entry::call)
    {
        occupancy.add(&call);
    }
    for row in rows.reflections.iter() {
        occupancy.add(&Call::reflection(row));
    }
    occupancy.add_notes(index.notes(), &rows.run);
    let steps = occupancy.steps();
    let setting = |section, key| rows.run.setting(section, key);
    json!({
        "slots": {
            "rollouts": setting("run", "max_concurrent"),
            "reflections": setting("reflection", "max_concurrent"),
        },
        "has_rests": occupancy.has_rests(),
        "steps": steps.iter().map(|step| object(OCCUPANCY_EXPORT, &rows.run.run_id, step)).collect::<Vec<_>>(),
    })
}
