//! Reads the numbers of the search: budgets, population, archive.

use gepa_configs::RawConfig;
use gepa_engine::config::Evaluation;

use super::reader::Reader;
use super::spellings::{
    ARCHIVE_SIZE, CHILDREN, COUNTING_MODEL, CROSSOVER_RATE, ENFORCE_TOKEN_LIMIT, INITIAL_SIZE,
    MAX_CONCURRENT, MAX_COST_USD, MAX_ROLLOUTS, MAX_SECONDS, MAX_SPEND_USD, MAX_TOKENS, MAX_TRIALS,
    MINIBATCH_SIZE, MUTATION_RATE, NUM_GENERATIONS, PARETO_EPS, PATIENCE, ROLLOUT_BUDGET,
    SELECTION_PRESSURE, Spellings, TOKEN_LIMIT, VALIDATION_TOP_K,
};

const DEFAULT_CONCURRENT: u32 = 20;
const DEFAULT_MINIBATCH: u32 = 8;
const DEFAULT_GENERATIONS: u64 = 10;
const DEFAULT_CHILDREN: u64 = 5;
const DEFAULT_INITIAL_SIZE: u64 = 20;
const DEFAULT_PATIENCE: u64 = 3;
const DEFAULT_ARCHIVE_SIZE: u64 = 64;
const DEFAULT_RATE: f64 = 0.3;
const DEFAULT_PRESSURE: f64 = 1.0;
const DEFAULT_CROSSOVER: f64 = 0.5;
const DEFAULT_EPS: f64 = 1e-6;
/// Largest lag. With more proposals at once the state that each is based on only gets older.
const MOST_LAG: u64 = 64;
const CHARS_PER_TOKEN: u64 = 4;

/// Reads every number into `raw`, except the example sets.
pub(super) fn read_search(reader: &mut Reader<'_>, raw: &mut RawConfig) {
    reader.link("budget", &["gepa.rollout"]);
    // Clients read the scores of every candidate on all of the examples.
    raw.search.evaluation = Evaluation::Full;
    read_run(reader, raw);
    read_limits(reader, raw);
    read_population(reader, raw);
    read_archive(reader, raw);
    read_token_limit(reader, raw);
}

/// Reads the merge settings. Called when the number of components is known: a merge needs two.
pub(super) fn read_merge(reader: &mut Reader<'_>, raw: &mut RawConfig, components: usize) {
    let rate = reader.fraction(CROSSOVER_RATE).unwrap_or(DEFAULT_CROSSOVER);
    raw.merge.enabled = rate > 0.0 && components > 1;
}

fn read_run(reader: &mut Reader<'_>, raw: &mut RawConfig) {
    reader.link("run.max_concurrent", MAX_CONCURRENT);
    reader.link("run.seed", &["gepa.rng_seed"]);
    reader.link("search.minibatch_size", MINIBATCH_SIZE);
    reader.link("validation.top_k", VALIDATION_TOP_K);
    raw.run.max_concurrent = reader.count32(MAX_CONCURRENT).unwrap_or(DEFAULT_CONCURRENT);
    raw.run.seed = reader.count(&["gepa.rng_seed"], 0).unwrap_or_default();
    raw.search.minibatch_size = reader.count32(MINIBATCH_SIZE).unwrap_or(DEFAULT_MINIBATCH);
    if let Some(top_k) = reader.count32(VALIDATION_TOP_K) {
        raw.validation.top_k = top_k;
    }
}

fn read_limits(reader: &mut Reader<'_>, raw: &mut RawConfig) {
    let positive = |number: f64| number > 0.0;
    let budget = reader.count(ROLLOUT_BUDGET, 1);
    let most = reader.count(MAX_ROLLOUTS, 1);
    let is_budget = budget.is_some_and(|budget| most.is_none_or(|most| budget <= most));
    reader.link(
        "budget.max_rollouts",
        if is_budget || most.is_none() {
            ROLLOUT_BUDGET
        } else {
            MAX_ROLLOUTS
        },
    );
    raw.budget.max_rollouts = [budget, most].into_iter().flatten().min();
    reader.link("budget.max_cost_usd", MAX_COST_USD);
    let costs = [
        reader.number(MAX_COST_USD, "above 0", positive),
        reader.number(MAX_SPEND_USD, "above 0", positive),
    ];
    raw.budget.max_cost_usd = costs.into_iter().flatten().reduce(f64::min);
    reader.link("budget.max_tokens", MAX_TOKENS);
    raw.budget.max_tokens = reader.count(MAX_TOKENS, 1);
    reader.link("budget.max_seconds", MAX_SECONDS);
    raw.budget.max_seconds = reader.number(MAX_SECONDS, "above 0", positive);
}

