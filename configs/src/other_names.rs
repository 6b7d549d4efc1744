//! Keys under the names that other programs give them, and where they stand here.

/// The names of the reference implementation and of programs built on it, with the keys of this one.
const NAMES: [(&str, &str); 40] = [
    ("max_metric_calls", "`budget.max_rollouts`"),
    (
        "max_full_evals",
        "`budget.max_rollouts`, in rollouts and not in whole sets",
    ),
    ("auto", "`budget.max_rollouts`, in rollouts"),
    (
        "max_reflection_cost",
        "`budget.max_cost_usd`, for all models together",
    ),
    ("skip_perfect_score", "`search.skip_perfect`"),
    ("perfect_score", "`search.perfect_score`"),
    ("reflection_minibatch_size", "`search.minibatch_size`"),
    (
        "batch_sampler",
        "`search.minibatch_size`; minibatches go through the shuffled train set",
    ),
    ("candidate_selection_strategy", "`search.parent`"),
    ("candidate_selector", "`search.parent`"),
    ("module_selector", "`search.components`"),
    ("component_selector", "`search.components`"),
    ("frontier_type", "`search.frontier`"),
    ("acceptance_criterion", "`search.acceptance`"),
    ("cache_evaluation", "`search.reuse_outcomes`"),
    (
        "val_evaluation_policy",
        "`[search]`, which evaluates the whole pareto set by default",
    ),
    ("use_merge", "`merge.enabled`"),
    ("max_merge_invocations", "`merge.max_invocations`"),
    ("merge_val_overlap_floor", "`merge.overlap_floor`"),
    (
        "reflection_prompt_template",
        "`reflection.template` or `reflection.template_file`",
    ),
    (
        "instruction_proposer",
        "`[proposer]` with `kind = \"process\"`",
    ),
    (
        "custom_instruction_proposer",
        "`[proposer]` with `kind = \"process\"`",
    ),
    (
        "reflection_lm",
        "`[reflection_model]` with `provider` and `model`",
    ),
    ("task_lm", "`[policy]` with `provider` and `model`"),
    ("lm", "`[policy]` with `provider` and `model`"),
    (
        "seed_candidate",
        "`[components]`, or a `component` in a message of `[[prompt.messages]]`",
    ),
    ("trainset", "`dataset.split.train`, or `examples.train`"),
    (
        "valset",
        "`dataset.split.pareto`, or `examples.pareto`; `validation` is held out from the search",
    ),
    (
        "testset",
        "`dataset.split.validation`, or `examples.validation`",
    ),
    ("metric", "`[scorer]`, or an `[evaluator]` of your own"),
    ("evaluator_fn", "`[evaluator]` with `kind = \"process\"`"),
    ("adapter", "`[evaluator]`"),
    ("num_threads", "`run.max_concurrent`"),
    ("max_workers", "`run.max_concurrent`"),
    ("run_dir", "the option `--store`"),
    ("log_dir", "the option `--store`"),
    ("raise_on_exception", "`rollouts.max_failure_fraction`"),
    (
        "failure_score",
        "no key: a failure counts as the lowest score of `evaluator.score_range`",
    ),
    ("max_iters", "`budget.max_iterations`"),
    ("stop_callbacks", "`[budget]`"),
];

/// Tables of models.
const MODELS: [&str; 3] = ["policy", "reflection_model", "judge"];

/// Keys that people look for in a table, by the table, with where they stand.
const PLACES: [(&str, &str, &str); 12] = [
    (
        "",
        "seed",
        "`run.seed`, a number; texts to begin with stand in `[[seeds]]`",
    ),
    ("", "name", "`run.name`"),
    ("dataset", "answer_column", "`dataset.answer`"),
    ("dataset", "label", "`dataset.answer`"),
    ("dataset", "label_column", "`dataset.answer`"),
    ("dataset", "id", "`dataset.id_column`"),
    (
        "dataset.split",
        "val",
        "`pareto`; `validation` is held out from the search",
    ),
    (
        "dataset.split",
        "dev",
        "`pareto`; `validation` is held out from the search",
    ),
    (
        "dataset.split",
        "test",
        "`validation`, which is held out from the search",
    ),
    ("scorer", "type", "`kind`"),
    ("evaluator", "type", "`kind`"),
    ("proposer", "type", "`kind`"),
];

/// Keys that people look for in the table of a model.
const PLACES_OF_MODELS: [(&str, &str); 9] = [
    ("api_base", "`base_url`"),
    ("url", "`base_url`"),
    (
        "api_key",
        "`api_key_env`, the name of the variable that holds the key",
    ),
    ("name", "`model`"),
    ("timeout", "`timeout_seconds`"),
    (
        "stop",
        "a key of `extra`, which goes into each request as it is",
    ),
    (
        "reasoning_effort",
        "a key of `extra`, which goes into each request as it is",
    ),
    (
        "thinking",
        "a key of `extra`, which goes into each request as it is",
    ),
    (
        "top_k",
        "a key of `extra`, which goes into each request as it is",
    ),
];

/// Where the key that is looked for in this table stands.
pub(crate) fn name_here(table: &str, key: &str) -> Option<&'static str> {
    let place = PLACES
        .iter()
        .find(|(of, name, _)| *of == table && *name == key);
    let of_model = || {
        let mut places = PLACES_OF_MODELS.iter();
        let found = places.find(|(name, _)| MODELS.contains(&table) && *name == key);
        found.map(|(_, here)| *here)
    };
    place.map(|(_, _, here)| *here).or_else(of_model)
}

/// What a key of another program is here.
pub(crate) fn own_name(key: &str) -> Option<&'static str> {
    let name = key.to_ascii_lowercase().replace('-', "_");
    let found = NAMES.iter().find(|(other, _)| *other == name);
    found.map(|(_, own)| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_reference_are_answered_with_ours() {
        assert_eq!(own_name("max_metric_calls"), Some("`budget.max_rollouts`"));
        assert_eq!(
            own_name("skip-perfect-score"),
            Some("`search.skip_perfect`")
        );
        assert_eq!(own_name("max_rolouts"), None);
    }
}
