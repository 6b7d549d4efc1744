//! `gepa eval`: prompts and models scored without a search, and what later runs know of it.

use serde_json::Value;

use crate::support::{Server, Workspace, number};

/// A model that answers rightly more often the more rules its prompt has.
fn workspace() -> (Workspace, Server) {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    let rules: String = (1..40)
        .map(|rule| ["rule ", &rule.to_string(), "\n"].concat())
        .collect();
    workspace.write("good.txt", &format!("Answer yes or no.\n{rules}"));
    workspace.write("poor.txt", "Answer yes or no, please.");
    (workspace, server)
}

fn read(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.read("eval.json")).unwrap()
}

#[test]
fn outcomes_are_stored_and_known_to_later_evaluations_and_runs() {
    let (workspace, server) = workspace();
    let first = ["eval", "config.toml", "--all", "--json", "eval.json"];
    workspace.succeed(&first);
    let report = read(&workspace);
    let examples = number(&report, "of");
    assert_eq!(number(&report["sides"][0], "rollouts_executed"), examples);
    let calls = server.ledger().calls_received;
    workspace.succeed(&first);
    assert_eq!(
        number(&read(&workspace)["sides"][0], "rollouts_executed"),
        0
    );
    assert_eq!(
        server.ledger().calls_received,
        calls,
        "a known outcome was bought again"
    );
    // A run knows the seed's held-out scores.
    workspace.succeed(&["run", "config.toml"]);
    let stats = workspace.stats();
    assert_eq!(number(&stats, "recalled_rollouts"), examples);
    let score = report["sides"][0]["score"]["mean"].as_f64();
    assert_eq!(stats["baseline_validation_score"].as_f64(), score);
    workspace.succeed(&["doctor"]);
    workspace.succeed(&["replay", "latest"]);
    // With `--fresh` they are bought again.
    workspace.succeed(&[&first[..], &["--fresh"]].concat());
    assert_eq!(
        number(&read(&workspace)["sides"][0], "rollouts_executed"),
        examples
    );
}

