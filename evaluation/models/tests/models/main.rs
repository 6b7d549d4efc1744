//! The model client against a server that misbehaves in every documented way.

#![cfg(test)]

mod accounts;
mod days;
mod dialects;
mod faults;
mod keys;
mod limits;
mod odd_replies;
mod outages;
mod replies;
mod requests;
mod server;
mod support;
mod telemetry;
