//! Properties of the simulated worlds on which measurements rely.

#![cfg(test)]

mod client;
mod models;
mod reflection;
mod server;
mod truth;
mod twin;
