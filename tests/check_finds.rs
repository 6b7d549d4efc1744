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
