//! A chat completions server on the loopback interface that misbehaves on demand and keeps books of
//! its own, so that a client's account can be checked against it.

mod answer;
mod connection;
mod fault;
mod http_date;
mod ledger;
mod reply;
mod request;
mod server;

pub use fault::{Fault, FaultPlan, RetryAfter};
pub use ledger::Ledger;
pub use reply::{ModelReply, ReportedUsage};
pub use request::ModelCall;
pub use server::{ModelServer, ModelServerBuilder};
