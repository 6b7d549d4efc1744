//! A chat completions server on loopback that fails on demand and counts calls and tokens itself,
//! so that a client's counts can be checked against it.

mod answer;
mod behaviour;
mod capacity;
mod connection;
mod control;
mod fault;
mod ledger;
mod open_call;
mod place;
mod reply;
mod request;
mod retry_after;
mod server;
mod shared;

pub use behaviour::Behaviour;

pub use capacity::{
    Capacity, CapacityPlan, Demand, Overload, Period, PeriodBooks, Verdict, oracle,
};
pub use fault::{Fault, FaultPlan, RetryAfter};
pub use ledger::{Ledger, ModelCount};
pub use reply::{ModelReply, ReportedUsage};
pub use request::ModelCall;
pub use server::{ModelServer, ModelServerBuilder};
