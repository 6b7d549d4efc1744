//! The commands; one module each.

mod best;
mod branch;
mod check;
mod diff;
mod doctor;
mod eval;
mod export;
mod gate;
mod plan;
mod replay;
mod run;
mod runs;
mod schema;
mod serve;
mod show;
mod train;

pub(crate) use best::best;
pub(crate) use branch::branch;
pub(crate) use check::check;
pub(crate) use diff::diff;
pub(crate) use doctor::doctor;
pub(crate) use eval::eval;
pub(crate) use export::export;
pub(crate) use gate::gate;
pub(crate) use replay::replay;
pub(crate) use run::run;
pub(crate) use runs::runs;
pub(crate) use schema::schema;
pub(crate) use serve::serve;
pub(crate) use show::show;
pub(crate) use train::train;
