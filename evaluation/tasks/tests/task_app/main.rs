//! The task-app evaluator against apps that behave as the recorded ones do, and worse.

#![cfg(test)]

mod app;
mod app_faults;
mod model_faults;
mod pipelines;
mod rollouts;
mod setup;
mod support;
