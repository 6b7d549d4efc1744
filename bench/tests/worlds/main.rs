//! The simulated worlds: what they promise to those who measure against them.

mod client;
mod server;
