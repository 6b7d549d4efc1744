//! Tests of the stores against their contract.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod columns;
mod conformance;
mod copy;
mod doctor;
mod everything;
mod faults;
mod fixture;
mod growth;
mod kill;
mod labels;
mod lookups;
mod postgres;
mod postgres_faults;
mod projection;
mod quotas;
mod round_trip;
mod script;
mod sqlite;
mod stale;
