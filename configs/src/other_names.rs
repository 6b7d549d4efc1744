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
