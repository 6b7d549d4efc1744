//! The GEPA engine: evolves prompts against an evaluator, and can answer for everything it paid for.

mod counters;
mod event;
mod ids;
mod random;
pub mod record;
mod stop;
mod store;

pub use counters::{Counters, UsageShare};
pub use event::*;
pub use ids::{BadRunId, RunId, Seq, Timestamp, TrialKey, snapshot_id};
pub use random::{ChaChaStreams, DrawPurpose, RandomSource};
pub use stop::StopReason;
pub use store::{Claim, Store, StoreError};
