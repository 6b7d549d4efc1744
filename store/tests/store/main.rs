//! The stores against their contract.

mod conformance;
mod everything;
mod script;
