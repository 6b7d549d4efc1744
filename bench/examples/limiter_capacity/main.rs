//! Measures the client with a provider whose hidden capacity changes over time, and compares it
//! with a client that knows the capacity. It is the real client over HTTP, with one run and with
//! three runs that share a key.
//!
//! Arguments: a part of a scenario's name, to play only the matching ones, and `--short` for a
//! third of the time. All scenarios play at once, each with its own server.
#![expect(clippy::print_stdout, reason = "it is a report")]

mod report;
mod scenarios;
mod world;

use std::error::Error;

use scenarios::scenarios;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_short = arguments.iter().any(|argument| argument == "--short");
    let wanted = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let mut playing = JoinSet::new();
    for (place, scenario) in scenarios(if is_short { 1.0 / 3.0 } else { 1.0 })
        .into_iter()
        .filter(|scenario| wanted.is_none_or(|part| scenario.name.contains(part)))
        .enumerate()
    {
        playing.spawn(async move {
            let played = world::play(scenario)
                .await
                .map_err(|error| error.to_string());
            (place, played)
        });
    }
    let mut played = Vec::new();
    while let Some(done) = playing.join_next().await {
        played.push(done?);
    }
    played.sort_by_key(|(place, _)| *place);
    report::header();
    for (_, played) in played {
        report::rows(&played?);
    }
    Ok(())
}
