//! The outputs of the commands, for people and for programs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Server, Workspace, answer, number, sum};

fn finished_run() -> (Workspace, Server) {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    workspace.succeed(&["run", "config.toml"]);
    (workspace, server)
}

#[test]
fn stdout_of_a_run_is_its_id_and_stderr_the_summary() {
    let workspace = Workspace::with_rulebook();
    let finished = workspace.gepa(&["run", "config.toml"]);
    let run = finished.stdout.trim_end();
    assert!(
        run.starts_with("pl_") && run.len() >= 19 && !run.contains('\n'),
        "{run}"
    );
    for wanted in [
        "the seed scores",
        "search ends, ",
        "validation: baseline",
        "difference",
        "gepa show",
    ] {
        assert!(
            finished.stderr.contains(wanted),
            "{wanted}: {}",
            finished.stderr
        );
    }
}

#[test]
fn json_logs_are_the_journal_and_end_with_the_stats() {
    let workspace = Workspace::with_rulebook();
    let finished = workspace.gepa(&["run", "config.toml", "--log", "json"]);
    assert_eq!(finished.code, Some(0));
    let logged: Vec<Value> = finished
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(logged, workspace.export("events"));
    let printed: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(printed.len(), 2);
    let stats: Value = serde_json::from_str(printed[1]).unwrap();
    assert_eq!(stats, workspace.stats());
    assert_eq!(stats["run_id"], printed[0]);
}

#[test]
fn csv_and_json_lines_hold_the_same_rows() {
    let (workspace, _server) = finished_run();
    for what in [
        "trials",
        "rollouts",
        "reflections",
        "candidates",
        "snapshots",
        "events",
        "stats",
    ] {
        let rows = workspace.export(what);
        let text = workspace.succeed(&["export", "latest", "--what", what, "--format", "csv"]);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns: Vec<String> = reader
            .headers()
            .unwrap()
            .iter()
            .map(str::to_owned)
            .collect();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows.len(), "{what}");
        for (record, row) in records.iter().zip(&rows) {
            assert_eq!(
                columns,
                row.as_object().unwrap().keys().cloned().collect::<Vec<_>>(),
                "{what}"
            );
            for (cell, value) in record.iter().zip(row.as_object().unwrap().values()) {
                match value {
                    Value::Null => assert_eq!(cell, ""),
                    Value::String(text) => assert_eq!(cell, text),
                    other => assert_eq!(&serde_json::from_str::<Value>(cell).unwrap(), other),
                }
            }
        }
    }
}

#[test]
fn exported_rollouts_have_the_columns_promised() {
    let (workspace, _server) = finished_run();
    let promised = "run_id trial_id candidate_id phase stage iteration trial_index seed attempts outcome score error \
        prompt_tokens completion_tokens unknown_tokens tokens cost_usd started_at finished_at inputs expected output \
        feedback";
    for row in workspace.export("rollouts") {
        let keys: Vec<&str> = row
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys, promised.split_whitespace().collect::<Vec<_>>());
    }
}

#[test]
fn exported_reflections_have_what_was_sent_and_replied() {
    let (workspace, _server) = finished_run();
    let calls = workspace.export("reflections");
    let stats = workspace.stats();
    assert!(!calls.is_empty());
    assert_eq!(sum(&calls, "calls"), number(&stats, "reflection_calls"));
    assert_eq!(
        sum(&calls, "prompt_tokens"),
        number(&stats, "mutation_prompt_tokens")
    );
    for call in &calls {
        assert!(!call["messages"].as_array().unwrap().is_empty(), "{call}");
        let has_text = call["outcome"] == "text";
        assert_eq!(has_text, call["text"].is_string(), "{call}");
        assert_eq!(has_text, call["error"].is_null(), "{call}");
        assert!(call["reply"].is_string(), "{call}");
    }
}

