//! Rollouts and reflections handed to workers on other machines, through NATS JetStream.
//!
//! The engine stays the only writer of the journal: [`QueueEvaluator`] and [`QueueProposer`] publish
//! work and wait for its answers; a [`Worker`] takes work, calls an evaluator or a proposer of its own
//! and publishes the answers. Neither side needs the other's address, and a worker needs no store.
//!
//! **What the stream guarantees.** Work lies in a work-queue stream until a worker acknowledges it,
//! which it does after its answers are stored in the stream of answers. A worker that stops saying that
//! it is still at work loses it to another one. So work is executed at least once. The subject of work
//! is a function of the run, the trial, the example and the attempt; the stream holds one message per
//! subject, and the first answer to it counts. So an outcome is settled at most once, and an engine
//! that died and resumed finds both the answers and the work it left behind.

mod answers;
mod connection;
mod desk;
mod error;
mod evaluator;
mod execution;
mod large;
mod names;
mod offer;
mod presence;
mod proposer;
mod serving;
mod settings;
mod shared_limits;
mod telemetry;
mod waiting;
mod wire;
mod worker;

pub use connection::Queue;
pub use desk::Desk;
pub use error::QueueError;
pub use evaluator::{Described, QueueEvaluator};
pub use names::new_id as new_process_name;
pub use offer::Offer;
pub use proposer::QueueProposer;
pub use serving::WorkerSettings;
pub use settings::{Address, DeskSettings, Login, without_password};
pub use shared_limits::LimitBucket;
pub use worker::{Served, Stop, Worker};
