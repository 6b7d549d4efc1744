//! Properties of the simulated worlds on which measurements rely.

#![cfg(test)]

mod calibration;
mod client;
mod models;
mod reflection;
mod server;
mod texts;
mod truth;
mod twin;
