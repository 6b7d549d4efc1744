//! A run that cannot work says why and ends, and one example can be tried before any run.

use crate::support::Workspace;

const CONFIG: &str = r#"[run]
name = "broken"
max_concurrent = 8
[evaluator]
kind = "process"
command = ["python3", "evaluator.py"]
[components]
instruction = "Say yes or no."
[examples]
train = ["0..20"]
pareto = ["20..40"]
[reflection_model]
provider = "rulebook"
model = "rulebook"
[rollouts]
backoff_seconds = 0.01
[budget]
max_rollouts = 300
"#;

const HELLO: &str = "import json, sys\nprint(json.dumps({'protocol': 1}))\nfor line in sys.stdin:\n    request = json.loads(line)\n";

fn workspace(answer: &str) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.set_variable("PATH", &std::env::var("PATH").unwrap());
    workspace.write("config.toml", CONFIG);
    workspace.write("evaluator.py", &format!("{HELLO}    {answer}\n"));
    workspace
}

#[test]
fn an_evaluator_that_fails_on_every_example_ends_the_run_after_the_first_few() {
    let workspace =
        workspace("print(json.dumps({'id': request['id'], 'score': request['missing']}))");
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("KeyError: 'missing'"),
        "{}",
        finished.stderr
    );
    let stats = workspace.stats();
    assert_eq!(stats["total_rollouts"], 4, "{stats}");
    assert_eq!(stats["stop_reason"], "evaluator_failures");
    // The same failure twice is not tried a third time.
    let attempts = workspace.export("rollouts").into_iter();
    let attempts = attempts.map(|row| row["attempts"].as_u64().unwrap());
    assert!(attempts.into_iter().all(|attempts| attempts <= 2));
}

#[test]
fn an_evaluator_that_dies_in_other_words_each_time_ends_the_run_after_the_first_few() {
    let answer = "name = hex(hash(str(request['example']) * 9))[2:]; raise ValueError(f'row {name} of {request[\"example\"]} {name.upper()}')";
    let workspace = workspace(answer);
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    let stats = workspace.stats();
    assert_eq!(stats["total_rollouts"], 4, "{stats}");
}

#[test]
fn an_evaluator_that_never_answers_is_named_after_seconds_and_ends_the_run_after_three_limits() {
    let workspace = workspace("pass");
    let limit = ["--set", "evaluator.timeout_seconds=3.5"];
    let finished = workspace.gepa(&[&["run", "config.toml"][..], &limit].concat());
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    for expected in [
        "the first rollout has no answer yet after",
        "`evaluator.timeout_seconds` = 3.5 limits it",
    ] {
        assert!(
            finished.stderr.contains(expected),
            "{expected}: {}",
            finished.stderr
        );
    }
    let attempts = workspace.export("rollouts").into_iter();
    let attempts: Vec<_> = attempts.map(|row| row["attempts"].clone()).collect();
    assert_eq!(attempts, [2, 1]);
}

#[test]
fn noise_on_stdout_is_shown_with_the_number_of_each_failure() {
    let workspace = workspace("print('noise', request['example'])");
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    let lines = finished.stderr.lines();
    let counted: Vec<&str> = lines
        .filter(|line| line.contains("rollouts failed so far"))
        .filter_map(|line| line.split("] ").nth(1))
        .filter_map(|line| line.split(" rollouts failed").next())
        .collect();
    assert_eq!(counted, ["1 of 1", "2 of 2", "4 of 4"]);
}

