//! The simulated worlds: what they promise to those who measure against them.

#![cfg(test)]

mod client;
mod models;
mod reflection;
mod server;
mod truth;
mod twin;
