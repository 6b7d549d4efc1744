//! No text of a config, of data or of a model reaches a terminal as something that it would obey.

use crate::support::Workspace;

/// Clears the screen, sets colour, rings, and turns the direction of text.
const HOSTILE: &str = r"\u001b[2J\u001b[31m\u0007\u202e\u2066\u009b";
/// What a candidate's text may have of it: the characters that turn the direction of text.
const TURNING: &str = r"\u202e\u2066";

#[track_caller]
fn assert_harmless(workspace: &Workspace, arguments: &[&str]) -> String {
    let finished = workspace.gepa(arguments);
    let text = finished.stdout + &finished.stderr;
    let obeyed = |c: char| {
        let is_direction = matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        is_direction || (c.is_control() && !matches!(c, '\n' | '\t'))
    };
    let found = text.find(obeyed);
    assert!(found.is_none(), "{arguments:?}: {text:?}");
    assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    text
}

#[test]
fn no_command_writes_what_a_terminal_obeys() {
    let workspace = Workspace::with_rulebook();
    let rows = workspace.read("rows.jsonl");
    let id = format!("\"tag\": \"t{HOSTILE}\", \"id\": \"i{HOSTILE}-");
    workspace.write("rows.jsonl", &rows.replace("\"id\": \"", &id));
    let config = workspace.read("config.toml");
    let config = config
        .replace("name = \"ages\"", &format!("name = \"n{HOSTILE}\""))
        .replace(
            "component = \"instruction\"",
            &format!("component = \"c{HOSTILE}\""),
        );
    let with_seed =
        |end: &str| config.replace("Answer yes or no.", &format!("Answer yes or no.{end}"));
    workspace.write("config.toml", &with_seed(HOSTILE));
    let refused = assert_harmless(&workspace, &["run", "config.toml"]);
    assert!(refused.contains("U+001B in line 1"), "{refused}");
    workspace.write("config.toml", &with_seed(TURNING));
    assert_harmless(&workspace, &["run", "config.toml"]);
    let seed = ["run", "config.toml", "--set", "run.seed=8"];
    assert_harmless(&workspace, &seed);
    let gate = ["gate", "latest", "--per-slice", "tag"];
    let sliced = assert_harmless(&workspace, &gate);
    assert!(sliced.contains(r"tag=t\u{1b}[2J"), "{sliced}");
    let runs = workspace.succeed(&["export", "latest", "--what", "stats"]);
    assert!(runs.contains("run_id"), "{runs}");
    for arguments in [
        &["check", "config.toml"][..],
        &["check", "config.toml", "--try"],
        &["check", "config.toml", "--online"],
        &["check", "config.toml", "--set", "policy.\u{202e}=1"],
        &["check", "config.toml", "--set", "run.name"],
        &["check", "no\u{1b}[31m.toml"],
        &["run", "config.toml", "--plan"],
        &["run", "--resume", "latest"],
        &["run", "--resume", "latest", "--set", "run.seed=9"],
        &["run", "--resume", "\u{1b}[31m"],
        &["show", "latest"],
        &["show", "latest", "--candidates"],
        &["show", "latest", "--lineage"],
        &["show", "latest", "--config"],
        &["show", "latest", "--rollout", "1"],
        &["show", "latest", "--reflection", "1"],
        &["diff", "latest", "0", "best"],
        &["blame", "latest"],
        &["compare", "latest", "latest"],
        &["runs"],
        &["runs", "tag", "latest", "t\u{1b}[31m"],
        &["runs", "rename", "latest", "n\u{1b}[31m"],
        &["runs", "delete", "latest"],
        &["doctor"],
        &["replay", "latest"],
        &["replay", "latest", "--set", "search.parent=current_best"],
        &["branch", "latest", "--at", "1"],
        &["steer", "latest", "hint", "h\u{1b}[31m"],
        &["eval", "config.toml"],
        &["eval", "config.toml", "--against", "latest"],
        &["eval", "config.toml", "--model", "rulebook/m\u{1b}[31m"],
        &["ablate", "latest", "--max-rollouts", "10"],
        &["best", "latest", "--component", "x\u{1b}[31m"],
        &[
            "store",
            "copy",
            "sqlite://.gepa/gepa.db",
            "sqlite://copy.db",
        ],
    ] {
        assert_harmless(&workspace, arguments);
    }
}
