//! A run keeps its data, wherever it is resumed, and what a model wrote moves no cursor.

use crate::support::Workspace;

#[test]
fn a_run_whose_rows_changed_is_not_resumed() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml", "--set", "budget.max_iterations=1"]);
    let rows = workspace.read("rows.jsonl");
    let turned = rows.replacen(
        r#""age": 33, "answer": "no""#,
        r#""age": 33, "answer": "yes""#,
        1,
    );
    assert_ne!(rows, turned);
    workspace.write("rows.jsonl", &turned);
    let more = [
        "run",
        "--resume",
        "latest",
        "--set",
        "budget.max_iterations=6",
    ];
    let refused = workspace.gepa(&more);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("1 new or changed (age-33)"),
        "{}",
        refused.stderr
    );
    assert!(
        !refused.stderr.contains("gepa run --resume"),
        "what was refused is no advice: {}",
        refused.stderr
    );
    // A limit below what the run has used is refused for a plan as for the run.
    workspace.write("rows.jsonl", &rows);
    let narrow = [
        "run",
        "--resume",
        "latest",
        "--set",
        "budget.max_rollouts=5",
    ];
    for command in [&narrow[..], &[&narrow[..], &["--plan"]].concat()] {
        let finished = workspace.gepa(command);
        assert_eq!(finished.code, Some(2), "{command:?}: {}", finished.stderr);
        assert!(
            finished.stderr.contains("`budget.max_rollouts`"),
            "{command:?}: {}",
            finished.stderr
        );
    }
    // Rows may be listed in another order, and the file may have another layout.
    let mut lines: Vec<&str> = rows.lines().collect();
    lines.insert(0, "");
    workspace.write("rows.jsonl", &lines.join("\n"));
    workspace.succeed(&more);
}

#[test]
fn a_run_begun_beside_its_config_is_resumed_from_another_folder() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml", "--set", "budget.max_iterations=1"]);
    std::fs::create_dir(workspace.path().join("below")).unwrap();
    let mut command = workspace.command(&[
        "run",
        "--resume",
        "latest",
        "--store",
        "sqlite://../.gepa/gepa.db",
        "--set",
        "budget.max_iterations=6",
    ]);
    let finished = command.current_dir(workspace.path().join("below")).output();
    let finished = finished.unwrap();
    let stderr = String::from_utf8_lossy(&finished.stderr);
    assert_eq!(finished.status.code(), Some(0), "{stderr}");
}

#[test]
fn a_changed_text_file_is_named() {
    let workspace = Workspace::with_rulebook();
    workspace.write("reflection.txt", "<curr_param>\n<side_info>\n");
    let config = workspace.read("config.toml");
    workspace.write(
        "config.toml",
        &format!("{config}\n[reflection]\ntemplate_file = \"reflection.txt\"\n"),
    );
    workspace.succeed(&["run", "config.toml"]);
    workspace.write("reflection.txt", "other <curr_param>\n<side_info>\n");
    let refused = workspace.gepa(&["run", "--resume", "latest"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("`reflection.txt` was"),
        "{}",
        refused.stderr
    );
}

#[test]
fn only_a_file_is_an_environment_file_and_a_bad_line_hides_no_run() {
    let workspace = Workspace::with_rulebook();
    std::fs::create_dir(workspace.path().join(".env")).unwrap();
    workspace.succeed(&["run", "config.toml"]);
    std::fs::remove_dir(workspace.path().join(".env")).unwrap();
    workspace.write(".env", "FOO BAR\n");
    let runs = workspace.gepa(&["runs"]);
    assert_eq!(runs.code, Some(0), "{}", runs.stderr);
    assert!(
        runs.stderr.contains("note: .env, line 1"),
        "{}",
        runs.stderr
    );
    workspace.succeed(&["show", "latest"]);
    assert_eq!(workspace.gepa(&["run", "config.toml"]).code, Some(2));
}

#[test]
fn a_terminal_obeys_no_text_of_a_config_and_the_newest_run_is_listed_first() {
    let workspace = Workspace::with_rulebook();
    let name = "run.name=\"a\\u001b[31m\\u202eb\"";
    workspace.succeed(&["run", "config.toml", "--set", name]);
    workspace.succeed(&["run", "config.toml", "--set", "run.name=second"]);
    let runs = workspace.succeed(&["runs"]);
    let lines: Vec<&str> = runs.lines().collect();
    assert!(lines[1].ends_with("second"), "{runs}");
    assert!(lines[2].ends_with(r"a\u{1b}[31m\u{202e}b"), "{runs}");
    let short = lines[2].split_whitespace().nth(1).unwrap();
    let shown = workspace.succeed(&["show", short]);
    assert!(shown.contains(r"a\u{1b}[31m"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
}
