//! The commands; one module each.

mod ablate;
mod best;
mod blame;
mod branch;
mod check;
mod compare;
mod diff;
mod doctor;
mod eval;
mod export;
mod gate;
mod init;
mod measured;
mod open;
mod plan;
mod replay;
mod report;
mod run;
mod runs;
mod schema;
mod serve;
mod shell;
mod show;
mod start;
mod steer;
mod store_copy;
mod train;
#[cfg(feature = "queue")]
mod worker;

pub(crate) use ablate::ablate;
pub(crate) use best::best;
pub(crate) use blame::blame;
pub(crate) use branch::branch;
pub(crate) use check::check;
pub(crate) use compare::compare;
pub(crate) use diff::diff;
pub(crate) use doctor::doctor;
pub(crate) use eval::eval;
pub(crate) use export::export;
pub(crate) use gate::gate;
pub(crate) use init::init;
pub(crate) use open::open;
pub(crate) use replay::replay;
pub(crate) use report::report;
pub(crate) use run::run;
pub(crate) use runs::runs;
pub(crate) use schema::schema;
pub(crate) use serve::serve;
pub(crate) use shell::{completions, man};
pub(crate) use show::show;
pub(crate) use steer::steer;
pub(crate) use store_copy::store_copy;
pub(crate) use train::train;
#[cfg(feature = "queue")]
pub(crate) use worker::worker;
