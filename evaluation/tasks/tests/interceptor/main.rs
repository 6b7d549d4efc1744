//! The interceptor: what it does to calls, and what it lets nobody do.

#![cfg(test)]

mod answers;
mod captures;
mod ids;
mod streaming;
mod substitution;
mod support;
