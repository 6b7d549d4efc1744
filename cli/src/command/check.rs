//! `gepa check`

mod online;
mod trial;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use gepa_configs::{ConfigSource, Started, TaskConfig};
use gepa_engine::Plan;
use gepa_models::Models;
use gepa_tasks::Services;

use crate::arguments::CheckArguments;
use crate::command::plan::say_refusal;
use crate::command::start::{look_at_start, start_line};
use crate::error::{CommandError, EXIT_BUDGET};
use crate::output::{err, people};
use crate::report::write_planned;
use crate::surroundings::{block_on, environment, show_notes, show_warnings, store_url};

/// How long a program may take to say hello before a check goes on without it.
const LONGEST_START: Duration = Duration::from_secs(5);

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
    let start = block_on(async {
        show_warnings(&task, &arguments.store, &environment).await;
        look_at_start(&store_url(&arguments.store, &environment), &task).await
    })?;
    let started = start_programs(&task, arguments)?;
    let mut out = people();
    let plan = plan_of(&task)?;
    write_summary(&mut out, &task, arguments, &started)?;
    if let Some(start) = &start {
        writeln!(out, "{}", start_line(start))?;
    }
    write_planned(&mut out, &task.config, &plan)?;
    out.flush()?;
    if arguments.online
        && let Some(exit_code) = online::look(&task)?
    {
        return Ok(exit_code);
    }
    if plan.affordable {
        if arguments.tries_one {
            return trial::try_one(&task);
        }
        return Ok(ExitCode::SUCCESS);
    }
    say_refusal(&plan, &task.config);
    Ok(ExitCode::from(EXIT_BUDGET))
}

/// Starts the programs of the config and ends them again, unless one example is run with them later.
fn start_programs(task: &TaskConfig, arguments: &CheckArguments) -> Result<Started, CommandError> {
    if arguments.no_programs || arguments.tries_one {
        return Ok(Started::default());
    }
    let started = block_on(async { Ok(task.try_programs(LONGEST_START).await?) })?;
    for note in &started.slow {
        let _ = writeln!(err(), "note: {note}");
    }
    Ok(started)
}

/// The plan, with tokens, cost and the range of scores where a limit on them is set and no program has to be
/// started.
fn plan_of(task: &TaskConfig) -> Result<Plan, CommandError> {
    let budget = &task.config.settings().budget;
    let needs_models = budget.max_tokens.is_some()
        || budget.max_cost_usd.is_some()
        || budget.target_score.is_some();
    if task.starts_programs() || !needs_models {
        return Ok(Plan::of(&task.config, None));
    }
    let services = Services::new(task.environment().clone());
    block_on(async {
        // Without its models the plan still counts rollouts.
        let connected = task.connect(&services).await.ok();
        let parts = connected.as_ref();
        let parts = parts.map(|parts| (&*parts.evaluator, &*parts.proposer));
        Ok(Plan::of(&task.config, parts))
    })
}

fn write_summary(
    out: &mut dyn Write,
    task: &TaskConfig,
    arguments: &CheckArguments,
    started: &Started,
) -> std::io::Result<()> {
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
        "config    `{}` is valid{}",
        config.settings().run.name,
        if arguments.tries_one || arguments.online {
            ""
        } else {
            "; no model was called (`--online` asks whether models and app are there, `--try` runs one \
             example)"
        }
    )?;
    if !started.ready.is_empty() {
        writeln!(
            out,
            "programs  said hello and were ended: {}",
            started.ready.join(", ")
        )?;
    }
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
    if task.config.settings().budget.max_iterations == Some(0) {
        return writeln!(
            out,
            "rollouts  those of the seed: `budget.max_iterations` = 0 allows no proposal"
        );
    }
    writeln!(
        out,
        "rollouts  at least {} for one proposal; `gepa run --plan` shows what a run can cost",
        config.floor_rollouts()
    )
}