#[test]
fn an_evaluation_is_decided_again_and_says_that_it_is_no_search() {
    let (workspace, _server) = workspace();
    workspace.succeed(&["eval", "config.toml", "--prompt", "good.txt", "--all"]);
    let evaluations: Vec<String> = workspace
        .succeed(&["runs", "--json"])
        .lines()
        .map(|line| {
            let run: Value = serde_json::from_str(line).unwrap();
            run["run_id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(evaluations.len() >= 2, "one for each side");
    for run in &evaluations {
        let replayed = workspace.succeed(&["replay", run]);
        assert!(replayed.contains("decisions again"), "{replayed}");
        for refused in [
            vec!["run", "--resume", run],
            vec!["run", "--resume", run, "--set", "budget.max_rollouts=500"],
            vec!["branch", run],
            vec!["steer", run, "hint", "be brief"],
            vec!["replay", run, "--set", "search.epsilon=0.5"],
        ] {
            let finished = workspace.gepa(&refused);
            assert_eq!(finished.code, Some(2), "{refused:?}: {}", finished.stderr);
            assert!(
                finished.stderr.contains("is an evaluation"),
                "{refused:?}: {}",
                finished.stderr
            );
        }
    }
    let checked = workspace.succeed(&["doctor"]);
    assert!(checked.contains("nothing wrong"), "{checked}");
    assert!(!checked.contains("note:"), "{checked}");
}

#[test]
fn outcomes_of_another_model_or_of_other_rows_are_not_taken_for_those_of_this_task() {
    let (workspace, _server) = workspace();
    let first = ["eval", "config.toml", "--all", "--json", "eval.json"];
    let executed = |arguments: &[&str]| {
        workspace.succeed(arguments);
        let report = read(&workspace);
        let examples = number(&report, "of");
        (number(&report["sides"][0], "rollouts_executed"), examples)
    };
    let (bought, examples) = executed(&first);
    assert_eq!(bought, examples);
    let other = [&first[..], &["--set", "policy.model=\"other\""]].concat();
    assert_eq!(
        executed(&other).0,
        examples,
        "the outcomes of another model"
    );
    assert_eq!(executed(&other).0, 0);
    let name = "rows.jsonl";
    let rows = workspace.read(name);
    workspace.write(
        name,
        &format!("{}\n", rows.trim_end()).replace("yes", "no "),
    );
    assert_eq!(executed(&first).0, examples, "the outcomes of other rows");
    workspace.write(name, &rows);
    assert_eq!(executed(&first).0, 0);
}

#[test]
fn a_prompt_is_compared_with_the_seed_a_file_or_a_run() {
    let (workspace, _server) = workspace();
    let compared = |arguments: &[&str]| {
        let all = [&["eval", "config.toml", "--json", "eval.json"], arguments].concat();
        let finished = workspace.gepa(&all);
        (finished.code, read(&workspace))
    };
    let (code, report) = compared(&["--prompt", "good.txt", "--all"]);
    assert_eq!(code, Some(0));
    assert_eq!(report["sides"][0]["is_baseline"], true);
    let better = report["sides"][1]["difference"]["mean"].as_f64().unwrap();
    assert!(better > 0.3, "{report}");
    let (_, turned) = compared(&["--prompt", "poor.txt", "--against", "good.txt", "--all"]);
    assert!(
        turned["sides"][1]["difference"]["mean"].as_f64() < Some(-0.3),
        "{turned}"
    );
    workspace.succeed(&["run", "config.toml"]);
    let (_, against) = compared(&["--prompt", "good.txt", "--against", "latest", "--all"]);
    assert!(
        against["sides"][0]["label"]
            .as_str()
            .unwrap()
            .starts_with("best of pl_")
    );
    assert_eq!(
        number(&against["sides"][0], "rollouts_executed"),
        0,
        "the run scored it"
    );
}

#[test]
fn limits_and_losses_fail_with_seven() {
    let (workspace, _server) = workspace();
    let below = workspace.gepa(&["eval", "config.toml", "--fail-below", "0.99"]);
    assert_eq!(below.code, Some(7), "{}", below.stdout);
    assert!(below.stdout.contains("below the limit"));
    let above = workspace.gepa(&[
        "eval",
        "config.toml",
        "--prompt",
        "good.txt",
        "--fail-below",
        "0.1",
    ]);
    assert_eq!(above.code, Some(0), "{}", above.stdout);
    let files = ["--markdown", "eval.md", "--junit", "eval.xml"];
    workspace.succeed(&[&["eval", "config.toml", "--prompt", "good.txt"], &files[..]].concat());
    assert!(
        workspace
            .read("eval.md")
            .starts_with("### gepa eval: passed")
    );
    assert!(
        workspace
            .read("eval.xml")
            .contains("tests=\"2\" failures=\"0\"")
    );
}

#[test]
fn wrong_arguments_are_refused_with_the_remedy() {
    let (workspace, _server) = workspace();
    for (arguments, wanted) in [
        (["--prompt", "none.txt"], "name a file with a prompt"),
        (["--model", "learner"], "PROVIDER/MODEL"),
        (["--against", "none"], "`gepa runs` lists all runs"),
    ] {
        let finished = workspace.gepa(&[&["eval", "config.toml"], &arguments[..]].concat());
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains(wanted), "{}", finished.stderr);
    }
}

#[test]
fn a_plan_says_which_difference_can_be_shown_and_what_would_show_none() {
    let (workspace, _server) = workspace();
    for command in [
        &["run", "config.toml", "--plan"][..],
        &["check", "config.toml"],
    ] {
        let finished = workspace.gepa(command);
        assert!(
            finished.stdout.contains("shows     on "),
            "{}",
            finished.stdout
        );
        assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    }
    let scaled = "evaluator={kind=\"dataset\",score_range=[0,100]}";
    let one = "search.perfect_score=1.0";
    let warned = workspace.gepa(&["check", "config.toml", "--set", scaled, "--set", one]);
    assert!(
        warned.stderr.contains("`search.perfect_score` is 1"),
        "{}",
        warned.stderr
    );
    // A run in which the seed was nearly perfect is remembered.
    let low = "search.perfect_score=0.02";
    workspace.succeed(&["run", "config.toml", "--set", low]);
    let warned = workspace.gepa(&["check", "config.toml", "--set", low]);
    assert!(
        warned.stderr.contains("the seed scored"),
        "{}",
        warned.stderr
    );
}

#[test]
fn an_evaluation_is_shown_as_one_and_is_judged_by_no_gate() {
    let (workspace, _server) = workspace();
    workspace.succeed(&["eval", "config.toml", "--all", "--json", "eval.json"]);
    let report = read(&workspace);
    let run = report["sides"][0]["run_id"].as_str().unwrap();
    let shown = workspace.succeed(&["show", run]);
    assert!(shown.contains("\nscore (10 examples)  "), "{shown}");
    for told_of_searches in ["pareto set", "validation set", "verdict", "budget"] {
        assert!(!shown.contains(told_of_searches), "{shown}");
    }
    for arguments in [&["gate", run][..], &["compare", run, run]] {
        let refused = workspace.gepa(arguments);
        assert_eq!(refused.code, Some(2), "{}", refused.stdout);
        assert!(
            refused.stderr.contains("is an evaluation"),
            "{}",
            refused.stderr
        );
    }
}
