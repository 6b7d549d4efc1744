//! For each kind of mistake in a config, the error names the place and the remedy.

use crate::support::Workspace;

/// Checks the config with one change, and compares all of stderr.
#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    let workspace = Workspace::with_rulebook();
    let text = workspace.read("config.toml");
    assert!(text.contains(from), "the config has no `{from}`");
    workspace.write("config.toml", &text.replace(from, to));
    let checked = workspace.gepa(&["check", "config.toml"]);
    assert_eq!(checked.stderr.trim_end(), expected);
    assert_eq!(checked.code, Some(2));
    assert_eq!(checked.stdout, "");
    let run = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(
        run.stderr.trim_end(),
        expected,
        "`run` says what `check` says"
    );
    assert_eq!(run.code, Some(2));
    assert!(
        !workspace.path().join(".gepa").exists(),
        "nothing is stored"
    );
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    check(
        "max_rollouts",
        "max_rolouts",
        "config.toml:28: `budget.max_rolouts` is not a known key; did you mean `max_rollouts`?",
    );
}

#[test]
fn a_wrong_type_is_answered_with_the_one_expected() {
    check(
        "max_concurrent = 8",
        "max_concurrent = \"many\"",
        "config.toml:4: `run.max_concurrent` has a wrong value: invalid type: string \"many\", expected u32",
    );
}

#[test]
fn a_wildcard_no_column_fills_is_answered_with_the_columns() {
    check(
        "age: {age}",
        "age: {years}",
        "config.toml:22: `prompt.messages[1].pattern` has the wildcard {years}, but the dataset has no such column; it has: age",
    );
}

#[test]
fn a_missing_dataset_is_named() {
    check(
        "rows.jsonl",
        "nowhere.jsonl",
        "config.toml:7: `dataset.path` does not work: cannot read dataset `nowhere.jsonl`: No such file or directory (os error 2); `path` is relative to the config file",
    );
}

#[test]
fn an_empty_dataset_is_named() {
    check(
        "id_column = \"id\"",
        "only = { answer = [\"maybe\"] }",
        "config.toml:7: `dataset.path` does not work: dataset `rows.jsonl` has no rows that pass `only` and `limit`",
    );
}

#[test]
fn sets_that_share_examples_are_refused() {
    check(
        "train = { count = 20 }\npareto = { count = 12 }",
        "train = { rows = [\"0..20\"] }\npareto = { rows = [\"10..22\"] }",
        "config.toml:12: `dataset.split.pareto` shares 10 example(s) with `train`, the first is age-30; give the sets different examples, or allow it with search.allow_overlap = [\"train_pareto\"]",
    );
}

#[test]
fn a_set_without_examples_is_named_where_it_is_set() {
    check(
        "train = { count = 20 }",
        "train = { count = 0 }",
        "config.toml:11: `dataset.split.train` names no example; the search needs at least one",
    );
}

#[test]
fn an_unreadable_template_is_named() {
    check(
        "[scorer]",
        "[reflection]\ntemplate_file = \"nowhere.txt\"\n\n[scorer]",
        "config.toml:25: `reflection.template_file` names nowhere.txt, which cannot be read: No such file or directory (os error 2)",
    );
}

#[test]
fn a_base_url_that_is_none_is_refused() {
    check(
        "provider = \"rulebook\"",
        "provider = \"local\"\nbase_url = \"not a url\"",
        "config.toml:30: `policy` does not work: the base URL from `base_url` of the model cannot be used: it must be an address such as http://127.0.0.1:8114 or https://host",
    );
}

#[test]
fn a_key_that_is_not_set_is_named() {
    check(
        "provider = \"rulebook\"",
        "provider = \"openai\"",
        "config.toml:30: `policy` does not work: no key for provider `openai`: set OPENAI_API_KEY in the environment or in .env",
    );
}

#[test]
fn text_that_is_not_toml_is_answered_with_its_line() {
    check(
        "seed = 7",
        "seed = = 7",
        "config.toml:3: extra `=`, expected nothing",
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let workspace = Workspace::with_rulebook();
    let checked = workspace.gepa(&[
        "check",
        "config.toml",
        "--set",
        "search.epsilon=2",
        "--set",
        "run.gate_lag=0",
    ]);
    assert_eq!(
        checked.stderr,
        "--set: `run.gate_lag` must be at least 1\n--set: `search.epsilon` must lie between 0 and 1\n"
    );
    assert_eq!(checked.code, Some(2));
}

#[test]
fn a_generation_has_proposals_and_not_too_many() {
    let workspace = Workspace::with_rulebook();
    let check = |settings: [&str; 2]| {
        let [first, second] = settings;
        let checked = workspace.gepa(&["check", "config.toml", "--set", first, "--set", second]);
        assert_eq!(checked.code, Some(2));
        checked.stderr
    };
    let complaint = check(["search.parents_per_generation=0", "search.keep_best=0"]);
    assert!(complaint.contains("`search.parents_per_generation` must be at least 1"));
    assert!(complaint.contains("`search.keep_best` must be at least 1"));
    let complaint = check([
        "search.parents_per_generation=200",
        "search.batches_per_parent=100",
    ]);
    assert!(
        complaint.contains("more than 10000 proposals"),
        "{complaint}"
    );
}

#[test]
fn a_config_that_is_not_there_is_named() {
    let finished = Workspace::new().gepa(&["check", "nowhere.toml"]);
    assert_eq!(
        finished.stderr,
        "nowhere.toml: cannot be read (No such file or directory (os error 2)); give the path of a config file\n"
    );
    assert_eq!(finished.code, Some(2));
}

#[test]
fn a_wrong_variable_is_named() {
    let mut workspace = Workspace::with_rulebook();
    workspace.set_variable("GEPA__BUDGET__MAX_ROLLOUTS", "lots");
    let finished = workspace.gepa(&["check", "config.toml"]);
    assert_eq!(
        finished.stderr,
        "environment GEPA__BUDGET__MAX_ROLLOUTS: `budget.max_rollouts` has a wrong value: invalid type: string \"lots\", expected u64\n"
    );
}

#[test]
fn values_that_were_removed_are_named_with_those_that_exist() {
    check(
        "max_concurrent = 8",
        "max_concurrent = 8\nspeculate = \"likely\"",
        "config.toml:5: `run.speculate` no longer takes `likely`, since no measurement showed a gain over `off`; \
         write `off` or `decided`. A \
         run that began with it can be shown and exported, but only builds of commit a7b7752 and before resume or \
         replay it (`gepa --version` names the commit)",
    );
    check(
        "max_concurrent = 8",
        "max_concurrent = 8\nstale_children = \"regate\"",
        "config.toml:5: `run.stale_children` no longer takes `regate`, since no measurement showed a gain over \
         `keep`; write `keep` or `drop`. A \
         run that began with it can be shown and exported, but only builds of commit a7b7752 and before resume or \
         replay it (`gepa --version` names the commit)",
    );
    check(
        "max_concurrent = 8",
        "max_concurrent = 8\nspeculate = \"sometimes\"",
        "config.toml:5: `run.speculate` has a wrong value: unknown variant `sometimes`, expected one of `off`, `decided`",
    );
}