#[test]
fn the_log_of_a_run_keeps_what_a_healthy_evaluator_writes_on_stderr() {
    let answer = "print('seen', request['example'], file=sys.stderr, flush=True); print(json.dumps({'id': request['id'], 'score': 1.0}))";
    let workspace = workspace(answer);
    let limit = ["--set", "budget.max_iterations=1"];
    let run = [&["run", "config.toml", "--keep-log"][..], &limit].concat();
    let finished = workspace.gepa(&run);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let run = finished.stdout.lines().next().unwrap();
    let log = workspace.read(&format!(".gepa/logs/{run}.log"));
    assert!(log.contains("seen "), "{log}");
    assert!(!finished.stderr.contains("seen "), "{}", finished.stderr);
    let memory = ["--store", "memory:"];
    let run = [&["run", "config.toml", "--keep-log"][..], &limit, &memory].concat();
    let finished = workspace.gepa(&run);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("note: no log is kept"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("best prompt:\n") && !finished.stderr.contains("gepa best"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_check_tries_one_example_and_shows_what_it_gave() {
    let good = "print('note', file=sys.stderr); print(json.dumps({'id': request['id'], 'score': 0.25, 'output': 'perhaps', 'feedback': 'say yes'}))";
    let workspace = workspace(good);
    let tried = workspace.gepa(&["check", "config.toml", "--try"]);
    assert_eq!(tried.code, Some(0), "{}", tried.stderr);
    for expected in ["example 20: score 0.250", "perhaps", "say yes"] {
        assert!(tried.stdout.contains(expected), "{}", tried.stdout);
    }
    assert!(
        workspace.gepa(&["runs"]).code != Some(0),
        "a check stores nothing"
    );
    workspace.write(
        "evaluator.py",
        &format!("{HELLO}    print(json.dumps({{'id': request['id'], 'error': 'no judge'}}))\n"),
    );
    let failed = workspace.gepa(&["check", "config.toml", "--try"]);
    assert_eq!(failed.code, Some(5), "{}", failed.stdout);
    assert!(failed.stderr.contains("no judge"), "{}", failed.stderr);
}

#[test]
fn rollouts_are_exported_with_what_they_were_given_and_gave() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml"]);
    let rows = workspace.export("rollouts");
    assert!(!rows.is_empty());
    for row in &rows {
        let id = row["seed"].as_str().unwrap();
        let age: u64 = id.trim_start_matches("age-").parse().unwrap();
        assert_eq!(row["inputs"]["age"].as_f64(), Some(age as f64), "{row}");
        assert_eq!(row["expected"], if age > 50 { "yes" } else { "no" });
        assert!(row["output"].is_string(), "{row}");
    }
    for row in workspace.export("candidates") {
        let is_accepted = row["status"] == "accepted";
        assert_eq!(row["score"].is_f64(), is_accepted, "{row}");
        assert_eq!(
            row["minibatch_score"].is_null(),
            row["gate"].is_null(),
            "{row}"
        );
    }
    assert_eq!(workspace.stats()["config"]["settings"]["run"]["seed"], 7);
    std::fs::remove_file(workspace.path().join("rows.jsonl")).unwrap();
    assert!(
        workspace
            .export("rollouts")
            .iter()
            .all(|row| row["inputs"].is_null())
    );
}

#[test]
fn keys_of_other_programs_are_answered_with_ours() {
    let workspace = Workspace::with_rulebook();
    let asked = [
        (
            "budget.max_metric_calls=10",
            "here it is `budget.max_rollouts`",
        ),
        (
            "search.skip_perfect_score=true",
            "here it is `search.skip_perfect`",
        ),
        (
            "search.reflection_minibatch_size=3",
            "here it is `search.minibatch_size`",
        ),
    ];
    for (setting, answer) in asked {
        let refused = workspace.gepa(&["check", "config.toml", "--set", setting]);
        assert_eq!(refused.code, Some(2), "{setting}");
        assert!(refused.stderr.contains(answer), "{}", refused.stderr);
    }
}

#[test]
fn a_limit_far_below_one_proposal_is_refused_and_a_limit_without_price_is_noted() {
    let workspace = Workspace::with_model("http://127.0.0.1:9/v1", 150);
    let refused = workspace.gepa(&["check", "config.toml", "--set", "budget.max_tokens=50"]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("`budget.max_tokens` = 50"),
        "{}",
        refused.stderr
    );
    let mut noted = vec!["check", "config.toml", "--set", "budget.max_cost_usd=5.0"];
    let priced = workspace.gepa(&noted);
    assert_eq!(priced.code, Some(0), "{}", priced.stderr);
    assert!(
        !priced.stderr.contains("price is not known"),
        "{}",
        priced.stderr
    );
    noted.extend(["--set", "policy.model=other"]);
    let unpriced = workspace.gepa(&noted);
    assert!(
        unpriced
            .stderr
            .contains("`local/other`, whose price is not known"),
        "{}",
        unpriced.stderr
    );
}
