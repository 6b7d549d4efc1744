//! Disks that are full or cannot be written, and two processes on one run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use gepa_testing::FaultPlan;
use rustix::process::{Signal, getuid};

use super::books::{check_records, decisions};
use crate::accounting::check_agreement;
use crate::support::{Server, Workspace};

const ROLLOUTS: u64 = 180;
const DATABASE: &str = ".gepa/gepa.db";
/// A user id that owns no file of root.
const OTHER_USER: u32 = 65_534;

/// The binary with a limit on the size of files, as on a disk that fills up.
fn on_a_small_disk(workspace: &Workspace, kibibytes: u64, arguments: &[&str]) -> Command {
    let binary = workspace.command(arguments);
    let mut shell = Command::new("bash");
    shell
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$@\""))
        .arg("bash")
        .arg(binary.get_program())
        .args(binary.get_args())
        .current_dir(workspace.path())
        .env_clear();
    shell
}

#[test]
fn a_full_disk_ends_the_run_with_what_to_do_and_loses_nothing_that_was_committed() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let mut on_small = on_a_small_disk(&workspace, 300, &["run", "config.toml"]);
    let output = on_small.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("disk") && stderr.contains("--resume"),
        "{stderr}"
    );
    let events = workspace.export("events");
    assert!(events.len() > 10, "{} events", events.len());
    check_records(&workspace, &events);

    workspace.succeed(&["run", "--resume", "latest"]);
    check_agreement(&workspace);
    let whole = Workspace::with_model(&server.base_url(), ROLLOUTS);
    whole.succeed(&["run", "config.toml"]);
    assert_eq!(
        decisions(&workspace.export("events")),
        decisions(&whole.export("events"))
    );
}

#[test]
fn a_store_that_cannot_be_written_is_refused_before_anything_is_bought() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    workspace.succeed(&["run", "config.toml"]);
    let bought = server.ledger().calls_received;
    let binary = workspace.path().join("gepa");
    fs::copy(env!("CARGO_BIN_EXE_gepa"), &binary).unwrap();
    let read_only = fs::Permissions::from_mode(0o444);
    fs::set_permissions(workspace.path().join(DATABASE), read_only).unwrap();
    let open_folder = fs::Permissions::from_mode(0o755);
    fs::set_permissions(workspace.path(), open_folder).unwrap();

    let mut command = Command::new(&binary);
    command
        .args(["run", "config.toml"])
        .current_dir(workspace.path())
        .env_clear();
    if getuid().is_root() {
        command.uid(OTHER_USER);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("gepa.db") && stderr.contains("writ"),
        "{stderr}"
    );
    assert_eq!(server.ledger().calls_received, bought);
}

#[test]
fn a_second_process_on_the_same_run_is_refused_and_told_who_holds_it() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(40));
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let running = workspace.start(&["run", "config.toml"]);
    server.wait_until(|ledger| ledger.calls_answered > 5);
    let second = workspace.gepa(&["run", "--resume", &running.run]);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    let holder = format!("process {}", running.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    running.signal(Signal::INT);
    assert_eq!(running.wait().code, Some(130));
    check_records(&workspace, &workspace.export("events"));
}
