//! The model client against a server that misbehaves in every documented way.

#![cfg(test)]

mod faults;
mod keys;
mod limits;
mod outages;
mod replies;
mod requests;
mod server;
mod support;
mod telemetry;
