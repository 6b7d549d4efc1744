//! What a run stored of its configuration: shown as a file, used for the rest of a plan, and read by the verdict.

use crate::support::{Server, Workspace, number};

#[test]
fn the_stored_config_runs_again_from_any_folder_with_the_same_decisions() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml"]);
    let config = workspace.succeed(&["show", "latest", "--config"]);
    let head = workspace.succeed(&["show", "latest"]);
    assert!(head.contains("rewrites  rulebook/rulebook"), "{head}");
    assert!(head.contains("config    seed 7;"), "{head}");

    let other = Workspace::new();
    other.write("again.toml", &config);
    other.succeed(&["run", "again.toml"]);
    let texts = |workspace: &Workspace| {
        let rows = workspace.export("candidates").into_iter();
        rows.map(|row| row["components"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&workspace), texts(&other));
}

#[test]
fn a_plan_for_a_run_that_was_begun_shows_what_is_left() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    workspace.succeed(&["run", "config.toml"]);
    let used = number(&workspace.stats(), "total_rollouts");
    let answered = server.ledger().calls_answered;
    let more = "budget.max_rollouts=350";
    let plan = workspace.succeed(&["run", "--resume", "latest", "--plan", "--set", more]);
    let line = plan
        .lines()
        .find(|line| line.starts_with("rollouts"))
        .unwrap();
    let figures: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(figures[0], used, "{plan}");
    assert_eq!(figures[2], 350 - used, "{plan}");
    assert!(figures[1] <= figures[2], "{plan}");
    assert_eq!(server.ledger().calls_answered, answered);
    assert_eq!(number(&workspace.stats(), "total_rollouts"), used);
}

#[test]
fn the_verdict_knows_the_scale_that_the_config_declares() {
    let mut workspace = Workspace::new();
    workspace.set_variable("PATH", &std::env::var("PATH").unwrap());
    workspace.write(
        "evaluator.py",
        "import json, sys\nprint(json.dumps({'protocol': 1}))\nfor line in sys.stdin:\n    \
         request = json.loads(line)\n    print(json.dumps({'id': request['id'], 'score': 40.0, 'feedback': 'no'}))\n",
    );
    workspace.write(
        "config.toml",
        r#"[evaluator]
kind = "process"
command = ["python3", "evaluator.py"]
score_range = [0, 100]
[components]
instruction = "Say yes or no."
[examples]
train = ["0..20"]
pareto = ["20..40"]
[reflection_model]
provider = "rulebook"
model = "rulebook"
[budget]
max_rollouts = 200
"#,
    );
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert!(
        !finished.stderr.contains("above `search.perfect_score`"),
        "{}",
        finished.stderr
    );
    let details = &workspace.stats()["verdict_details"];
    for wrong in ["baseline_saturated", "scores_above_perfect"] {
        assert!(!details.to_string().contains(wrong), "{details}");
    }
}
