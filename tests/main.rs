//! Tests of the `gepa` binary, used as people and scripts use it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ablations;
mod accounting;
mod broken_configs;
mod check_finds;
mod config_reference;
mod crashes;
mod data_files;
mod evaluations;
mod exit_codes;
mod extending;
mod first_failure;
mod former_stores;
mod gates;
mod getting_started;
mod hostile_http;
mod hostile_texts;
mod interruptions;
mod jobs;
mod killed_runs;
mod outputs;
mod own_data;
mod processes;
mod replays;
mod run_labels;
mod secrets;
mod serving;
mod settings_of_runs;
#[cfg(feature = "otel")]
mod spans;
mod steering;
mod store_checks;
mod support;
mod sweeps;
#[path = "../evaluation/tasks/tests/task_app/app.rs"]
#[expect(dead_code, reason = "only its well-behaved side is needed here")]
mod task_app;
mod task_app_runs;
mod train;
mod unknown_costs;
mod workers;
