//! The interceptor: how it changes calls, and which calls it refuses.

#![cfg(test)]

mod answers;
mod captures;
mod ids;
mod streaming;
mod substitution;
mod substitution_laws;
mod support;
