//! Slots and limits over the time of a run: how many rollouts and reflections were in progress, and
//! what the limits on model calls allowed.
//!
//! Occupancy follows from the times in the journal. A rollout is in progress from the beginning of
//! its first attempt to the end of its last one, so pauses between attempts count.

mod clock;
mod missing;
mod notes;
mod read;
mod steps;

pub use notes::LimitNotes;
pub use read::read_occupancy;
pub use steps::{Call, Occupancy, OccupancyStep, StepLimit};

pub use clock::WorkClock;

use serde_json::json;

use crate::ids::RunId;
use crate::record::export::ExportColumn;

/// The columns of an exported step. Lists of limits are JSON. Where nothing was recorded they are empty,
/// and `limits_missing` says why.
pub const OCCUPANCY_EXPORT: &[ExportColumn<RunId, OccupancyStep>] = &[
    ("run_id", |run, _| json!(run)),
    ("from_seconds", |_, step| json!(step.from_seconds)),
    ("to_seconds", |_, step| json!(step.to_seconds)),
    ("started_at", |_, step| json!(step.started_at.to_string())),
    ("optimization", |_, step| json!(step.optimization)),
    ("validation", |_, step| json!(step.validation)),
    ("reflection", |_, step| json!(step.reflection)),
    ("ended", |_, step| json!(step.ended)),
    ("retries", |_, step| json!(step.retries)),
    ("failed", |_, step| json!(step.failed)),
    ("paused_seconds", |_, step| json!(step.paused_seconds)),
    ("stopped_seconds", |_, step| json!(step.stopped_seconds)),
    ("limits", |_, step| json!(step.limits)),
    ("limits_missing", |_, step| json!(step.limits_missing)),
];
