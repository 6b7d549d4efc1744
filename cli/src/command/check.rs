//! `gepa check`

use std::io::Write;
use std::process::ExitCode;

use gepa_configs::{ConfigSource, TaskConfig};
use gepa_engine::Plan;
use gepa_models::Models;

use crate::arguments::CheckArguments;
use crate::command::plan::refusal;
use crate::error::{CommandError, EXIT_BUDGET};
use crate::output::stdout;
use crate::surroundings::{environment, show_notes};

pub(crate) fn check(arguments: &CheckArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    let source = ConfigSource {
        file: &arguments.config,
        environment: &environment,
        overrides: &arguments.overrides,
        dialects: gepa_jobs::DIALECTS,
    };
    let task = source.load()?;
    show_notes(&task);
    task.check_models(&Models::new(task.environment().clone()))?;
    let mut out = stdout();
    write_summary(&mut out, &task)?;
    out.flush()?;
    let plan = Plan::of(&task.config, None);
    if plan.affordable {
        return Ok(ExitCode::SUCCESS);
    }
    let _ = writeln!(std::io::stderr(), "error: {}", refusal(&task.config));
    Ok(ExitCode::from(EXIT_BUDGET))
}

fn write_summary(out: &mut dyn Write, task: &TaskConfig) -> std::io::Result<()> {
    let config = &task.config;
    let sets = config.sets();
    let components: Vec<&str> = config
        .seed()
        .components()
        .keys()
        .map(|name| &**name)
        .collect();
    writeln!(
        out,
        "config    `{}` is valid; the evaluator and the models were not tried",
        config.settings().run.name
    )?;
    writeln!(out, "evolves   {}", components.join(", "))?;
    writeln!(
        out,
        "examples  {} train, {} pareto, {} validation",
        sets.train.len(),
        sets.pareto.len(),
        sets.validation.len()
    )?;
    if let Some((provider, model)) = task.policy() {
        writeln!(out, "policy    {provider}/{model}")?;
    }
    if let Some(writer) = task.writer() {
        writeln!(out, "rewrites  {writer}")?;
    }
    writeln!(
        out,
        "rollouts  at least {} for one proposal; `gepa run --plan` shows what a run can cost",
        config.floor_rollouts()
    )
}