fn read_population(reader: &mut Reader<'_>, raw: &mut RawConfig) {
    let generations = reader
        .count(NUM_GENERATIONS, 1)
        .unwrap_or(DEFAULT_GENERATIONS);
    let children = reader.count(CHILDREN, 1).unwrap_or(DEFAULT_CHILDREN);
    let initial = reader
        .count(INITIAL_SIZE, 1)
        .unwrap_or(DEFAULT_INITIAL_SIZE);
    let patience = reader.count(PATIENCE, 0).unwrap_or(DEFAULT_PATIENCE);
    let trials = reader.count(MAX_TRIALS, 1);
    reader.link(
        "budget.max_iterations",
        if trials.is_some() {
            MAX_TRIALS
        } else {
            NUM_GENERATIONS
        },
    );
    reader.link("budget.no_improvement_iterations", PATIENCE);
    reader.link("run.gate_lag", CHILDREN);
    reader.link("run.pareto_lag", CHILDREN);
    let planned = generations
        .saturating_mul(children)
        .saturating_add(initial - 1);
    // The seed is the first trial, and it is not an iteration.
    let allowed = trials.map(|trials| (trials - 1).max(1));
    raw.budget.max_iterations = Some(allowed.map_or(planned, |allowed| allowed.min(planned)));
    raw.budget.no_improvement_iterations =
        (patience > 0).then(|| patience.saturating_mul(children));
    raw.run.gate_lag = children.min(MOST_LAG) as u32;
    raw.run.pareto_lag = raw.run.pareto_lag.max(raw.run.gate_lag);
    if initial != DEFAULT_INITIAL_SIZE {
        let key = reader.key(INITIAL_SIZE);
        reader.note(&key, "starts no population: the search grows from one prompt; it counts towards the iterations");
    }
    let pressure = reader.number(SELECTION_PRESSURE, "a number of 1 or more", |number| {
        number >= 1.0
    });
    note_unlike(
        reader,
        SELECTION_PRESSURE,
        pressure,
        DEFAULT_PRESSURE,
        "parents are drawn from the Pareto front",
    );
    let rate = reader.fraction(MUTATION_RATE);
    note_unlike(
        reader,
        MUTATION_RATE,
        rate,
        DEFAULT_RATE,
        "every proposal rewrites one component",
    );
}

fn read_archive(reader: &mut Reader<'_>, raw: &mut RawConfig) {
    reader.link("search.archive_max_size", ARCHIVE_SIZE);
    let threshold: Spellings = &["gepa.archive.min_score_threshold"];
    reader.link("search.archive_min_score", threshold);
    let size = reader
        .count(ARCHIVE_SIZE, 0)
        .unwrap_or(DEFAULT_ARCHIVE_SIZE);
    // Clients accept 0, but an archive of size 0 would end every search.
    raw.search.archive_max_size = (size > 0).then(|| u32::try_from(size).unwrap_or(u32::MAX));
    let least = reader.number(threshold, "a number", |_| true);
    raw.search.archive_min_score = least.filter(|least| *least != 0.0);
    let eps = reader.number(PARETO_EPS, "a number between 0 and 1", |number| {
        number > 0.0 && number < 1.0
    });
    note_unlike(
        reader,
        PARETO_EPS,
        eps,
        DEFAULT_EPS,
        "fronts compare scores exactly",
    );
}

fn read_token_limit(reader: &mut Reader<'_>, raw: &mut RawConfig) {
    reader.link("reflection.max_text_chars", TOKEN_LIMIT);
    let limit = reader.count(TOKEN_LIMIT, 1);
    let is_enforced = reader.flag(ENFORCE_TOKEN_LIMIT).unwrap_or(true);
    // Lengths are estimated at four characters a token, since this engine has no tokenizers.
    let _ = reader.text(COUNTING_MODEL);
    if let Some(limit) = limit.filter(|_| is_enforced) {
        let most = u64::from(raw.reflection.max_text_chars);
        raw.reflection.max_text_chars = limit.saturating_mul(CHARS_PER_TOKEN).min(most) as u32;
    }
}

fn note_unlike(
    reader: &mut Reader<'_>,
    spellings: Spellings,
    set: Option<f64>,
    usual: f64,
    why: &str,
) {
    if set.is_some_and(|set| set != usual) {
        let key = reader.key(spellings);
        reader.note(&key, format!("has no effect: {why}"));
    }
}
