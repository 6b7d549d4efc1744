//! Fakes for the tests of every crate: scripted models and evaluators, a loopback model server that
//! fails on demand, and the random generator and the scores of the reference implementation's
//! recorded runs. Only tests, benchmarks and fuzzers depend on this crate.

mod fixed_evaluator;
mod model_server;
mod nats_server;
mod optional_data;
mod scripted_model;
mod unsteady_proxy;
mod world;

pub use fixed_evaluator::FixedEvaluator;
pub use gepa_archive::MersenneTwister;
pub use model_server::{
    Behaviour, Capacity, CapacityPlan, Demand, Fault, FaultPlan, Ledger, ModelCall, ModelCount,
    ModelReply, ModelServer, ModelServerBuilder, Overload, Period, PeriodBooks, ReportedUsage,
    RetryAfter, Verdict, oracle,
};
pub use nats_server::NatsServer;
pub use optional_data::{optional_data, report_skip};
pub use scripted_model::ScriptedModel;
pub use unsteady_proxy::UnsteadyProxy;
pub use world::{Rewriting, World};
