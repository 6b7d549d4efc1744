//! Runs whose evaluator or proposer is a program of the user's, from config to result.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{Workspace, number};

/// Messages: those with `win` are spam.
fn workspace(evaluator: &str, proposer: &str) -> Workspace {
    let mut workspace = Workspace::new();
    let path = std::env::var("PATH").unwrap();
    workspace.set_variable("PATH", &path);
    let mut rows = "text,answer\n".to_owned();
    for number in 0..40 {
        let (word, answer) = match number % 3 {
            0 => ("winnings", "spam"),
            _ => ("dinner", "ham"),
        };
        let _ = writeln!(rows, "{word} at {number},{answer}");
    }
    workspace.write("messages.csv", &rows);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/process");
    let command = |script: &str| {
        let file = examples.join(script);
        if file.is_file() {
            format!("[\"python3\", \"{}\"]", file.display())
        } else {
            format!("[\"python3\", \"-c\", {script:?}]")
        }
    };
    workspace.write(
        "config.toml",
        &format!(
            r#"[run]
name = "words"
seed = 5
max_concurrent = 32

[components]
words = "please"

[dataset]
path = "messages.csv"

[dataset.split]
train = {{ count = 12 }}
pareto = {{ count = 12 }}
validation = {{ count = 12 }}

[evaluator]
kind = "process"
command = {}

[proposer]
kind = "process"
command = {}

[budget]
max_rollouts = 200
"#,
            command(evaluator),
            command(proposer),
        ),
    );
    workspace
}

fn events(workspace: &Workspace, kind: &str) -> Vec<Value> {
    let mut events = workspace.export("events");
    events.retain(|event| event["kind"] == kind);
    events
}

#[test]
fn the_example_folder_runs_as_it_stands() {
    let mut workspace = Workspace::new();
    workspace.set_variable("PATH", &std::env::var("PATH").unwrap());
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/process");
    let config = examples.join("config.toml");
    let config = config.to_str().unwrap();
    let checked = workspace.succeed(&["check", config, "--try"]);
    assert!(checked.contains("score "), "{checked}");
    workspace.succeed(&["run", config]);
    let stats = workspace.stats();
    let [before, after] =
        ["baseline_validation_score", "best_validation_score"].map(|name| stats[name].as_f64());
    assert!(after > before, "{stats}");
}

#[test]
fn a_python_proposer_and_a_python_evaluator_of_batches_improve_a_word_list_offline() {
    let workspace = workspace("batch_evaluator.py", "proposer.py");
    let checked = workspace.succeed(&["check", "config.toml"]);
    let line = checked.lines().find(|line| line.starts_with("rewrites "));
    assert!(line.unwrap().contains("proposer.py"), "{checked}");
    let plan = workspace.succeed(&["run", "config.toml", "--plan"]);
    assert!(plan.contains("reflection calls"), "{plan}");

    workspace.succeed(&["run", "config.toml"]);
    let stats = workspace.stats();
    assert_eq!(stats["best_validation_score"], 1.0, "{stats}");
    assert!(stats["baseline_score"].as_f64().unwrap() < 0.8);
    let best = workspace.succeed(&["best", "latest"]);
    assert!(best.contains("winnings"), "{best}");
    let calls = number(&stats, "reflection_calls");
    let settled = events(&workspace, "reflection_settled");
    assert_eq!(settled.len() as u64, calls);

    // What was answered is in the journal: deciding again asks nobody.
    let config = workspace
        .read("config.toml")
        .replace("proposer.py", "gone.py");
    workspace.write("config.toml", &config);
    workspace.succeed(&["replay", "latest"]);
    let missing = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("proposer.command") && missing.stderr.contains("gone.py"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_proposer_that_answers_nonsense_ends_the_run_with_its_reason() {
    let hello = "import json,sys\nprint('\\ufeff' + json.dumps({'proposer': 1}), flush=True)\n";
    let cases = [
        ("print('hm', flush=True)", "it printed `hm`"),
        (
            "print(json.dumps({'id': 1, 'texts': {'words': 7}}), flush=True)",
            "a text or a list of texts",
        ),
        (
            "print(json.dumps({'id': 99, 'texts': {}}), flush=True)",
            "it answered request 99",
        ),
        ("sys.exit(3)", "died before it answered (exit status: 3)"),
        (
            "import os, time; os.close(1); time.sleep(60)",
            "closed its stdout before it answered; it still ran, and was killed",
        ),
        (
            "a=json.loads(line);print(json.dumps({'id': a['id'], 'error': {'message': 'no idea'}}), flush=True)",
            "no idea",
        ),
    ];
    for (fault, reason) in cases {
        let script = format!("{hello}for line in sys.stdin:\n    {fault}\n");
        let workspace = workspace("evaluator.py", &script);
        let config = workspace.read("config.toml");
        let reflection = "\n[reflection]\nmax_attempts = 1\nmax_failures_in_a_row = 2\n";
        workspace.write("config.toml", &(config + reflection));
        let finished = workspace.gepa(&["run", "config.toml"]);
        assert_eq!(finished.code, Some(5), "{fault}: {}", finished.stderr);
        assert!(finished.stderr.contains(reason), "{}", finished.stderr);
    }
}

#[test]
fn an_evaluator_is_no_proposer() {
    let workspace = workspace("evaluator.py", "evaluator.py");
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished
            .stderr
            .contains(r#"its first line must be {"proposer": 1}"#),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_process_that_dies_in_a_batch_costs_one_more_attempt_of_what_it_left_open() {
    let script = "
import json, os, sys
print(json.dumps({'protocol': 2}), flush=True)
for line in sys.stdin:
    rows = json.loads(line)['examples']
    dies = not os.path.exists('died')
    for row in rows[:5] if dies else rows:
        print(json.dumps({'id': row['id'], 'score': 0.5}), flush=True)
    if dies:
        open('died', 'w').close()
        os._exit(1)
";
    let workspace = workspace(script, "proposer.py");
    let config = workspace.read("config.toml");
    let config = config.replace("max_rollouts = 200", "max_iterations = 1");
    workspace.write("config.toml", &config);
    // Its proposer wants feedback, which this evaluator does not give.
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert!(
        finished.stderr.contains("the seed scores 0.500"),
        "{}",
        finished.stderr
    );
    let rollouts = workspace.export("rollouts");
    let seed: Vec<_> = rollouts
        .iter()
        .filter(|row| row["stage"] == "seed")
        .collect();
    let attempts: Vec<_> = seed.iter().map(|row| number(row, "attempts")).collect();
    assert_eq!(seed.len(), 12);
    assert_eq!(attempts.iter().filter(|count| **count == 1).count(), 5);
    assert_eq!(attempts.iter().filter(|count| **count == 2).count(), 7);
    assert!(rollouts.iter().all(|row| row["outcome"] == "scored"));
}
