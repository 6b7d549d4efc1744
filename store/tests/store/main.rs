//! The stores against their contract.

mod conformance;
mod doctor;
mod everything;
mod faults;
mod fixture;
mod kill;
mod projection;
mod round_trip;
mod script;
mod sqlite;
