//! The spellings of each key of the dialect; the first of a list wins. A leading `/` means the root
//! of the document instead of the dialect's table.

/// The spellings of one key.
pub(super) type Spellings = &'static [&'static str];

macro_rules! spellings {
    ($($name:ident: $paths:expr;)*) => {
        $(pub(super) const $name: Spellings = &$paths;)*
        /// Every key that has more than one spelling.
        pub(super) const ALL: &[Spellings] = &[$($name),*];
    };
}

spellings! {
    TRAIN_SEEDS: [
        "gepa.evaluation.train_seeds", "gepa.evaluation.seeds", "gepa.train_seeds", "gepa.seeds",
        "gepa.evaluation_seeds", "train_seeds", "evaluation_seeds", "seeds", "env_config.evaluation_seeds",
    ];
    VALIDATION_SEEDS: [
        "gepa.evaluation.val_seeds", "gepa.evaluation.validation_seeds", "gepa.val_seeds",
        "gepa.validation_seeds", "val_seeds", "validation_seeds",
    ];
    TEST_POOL: ["gepa.evaluation.test_pool", "gepa.test_pool", "test_pool", "env_config.test_pool"];
    VALIDATION_POOL: ["gepa.evaluation.validation_pool", "gepa.validation_pool", "validation_pool"];
    VALIDATION_TOP_K: ["gepa.evaluation.validation_top_k", "gepa.validation_top_k", "validation_top_k"];
    POOL: ["gepa.env_config.pool", "env_config.pool"];
    ROLLOUT_BUDGET: ["gepa.rollout.budget", "gepa.rollout_budget"];
    MAX_CONCURRENT: ["gepa.rollout.max_concurrent", "gepa.max_concurrent_rollouts"];
    MINIBATCH_SIZE: ["gepa.rollout.minibatch_size", "gepa.minibatch_size"];
    MUTATION_RATE: ["gepa.mutation.rate", "gepa.mutation_rate"];
    MUTATION_MODEL: ["gepa.mutation.llm_model", "gepa.mutation_llm_model"];
    MUTATION_PROVIDER: ["gepa.mutation.llm_provider", "gepa.mutation_llm_provider"];
    MUTATION_URL: ["gepa.mutation.llm_inference_url", "gepa.mutation_llm_inference_url"];
    MUTATION_PROMPT: ["gepa.mutation.prompt", "gepa.mutation_prompt"];
    INITIAL_SIZE: ["gepa.population.initial_size", "gepa.initial_population_size"];
    NUM_GENERATIONS: ["gepa.population.num_generations", "gepa.num_generations"];
    CHILDREN: ["gepa.population.children_per_generation", "gepa.children_per_generation"];
    CROSSOVER_RATE: ["gepa.population.crossover_rate", "gepa.crossover_rate"];
    SELECTION_PRESSURE: ["gepa.population.selection_pressure", "gepa.selection_pressure"];
    PATIENCE: ["gepa.population.patience_generations", "gepa.patience_generations"];
    ARCHIVE_SIZE: ["gepa.archive.max_size", "gepa.archive.size", "gepa.archive_size"];
    PARETO_SET_SIZE: ["gepa.archive.pareto_set_size", "gepa.pareto_set_size"];
    PARETO_EPS: ["gepa.archive.pareto_eps", "gepa.pareto_eps"];
    FEEDBACK_FRACTION: ["gepa.archive.feedback_fraction", "gepa.feedback_fraction"];
    TOKEN_LIMIT: ["gepa.token.max_limit", "gepa.max_token_limit"];
    ENFORCE_TOKEN_LIMIT: [
        "gepa.token.enforce_limit", "gepa.token.enforce_pattern_limit", "gepa.enforce_pattern_token_limit",
    ];
    COUNTING_MODEL: ["gepa.token.counting_model", "gepa.token_counting_model"];
    MAX_SPEND_USD: ["gepa.token.max_spend_usd", "gepa.max_spend_usd"];
    MAX_ROLLOUTS: ["/termination_config.max_rollouts", "termination_config.max_rollouts"];
    MAX_TRIALS: ["/termination_config.max_trials", "termination_config.max_trials"];
    MAX_COST_USD: ["/termination_config.max_cost_usd", "termination_config.max_cost_usd"];
    MAX_TOKENS: ["/termination_config.max_tokens", "termination_config.max_tokens"];
    MAX_SECONDS: [
        "/termination_config.max_seconds", "/termination_config.max_time_seconds",
        "termination_config.max_seconds", "termination_config.max_time_seconds",
    ];
    POLICY_MODEL: ["gepa.policy.model", "policy.model"];
    POLICY_PROVIDER: ["gepa.policy.provider", "policy.provider"];
    POLICY_MAX_TOKENS: ["policy.max_completion_tokens", "policy.max_tokens"];
    RESULTS_FOLDER: ["results_folder", "/results_folder"];
    ENV_FILE: ["env_file_path", "/env_file_path"];
}
