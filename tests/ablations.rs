//! `gepa ablate`: the lines of a prompt that earn their tokens.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Workspace, number};

const NEEDED: &str = "Answer `no` or `yes`.\n- If age is at least 51, answer `yes`.";

/// A task whose prompt has one rule that matters, twice if wanted, and lines that do not.
fn workspace(is_twice: bool) -> Workspace {
    let workspace = Workspace::new();
    let mut rows = String::new();
    for number in 0..260 {
        let age = 20 + number * 7 % 60;
        let answer = if age > 50 { "yes" } else { "no" };
        let row = format!(r#"{{"id": "p{number}", "age": {age}, "answer": "{answer}"}}"#);
        writeln!(rows, "{row}").unwrap();
    }
    workspace.write("many.jsonl", &rows);
    let again = if is_twice {
        "- If age is at least 51, answer `yes`.\n"
    } else {
        ""
    };
    let prompt = format!(
        "{NEEDED}\n{again}Take your time and think of the people behind the numbers.\n- If age is at least 200, answer `maybe`."
    );
    let config = format!(
        "[run]\nname = \"ages\"\nmax_concurrent = 8\n[dataset]\npath = \"many.jsonl\"\nid_column = \"id\"\n\
         [dataset.split]\ntrain = {{ count = 90 }}\npareto = {{ count = 110 }}\nvalidation = {{ count = 60 }}\n\
         [[prompt.messages]]\nrole = \"system\"\ncomponent = \"instruction\"\npattern = {}\n\
         [[prompt.messages]]\nrole = \"user\"\npattern = \"age: {{age}}\"\n[scorer]\nkind = \"exact\"\n\
         [budget]\nmax_iterations = 1\n[policy]\nprovider = \"rulebook\"\nmodel = \"rulebook\"\n",
        Value::from(prompt)
    );
    workspace.write("config.toml", &config);
    workspace.succeed(&["run", "config.toml"]);
    workspace
}

fn ablated(workspace: &Workspace, budget: &str) -> Value {
    let run = [
        "ablate",
        "latest",
        "baseline",
        "--json",
        "found.json",
        "--max-rollouts",
        budget,
    ];
    let finished = workspace.gepa(&run);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serde_json::from_str(&workspace.read("found.json")).unwrap()
}

fn findings(found: &Value) -> Vec<&str> {
    let parts = found["parts"].as_array().unwrap().iter();
    parts
        .map(|part| part["finding"].as_str().unwrap())
        .collect()
}

#[test]
fn lines_that_change_no_answer_go_and_the_outcomes_are_known_the_next_time() {
    let workspace = workspace(false);
    let found = ablated(&workspace, "3000");
    assert_eq!(
        findings(&found),
        ["earns", "earns", "not_needed", "not_needed"]
    );
    let shorter = &found["shorter"];
    assert_eq!(shorter["components"]["instruction"], NEEDED);
    assert_eq!(shorter["is_proposed"], true);
    assert!(number(&found, "executed") > 0);
    // A search does not see these runs unless it asks for archived ones, and they cost nothing again.
    let listed = workspace.succeed(&["runs", "--json"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let again = ablated(&workspace, "3000");
    assert_eq!(number(&again, "executed"), 0);
    assert_eq!(findings(&again), findings(&found));
    workspace.succeed(&["doctor"]);
    // Both are in the journal of the run, as they were written.
    let kept = workspace.succeed(&["export", "latest", "--what", "events"]);
    let kept: Vec<Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["kind"] == "ablation_noted")
        .collect();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0]["body"]["report"], found);
    assert_eq!(kept[1]["body"]["report"], again);
    workspace.succeed(&["replay", "latest"]);
    // The file that it writes is a prompt for `eval`.
    let write = [
        "ablate",
        "latest",
        "baseline",
        "--max-rollouts",
        "3000",
        "-o",
        "short.json",
    ];
    assert_eq!(workspace.succeed(&write), format!("{NEEDED}\n"));
    workspace.succeed(&[
        "eval",
        "config.toml",
        "--prompt",
        "short.json",
        "--fail-if-worse",
    ]);
}

#[test]
fn of_two_lines_that_do_the_same_one_stays() {
    let workspace = workspace(true);
    let found = ablated(&workspace, "5000");
    assert_eq!(
        findings(&found),
        [
            "earns",
            "not_needed",
            "not_needed",
            "not_needed",
            "not_needed"
        ]
    );
    assert_eq!(found["tried_together"], false);
    assert_eq!(found["shorter"]["components"]["instruction"], NEEDED);
}

#[test]
fn the_budget_is_never_exceeded_and_one_that_decides_nothing_is_refused() {
    let workspace = workspace(false);
    for budget in [120, 300, 500] {
        let found = ablated(&workspace, &budget.to_string());
        assert!(number(&found, "executed") <= budget, "{found}");
        // The next budget begins without what this one bought.
        workspace.succeed(&[
            "runs", "prune", "--older", "0m", "--tag", "ablation", "--yes",
        ]);
    }
    let refused = workspace.gepa(&["ablate", "latest", "--max-rollouts", "20"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("too small"), "{}", refused.stderr);
    let single = workspace.gepa(&[
        "ablate",
        "latest",
        "--max-rollouts",
        "2000",
        "--margin",
        "0",
    ]);
    assert_eq!(single.code, Some(2), "{}", single.stderr);
}