#[test]
fn candidates_can_be_had_best_first() {
    let (workspace, _server) = finished_run();
    let text = workspace.succeed(&[
        "export",
        "latest",
        "--what",
        "candidates",
        "--sort",
        "score",
    ]);
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0]["index"], workspace.stats()["best_index"]);
    assert!(rows.is_sorted_by_key(|row| row["status"] == "rejected"));
    assert_eq!(rows.len(), workspace.export("candidates").len());
}

#[test]
fn snapshots_are_complete_when_exported() {
    let (workspace, _server) = finished_run();
    let snapshots = workspace.export("snapshots");
    assert!(snapshots.len() >= 3, "a seed, a rise and the end");
    for snapshot in snapshots {
        assert!(
            snapshot["messages"][0]["content"]
                .as_str()
                .unwrap()
                .starts_with("Answer yes or no.")
        );
        assert!(snapshot["score"].is_f64() && snapshot["token_count"].as_u64() > Some(0));
        assert!(
            !snapshot["payload"]["archive"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        assert!(snapshot["payload"]["best_prompt_messages"][0]["content"].is_string());
    }
}

#[test]
fn best_prints_the_prompt_and_nothing_else() {
    let (workspace, _server) = finished_run();
    let text = workspace.succeed(&["best", "latest"]);
    assert!(
        text.starts_with("[system: instruction]\nAnswer yes or no."),
        "{text}"
    );
    assert!(text.ends_with("[user]\nage: {age}\n"), "{text}");
    let json: Value =
        serde_json::from_str(&workspace.succeed(&["best", "latest", "--format", "json"])).unwrap();
    assert_eq!(json["score"], workspace.stats()["best_score"]);
    assert!(text.contains(json["components"]["instruction"].as_str().unwrap()));
}

#[test]
fn a_diff_marks_words_and_lists_what_was_won_with_the_answers() {
    let (workspace, _server) = finished_run();
    let text = workspace.succeed(&["diff", "latest", "baseline", "best"]);
    assert!(text.contains("{+") && text.contains("rule 1"), "{text}");
    assert!(!text.contains('\x1b'), "no colour outside of a terminal");
    let best: Value =
        serde_json::from_str(&workspace.succeed(&["best", "latest", "--format", "json"])).unwrap();
    let instruction = best["components"]["instruction"].as_str().unwrap();
    let mut lines = text.lines();
    let mut won = 0;
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("  + won   age-") else {
            continue;
        };
        let age = rest.split_whitespace().next().unwrap();
        let question = format!("age: {age}");
        let before = format!("      - {}", answer("Answer yes or no.", &question));
        let after = format!("      + {}", answer(instruction, &question));
        let inputs = format!("      inputs    {{\"age\":{age}}}");
        let told: Vec<&str> = lines.by_ref().take(4).collect();
        assert_eq!(told[0], inputs);
        assert!(told[1].starts_with("      expected  "), "{}", told[1]);
        assert_eq!(told[2..], [before.as_str(), after.as_str()]);
        won += 1;
    }
    let counted: usize = text
        .lines()
        .filter_map(|line| {
            line.split_once(" set: ")?
                .1
                .split_once(" won")?
                .0
                .parse::<usize>()
                .ok()
        })
        .sum();
    assert!(
        won > 0 && won == counted,
        "{won} listed, {counted} counted: {text}"
    );
    let one = [
        "diff", "latest", "baseline", "best", "--only", "won", "--limit", "1",
    ];
    let one = workspace.succeed(&one);
    assert!(one.contains(" more; a greater --limit shows them"), "{one}");
    assert!(!one.contains("  - lost"), "{one}");
    let summary = one.find("pareto set: ").unwrap();
    assert!(
        summary < one.find("[system").unwrap(),
        "the figures come first"
    );
    let same = workspace.succeed(&["diff", "latest", "0", "baseline"]);
    assert!(
        same.contains("unchanged: instruction, user") && same.contains("0 won, 0 lost"),
        "{same}"
    );
}

#[test]
fn a_run_is_found_by_id_by_its_beginning_and_as_the_latest() {
    let workspace = Workspace::with_rulebook();
    let run = workspace.succeed(&["run", "config.toml"]).trim().to_owned();
    let listed = workspace.succeed(&["runs"]);
    assert!(
        listed.contains(&run) && listed.contains("succeeded") && !listed.contains("N/A"),
        "{listed}"
    );
    for reference in [run.as_str(), &run[..20], &run[3..20], "latest"] {
        let shown = workspace.succeed(&["show", reference]);
        assert!(shown.contains(&run), "{reference}");
    }
    workspace.succeed(&["run", "config.toml"]);
    let ambiguous = workspace.gepa(&["show", "pl_"]);
    assert_eq!(ambiguous.code, Some(2));
    assert!(
        ambiguous
            .stderr
            .contains("the beginning or the end of 2 run ids"),
        "{}",
        ambiguous.stderr
    );
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_program_quietly() {
    let (workspace, _server) = finished_run();
    let mut command = workspace.command(&["export", "latest", "--what", "snapshots"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn the_store_is_where_the_variable_the_file_or_the_argument_says() {
    let mut workspace = Workspace::with_rulebook();
    workspace.write(".env", "GEPA_STORE=sqlite://from-file.db\n");
    workspace.succeed(&["run", "config.toml"]);
    assert!(workspace.path().join("from-file.db").exists());
    workspace.set_variable("GEPA_STORE", "sqlite://from-variable.db");
    workspace.succeed(&["run", "config.toml"]);
    assert!(workspace.path().join("from-variable.db").exists());
    workspace.succeed(&["run", "config.toml", "--store", "sqlite://from-argument.db"]);
    assert!(workspace.path().join("from-argument.db").exists());
    assert!(!workspace.path().join(".gepa").exists());
}

#[test]
fn the_version_and_the_help_are_printed() {
    let workspace = Workspace::new();
    assert_eq!(
        workspace.succeed(&["-V"]),
        format!("gepa {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(workspace.succeed(&["--help"]).contains("130  interrupted"));
}

#[test]
fn the_best_prompt_can_be_printed_by_component() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml"]);
    let candidates = workspace.export("candidates");
    let names = candidates[0]["components"].as_object().unwrap();
    let name = names.keys().next().unwrap();
    let printed = workspace.succeed(&["best", "latest", "--component", name]);
    let json = workspace.succeed(&["best", "latest", "--format", "json"]);
    let best: Value = serde_json::from_str(&json).unwrap();
    let text = best["components"][name].as_str().unwrap();
    assert_eq!(printed, format!("{text}\n"));
    let unknown = workspace.gepa(&["best", "latest", "--component", "nothing"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.stderr.contains(&format!("`{name}`")),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_plan_rests_on_earlier_runs_of_the_task() {
    let (workspace, _server) = finished_run();
    let used = workspace.stats()["total_tokens"].as_f64().unwrap();
    let plan = workspace.succeed(&["run", "config.toml", "--plan"]);
    assert!(plan.contains("those of 1 earlier run"), "{plan}");
    let line = plan
        .lines()
        .find(|line| line.starts_with("tokens "))
        .unwrap();
    let columns: Vec<f64> = line
        .split("  ")
        .skip(1)
        .filter(|column| !column.is_empty())
        .map(|column| column.replace(' ', "").parse().unwrap())
        .collect();
    let expected = columns[1];
    assert!(
        expected > used / 2.0 && expected < used * 2.0,
        "{expected} expected, {used} used"
    );
    let elsewhere = ["run", "config.toml", "--plan", "--store", "sqlite://new.db"];
    let plan = workspace.succeed(&elsewhere);
    assert!(!plan.contains("earlier run"), "{plan}");
    assert!(!workspace.path().join("new.db").exists());
}

#[test]
fn runs_are_compared_by_figures_settings_and_held_out_examples() {
    let (workspace, _server) = finished_run();
    let ids = || -> Vec<String> {
        let runs = workspace.succeed(&["runs"]);
        let first = |line: &str| line.split(' ').next().map(str::to_owned);
        runs.lines().skip(1).filter_map(first).collect()
    };
    workspace.succeed(&["run", "config.toml", "--set", "search.minibatch_size=4"]);
    let both = ids();
    let found = workspace.succeed(&["compare", &both[1], &both[0]]);
    for part in [
        "run 1  ",
        "run 2  ",
        "search.minibatch_size",
        "held-out examples",
    ] {
        assert!(found.contains(part), "`{part}` is not in: {found}");
    }
    let twice = workspace.gepa(&["compare", "latest", &both[0]]);
    assert_eq!(twice.code, Some(2), "{}", twice.stderr);
    let named = format!(
        "`{}` names run {} again; name each run once",
        both[0], both[0]
    );
    assert!(twice.stderr.contains(&named), "{}", twice.stderr);
}

#[test]
fn show_lists_candidates_their_lineage_a_rollout_and_a_reflection() {
    let (workspace, _server) = finished_run();
    let candidates = workspace.export("candidates");
    let table = workspace.succeed(&["show", "latest", "--candidates"]);
    assert_eq!(table.lines().count(), candidates.len() + 3, "{table}");
    let tree = workspace.succeed(&["show", "latest", "--lineage"]);
    assert_eq!(tree.lines().count(), candidates.len(), "{tree}");
    assert!(tree.starts_with("0, iteration 0, seed"), "{tree}");

    let events = workspace.export("events");
    let of = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    let rollout = of("rollout_settled");
    let by_event = workspace.succeed(&["show", "latest", "--rollout", &rollout["seq"].to_string()]);
    let row = &workspace.export("rollouts")[0];
    let name = format!(
        "{}:{}",
        row["trial_id"].as_str().unwrap(),
        row["seed"].as_str().unwrap()
    );
    assert_eq!(
        by_event,
        workspace.succeed(&["show", "latest", "--rollout", &name])
    );
    assert!(by_event.contains("\noutput\n"), "{by_event}");

    let reflection = of("reflection_settled");
    let iteration = reflection["body"]["iteration"].to_string();
    let shown = workspace.succeed(&["show", "latest", "--reflection", &iteration]);
    let sent = reflection["body"]["messages"][0]["content"]
        .as_str()
        .unwrap();
    for line in sent.lines().filter(|line| !line.is_empty()) {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(shown.contains("sent as user") && shown.contains("became     "));
    for wrong in [["--rollout", "no such"], ["--reflection", "9999"]] {
        let refused = workspace.gepa(&["show", "latest", wrong[0], wrong[1]]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    }
}

#[test]
fn the_matrix_has_a_row_for_each_example_and_a_column_for_each_accepted_candidate() {
    let (workspace, _server) = finished_run();
    let candidates = workspace.export("candidates");
    let rows = workspace.export("matrix");
    for candidate in candidates.iter().filter(|row| !row["index"].is_null()) {
        let column = format!("candidate_{}", candidate["index"]);
        for (set, scores) in [("pareto", "scores"), ("validation", "validation_scores")] {
            let of_set: Vec<&Value> = rows
                .iter()
                .filter(|row| row["set"] == set)
                .map(|row| &row[&column])
                .collect();
            match candidate[scores].as_array() {
                Some(scores) => assert_eq!(of_set, scores.iter().collect::<Vec<_>>()),
                None => assert!(of_set.iter().all(|cell| cell.is_null())),
            }
        }
    }
    let examples: Vec<&Value> = rows.iter().map(|row| &row["example"]).collect();
    assert!(examples.iter().all(|id| id.is_string()), "{examples:?}");
}
