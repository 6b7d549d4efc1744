//! Runs the published crate `gepa` on a world, through its public API alone, and says on stdout when
//! it took which candidate up.

mod adapter;
mod lines;
mod task;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gepa::core::data_loader::VecLoader;
use gepa::{Candidate, LMConfig, OptimizeConfig, StopConditionConfig, optimize};

use adapter::WorldAdapter;
use lines::Lines;
use task::{Settings, Task};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let settings = Settings::from_arguments()?;
    let task = Task::read(&settings.dataset)?;
    let adapter = WorldAdapter::new(&settings, &task.component)?;
    let seed = Candidate::from_iter([(task.component.clone(), task.seed_prompt.clone())]);
    let reflection = LMConfig {
        model: "reflector".to_owned(),
        base_url: settings.base.clone(),
        ..LMConfig::default()
    };
    let mut config = OptimizeConfig::new(
        seed,
        Arc::new(VecLoader::new(task.train)),
        Arc::new(VecLoader::new(task.pareto)),
        Arc::new(adapter),
        reflection,
    );
    config.rng_seed = Some(settings.seed);
    config.stop_condition = StopConditionConfig {
        max_metric_calls: Some(settings.budget),
        max_iterations: None,
        timeout: settings.seconds.map(Duration::from_secs),
    };
    config.callbacks = vec![Box::new(Lines::new(&task.component, &task.seed_prompt))];
    lines::start();
    optimize(config).await.map_err(|error| error.to_string())?;
    Ok(())
}
