//! What is wrong with settings, example sets, prompts and reflection prompts.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::PromptTemplate;
use indexmap::IndexMap;

use super::budget::BudgetSettings;
use super::problem::Problem;
use super::reflection::RewriteMode;
use super::removed::removed_values;
use super::settings::{RunSettings, Settings};
use crate::reflection::Template;

/// The most proposals of one generation. The limit keeps a typing error from filling the memory.
const LARGEST_GENERATION: u32 = 10_000;

pub(super) fn check_numbers(settings: &Settings, problems: &mut Vec<Problem>) {
    let Settings {
        run,
        search,
        reflection,
        rollouts,
        final_choice,
        ..
    } = settings;
    let fraction = |value: f64| (0.0..=1.0).contains(&value);
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let finite_or_absent = |value: Option<f64>| value.is_none_or(f64::is_finite);
    let at_least_one = [
        (run.gate_lag, "run.gate_lag"),
        (run.max_concurrent, "run.max_concurrent"),
        (search.minibatch_size, "search.minibatch_size"),
        (search.top_k, "search.top_k"),
        (
            search.archive_max_size.unwrap_or(1),
            "search.archive_max_size",
        ),
        (settings.hypotheses(), "reflection.hypotheses"),
        (reflection.max_attempts, "reflection.max_attempts"),
        (
            reflection.max_failures_in_a_row,
            "reflection.max_failures_in_a_row",
        ),
        (reflection.max_concurrent, "reflection.max_concurrent"),
        (reflection.max_text_chars, "reflection.max_text_chars"),
        (rollouts.max_attempts, "rollouts.max_attempts"),
    ];
    let counts = at_least_one.map(|(value, key)| (value >= 1, key, "must be at least 1"));
    let finite = "must be a finite number";
    let between = "must lie between 0 and 1";
    let backoff = rollouts.backoff_seconds;
    let others = [
        (fraction(search.epsilon), "search.epsilon", between),
        (
            final_choice
                .keep_seed_below
                .is_none_or(|share| (0.5..=1.0).contains(&share)),
            "final.keep_seed_below",
            "must lie between 0.5 and 1",
        ),
        (
            finite_or_absent(search.perfect_score),
            "search.perfect_score",
            finite,
        ),
        (
            finite_or_absent(search.archive_min_score),
            "search.archive_min_score",
            finite,
        ),
        (
            reflection.max_prompt_chars >= 1_000,
            "reflection.max_prompt_chars",
            "must be at least 1000",
        ),
        (
            positive(rollouts.timeout_seconds),
            "rollouts.timeout_seconds",
            "must be above 0",
        ),
        (
            backoff.is_finite() && backoff >= 0.0,
            "rollouts.backoff_seconds",
            "must be 0 or more",
        ),
        (
            fraction(rollouts.max_failure_fraction),
            "rollouts.max_failure_fraction",
            between,
        ),
    ];
    for (holds, key, message) in counts.into_iter().chain(others) {
        if !holds {
            problems.push(Problem::new(key, message));
        }
    }
}

pub(super) fn check_limits(budget: &BudgetSettings, problems: &mut Vec<Problem>) {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let checks = [
        (
            budget.max_cost_usd.is_none_or(positive),
            "budget.max_cost_usd",
            "must be above 0",
        ),
        (
            budget.max_seconds.is_none_or(positive),
            "budget.max_seconds",
            "must be above 0",
        ),
        (
            budget.target_score.is_none_or(f64::is_finite),
            "budget.target_score",
            "must be a finite number",
        ),
        (
            budget.least_spread.is_none_or(positive),
            "budget.least_spread",
            "must be above 0",
        ),
        (
            budget.ends_every_run(),
            "budget",
            "sets no limit that ends every run; set one, for example `max_rollouts = 500`",
        ),
    ];
    for (holds, key, message) in checks {
        if !holds {
            problems.push(Problem::new(key, message));
        }
    }
}

pub(super) fn check_schedule(run: &RunSettings, problems: &mut Vec<Problem>) {
    if run.pareto_lag < run.gate_lag {
        problems.push(Problem::new(
            "run.pareto_lag",
            "must be at least `run.gate_lag`",
        ));
    }
    problems.extend(removed_values(run));
}

pub(super) fn check_generation(settings: &Settings, problems: &mut Vec<Problem>) {
    let search = &settings.search;
    let (parents, batches) = (search.parents_per_generation, search.batches_per_parent);
    let keep = search.keep_best.unwrap_or(1);
    if search.start_best.is_some() && search.start_from.is_none() {
        let message = "has no effect without `search.start_from`; name a run there";
        problems.push(Problem::new("search.start_best", message));
    }
    let at_least_one = [
        (parents, "search.parents_per_generation"),
        (batches, "search.batches_per_parent"),
        (keep, "search.keep_best"),
        (search.start_best.unwrap_or(1), "search.start_best"),
    ];
    for (value, key) in at_least_one {
        if value == 0 {
            problems.push(Problem::new(key, "must be at least 1"));
        }
    }
    let size = parents
        .checked_mul(batches)
        .and_then(|tasks| tasks.checked_mul(settings.hypotheses()));
    if size.is_none_or(|size| size > LARGEST_GENERATION) {
        problems.push(Problem::new(
            "search.batches_per_parent",
            format!(
                "makes more than {LARGEST_GENERATION} proposals with `search.parents_per_generation` \
                 and `reflection.hypotheses`; make one of them smaller"
            ),
        ));
    }
}

pub(super) fn check_prompt(seed: &Candidate, prompt: &PromptTemplate, problems: &mut Vec<Problem>) {
    for (position, message) in prompt.messages.iter().enumerate() {
        let Some(component) = &message.component else {
            continue;
        };
        if seed.text(component).is_none() {
            problems.push(Problem::new(
                format!("prompt.messages[{position}].component"),
                format!("names component `{component}`, which the seed candidate does not have"),
            ));
        }
    }
}

pub(super) fn compile_templates(
    seed: &Candidate,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> IndexMap<Arc<str>, Template> {
    let reflection = &settings.reflection;
    for name in reflection.templates.keys() {
        if seed.text(name).is_none() {
            let known: Vec<&str> = seed.components().keys().map(|name| &**name).collect();
            problems.push(Problem::new(
                format!("reflection.templates.{name}"),
                format!(
                    "names no component; the candidate has: {}",
                    known.join(", ")
                ),
            ));
        }
    }
    let mut compiled = IndexMap::new();
    for name in seed.components().keys() {
        let (key, text) = match (reflection.templates.get(&**name), &reflection.template) {
            (Some(own), _) => (format!("reflection.templates.{name}"), own.as_str()),
            (None, Some(shared)) => ("reflection.template".to_owned(), shared.as_str()),
            (None, None) => {
                let own = settings.texts.get(&**name).and_then(|own| own.mode);
                let text = match own.unwrap_or(reflection.mode) {
                    RewriteMode::Rewrite => Template::DEFAULT,
                    RewriteMode::Edit => Template::DEFAULT_FOR_EDITS,
                };
                ("reflection.template".to_owned(), text)
            }
        };
        match Template::parse(text) {
            Ok(template) => {
                compiled.insert(Arc::clone(name), template);
            }
            Err(error) => problems.push(Problem::new(key, error.to_string())),
        }
    }
    compiled
}
