//! `gepa check` finds what `gepa run` would refuse, and waits for nothing that never comes.

use crate::support::Workspace;

#[test]
fn a_program_that_cannot_work_is_named_by_check_as_by_run() {
    let mut workspace = Workspace::with_rulebook();
    workspace.set_variable("PATH", &std::env::var("PATH").unwrap());
    let config = workspace.read("config.toml");
    let with = |table: &str| workspace.write("config.toml", &format!("{config}\n{table}"));
    let refused = |expected: &str| {
        let checked = workspace.gepa(&["check", "config.toml"]);
        assert_eq!(checked.code, Some(2), "{}", checked.stderr);
        assert!(checked.stderr.contains(expected), "{}", checked.stderr);
        let run = workspace.gepa(&["run", "config.toml"]);
        assert_eq!(run.stderr, checked.stderr, "`run` says what `check` says");
        let silent = workspace.gepa(&["check", "config.toml", "--no-programs"]);
        assert_eq!(silent.code, Some(0), "{}", silent.stderr);
    };
    let ended = "did not become ready: it ended before it said hello";
    with("[proposer]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"exit 1\"]\n");
    refused(ended);
    with("[proposer]\nkind = \"process\"\ncommand = [\"nosuchprogram\"]\n");
    refused("cannot start `nosuchprogram`");
    let scorer = |scorer: &str| config.replace("kind = \"exact\"", scorer);
    let lasting = "kind = \"command\"\nlasting = true\ncommand = [\"sh\", \"-c\", \"exit 1\"]";
    workspace.write("config.toml", &scorer(lasting));
    refused(ended);
    workspace.write(
        "config.toml",
        &scorer("kind = \"python\"\nexpression = \"1 +\""),
    );
    refused("SyntaxError");
    workspace.write(
        "config.toml",
        &scorer("kind = \"python\"\nexpression = \"1.0\""),
    );
    let checked = workspace.succeed(&["check", "config.toml"]);
    assert!(
        checked.contains("programs  said hello and were ended: scorer\n"),
        "{checked}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let workspace = Workspace::with_rulebook();
    let pipe = workspace.path().join(".env");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    workspace.succeed(&["check", "config.toml"]);
    let refused = |config: &str, expected: &str| {
        let checked = workspace.gepa(&["check", config]);
        assert_eq!(checked.code, Some(2), "{}", checked.stderr);
        assert!(checked.stderr.contains(expected), "{}", checked.stderr);
    };
    refused(".env", "it is a named pipe, which is not read");
    refused("/dev/zero", "it has more than the 16777216 bytes");
    let config = workspace.read("config.toml");
    workspace.write(
        "rows.toml",
        &config.replace("rows.jsonl", ".env\"\nformat = \"jsonl"),
    );
    refused("rows.toml", "it is a named pipe, which is not read");
    let template = "[reflection]\ntemplate_file = \"/dev/zero\"\n";
    workspace.write("template.toml", &format!("{config}\n{template}"));
    refused("template.toml", "it has more than the 4194304 bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_whose_name_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let workspace = Workspace::with_rulebook();
    let folder = workspace
        .path()
        .join(std::ffi::OsStr::from_bytes(b"bad\xff"));
    std::fs::create_dir(&folder).unwrap();
    for file in ["config.toml", "rows.jsonl"] {
        std::fs::copy(workspace.path().join(file), folder.join(file)).unwrap();
    }
    for command in ["check", "run"] {
        let mut command = workspace.command(&[command, "config.toml"]);
        let finished = command.current_dir(&folder).output().unwrap();
        let stderr = String::from_utf8_lossy(&finished.stderr);
        assert_eq!(finished.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("has a name that is not UTF-8"), "{stderr}");
    }
}

/// Checks the usual config with one change to its text and one to its rows.
fn checked(config: [&str; 2], rows: [&str; 2]) -> crate::support::Finished {
    let workspace = Workspace::with_rulebook();
    let changed = |file: &str, [from, to]: [&str; 2]| {
        let text = workspace.read(file);
        assert!(text.contains(from), "{file} has no `{from}`");
        workspace.write(file, &text.replacen(from, to, 1));
    };
    changed("config.toml", config);
    changed("rows.jsonl", rows);
    workspace.gepa(&["check", "config.toml"])
}

#[track_caller]
fn refused(config: [&str; 2], rows: [&str; 2], expected: &str) {
    let finished = checked(config, rows);
    assert_eq!(finished.stderr.trim_end(), expected);
    assert_eq!(finished.code, Some(2));
}

const SAME: [&str; 2] = ["", ""];

#[test]
fn rows_that_show_nothing_are_named() {
    for empty in ["null", "\"\"", "\"  \"", "[]", "{}", "\"\\u200b\""] {
        let row = format!("\"age\": {empty}, \"answer\"");
        refused(
            SAME,
            ["\"age\": 23, \"answer\"", &row],
            "config.toml:15: `prompt.messages` show nothing of these rows, whose {age} is empty: `age-23` (line 4); \
             complete them, or leave them out of the sets",
        );
    }
    // One of two fields may be empty.
    let both = ["age: {age}", "age: {age} {id}"];
    let allowed = [
        "id_column = \"id\"",
        "id_column = \"id\"\nprompt_columns = [\"age\", \"id\"]",
    ];
    let workspace = Workspace::with_rulebook();
    let rows = workspace.read("rows.jsonl");
    workspace.write(
        "rows.jsonl",
        &rows.replacen("\"age\": 23,", "\"age\": null,", 1),
    );
    let config = workspace.read("config.toml");
    let config = config
        .replace(both[0], both[1])
        .replace(allowed[0], allowed[1]);
    workspace.write("config.toml", &config);
    workspace.succeed(&["check", "config.toml"]);
}

#[test]
fn a_component_that_no_message_shows_is_refused() {
    refused(
        [
            "[scorer]",
            "[components]\nother = \"Never shown.\"\n\n[scorer]",
        ],
        SAME,
        "config.toml:25: `components.other` is in no message, so no call would show it and its rewriting would be \
         paid for nothing; give a message of `[[prompt.messages]]` the key `component = \"other\"`, or remove it",
    );
}

#[test]
fn a_misspelt_provider_is_refused_and_one_that_is_not_used_is_noted() {
    refused(
        [
            "[scorer]",
            "[providers.rulbook]\ndollars_per_day = 0.1\n\n[scorer]",
        ],
        SAME,
        "config.toml:24: `providers.rulbook` is the provider of no model; did you mean `rulebook`?",
    );
    let other = [
        "[scorer]",
        "[providers.anthropic]\nmax_concurrent = 2\n\n[scorer]",
    ];
    let noted = checked(other, SAME);
    assert_eq!(noted.code, Some(0), "{}", noted.stderr);
    assert_eq!(
        noted.stderr,
        "note: config.toml:24: `providers.anthropic` is the provider of no model, so it has no effect; the models \
         are of `rulebook`\n"
    );
}

#[test]
fn a_list_is_no_table() {
    for (table, list) in [("merge", "[true]"), ("final", "[0.9]"), ("rollouts", "[3]")] {
        let line = format!("{table} = {list}\n[run]");
        let expected = format!(
            "config.toml:1: `{table}` is a list; it must be a table: `[{table}]` and lines such as `key = value`"
        );
        refused(["[run]", &line], SAME, &expected);
    }
}

#[test]
fn a_key_that_stands_elsewhere_is_named_with_its_place() {
    let workspace = Workspace::with_rulebook();
    let set = |setting: &str, expected: &str| {
        let checked = workspace.gepa(&["check", "config.toml", "--set", setting]);
        assert_eq!(checked.code, Some(2), "{setting}");
        assert!(checked.stderr.contains(expected), "{}", checked.stderr);
    };
    set("seed=1", "`seed` is not a known key; here it is `run.seed`");
    set("dataset.answer_column=x", "here it is `dataset.answer`");
    set("policy.stop=[1]", "here it is a key of `extra`");
    set("policy.reasoning_effort=low", "here it is a key of `extra`");
    set("policy.api_base=x", "here it is `base_url`");
    set("dataset.split.val={count=3}", "here it is `pareto`");
    set("dataset.split.test={count=3}", "here it is `validation`");
    set("scorer.type=exact", "here it is `kind`");
    set("scorer.kind=f1", "did you mean `token_f1`?");
    set("scorer.kind=exakt", "did you mean `exact`?");
    set(
        "evaluator.command=[\"x\"]",
        "`evaluator` needs the key `kind`: `dataset`, `process` or `task_app`",
    );
    let unknown = workspace.gepa(&["check", "config.toml", "--set", "scorer.zzzzzzzzzzzz=1"]);
    assert_eq!(
        unknown.stderr.matches("ignore_case").count(),
        1,
        "{}",
        unknown.stderr
    );
    let range = "evaluator.score_range=[0,100]";
    workspace.succeed(&["check", "config.toml", "--set", range]);
}

#[test]
fn a_column_that_cannot_fill_a_wildcard_is_named() {
    let workspace = Workspace::with_rulebook();
    let rows = workspace.read("rows.jsonl");
    workspace.write("rows.jsonl", &rows.replace("\"age\"", "\"age \""));
    let config = workspace.read("config.toml");
    workspace.write("config.toml", &config.replace("{age}", "{age }"));
    let checked = workspace.gepa(&["check", "config.toml"]);
    assert_eq!(checked.code, Some(2));
    let expected = "the column `age ` cannot fill a wildcard";
    assert!(checked.stderr.contains(expected), "{}", checked.stderr);
}

#[test]
fn one_fault_of_the_data_is_one_message() {
    let few = "train = { count = 20 }";
    refused(
        [few, "train = { count = 200 }"],
        SAME,
        "config.toml:10: `dataset.split` does not work: dataset split: `train` asks for 200 rows, but only 60 are \
         left; make the sets smaller",
    );
}

#[test]
fn a_further_seed_says_which_of_its_wildcards_are_not_filled() {
    let noted = checked(
        [
            "[scorer]",
            "[[seeds]]\ninstruction = \"It is {answer}.\"\n\n[scorer]",
        ],
        SAME,
    );
    assert_eq!(noted.code, Some(0), "{}", noted.stderr);
    let expected = "`seeds[0].instruction` has {answer}, which the text of `instruction` in the config has not got";
    assert!(noted.stderr.contains(expected), "{}", noted.stderr);
}

#[test]
fn a_limit_that_is_no_number_is_refused() {
    let workspace = Workspace::with_rulebook();
    for option in ["--fail-below=NaN", "--fail-below=inf"] {
        let refused = workspace.gepa(&["eval", "config.toml", option]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("it must be a finite number"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn a_program_without_a_file_is_noted() {
    let workspace = Workspace::with_rulebook();
    let config = workspace.read("config.toml");
    let with = |command: &str| {
        let scorer = format!("kind = \"command\"\ncommand = {command}");
        workspace.write("config.toml", &config.replace("kind = \"exact\"", &scorer));
        workspace.gepa(&["check", "config.toml"]).stderr
    };
    let note = "`scorer.command` names no file beside the config";
    workspace.write("score.py", "");
    for found in [
        "[\"sh\", \"-c\", \"python3 score.py\"]",
        "[\"python3\", \"-m\", \"score\"]",
    ] {
        assert!(!with(found).contains(note), "{found}");
    }
    for unread in [
        "[\"sh\", \"-c\", \"echo 1\"]",
        "[\"python3\", \"-m\", \"elsewhere\"]",
    ] {
        assert!(with(unread).contains(note), "{unread}");
    }
}
