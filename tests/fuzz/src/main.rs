//! Fuzzes every reader of external data. `FUZZ_TARGET` names the reader. The driver is that of
//! libFuzzer, so its options apply. `run.sh` builds and runs all readers.

#![no_main]

mod api;
mod configs;
mod models;
mod prompts;
mod records;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

type Reader = fn(&[u8]);

const READERS: [(&str, Reader); 13] = [
    ("own_dialect", configs::file),
    ("job_dialect", configs::file),
    ("submission", configs::submission),
    ("reflection_reply", prompts::reflection_reply),
    ("placeholders", prompts::placeholders),
    ("substitution", prompts::substitution),
    ("task_app_response", models::task_app_response),
    ("provider_reply", models::provider_reply),
    ("event_stream", models::event_stream),
    ("process_line", models::process_line),
    ("journal", records::journal),
    ("database", records::database),
    ("api_query", api::query),
];

fuzz_target!(|data: &[u8]| {
    static READER: OnceLock<Reader> = OnceLock::new();
    let reader = READER.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = READERS.iter().find(|(known, _)| *known == name);
        let known: Vec<&str> = READERS.iter().map(|(known, _)| *known).collect();
        let (_, reader) = found.unwrap_or_else(|| panic!("FUZZ_TARGET must be one of {known:?}"));
        *reader
    });
    reader(data);
});
