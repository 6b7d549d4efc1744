//! A database whose last pages did not reach the disk.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gepa_testing::FaultPlan;
use rustix::process::Signal;
use serde_json::Value;

use super::books::{check_records, decisions};
use super::kills::Chance;
use crate::support::{Server, Workspace};

const ROLLOUTS: u64 = 180;
const DATABASE: &str = ".gepa/gepa.db";
const CUTS: usize = 24;

/// A run that was killed half-way, so that its write-ahead log is full, with its events.
fn killed(server: &Server) -> (Workspace, Vec<Value>) {
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let running = workspace.start(&["run", "config.toml"]);
    server.wait_until(|ledger| ledger.calls_answered > 90);
    running.signal(Signal::KILL);
    running.wait();
    server.wait_until(|ledger| ledger.in_flight == 0);
    // Reading moves the log into the database, so the test cuts a copy made before.
    let copy = Workspace::with_model(&server.base_url(), ROLLOUTS);
    copy_database(workspace.path(), copy.path());
    let events = workspace.export("events");
    (copy, events)
}

fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to.join(".gepa")).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{DATABASE}{suffix}");
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

fn cut(file: &Path, length: u64) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn a_write_ahead_log_cut_anywhere_leaves_a_whole_beginning_of_the_journal() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(5));
    let (killed, events) = killed(&server);
    let log = format!("{DATABASE}-wal");
    let length = fs::metadata(killed.path().join(&log)).unwrap().len();
    let mut chance = Chance(11);
    let mut kept = Vec::new();
    for _ in 0..CUTS {
        let torn = Workspace::with_model(&server.base_url(), ROLLOUTS);
        copy_database(killed.path(), torn.path());
        cut(&torn.path().join(&log), chance.below(length));
        let listed = torn.gepa(&["runs"]);
        if !listed.stdout.contains("pl_") {
            // Not even the run's creation had reached the disk.
            let is_empty = listed.code == Some(0) || listed.stderr.contains("holds no runs yet");
            assert!(is_empty, "{}", listed.stderr);
            continue;
        }
        let left = torn.export("events");
        assert_eq!(left[..], events[..left.len()]);
        check_records(&torn, &left);
        kept.push(left.len());
    }
    kept.sort_unstable();
    kept.dedup();
    assert!(kept.len() > 3, "the cuts fell into one place: {kept:?}");

    let torn = Workspace::with_model(&server.base_url(), ROLLOUTS);
    copy_database(killed.path(), torn.path());
    cut(&torn.path().join(&log), length * 2 / 3);
    // The folder in which the run began is gone.
    torn.succeed(&["run", "config.toml", "--resume", "latest"]);
    let whole = Workspace::with_model(&server.base_url(), ROLLOUTS);
    whole.succeed(&["run", "config.toml"]);
    assert_eq!(
        decisions(&torn.export("events")),
        decisions(&whole.export("events"))
    );
}

#[test]
fn a_database_cut_anywhere_is_either_read_in_full_or_refused_with_what_to_do() {
    let server = Server::start();
    let whole = Workspace::with_model(&server.base_url(), ROLLOUTS);
    whole.succeed(&["run", "config.toml"]);
    let events = whole.export("events");
    // The last process has moved its log into the database when it exited.
    thread::sleep(Duration::from_millis(10));
    let length = fs::metadata(whole.path().join(DATABASE)).unwrap().len();
    let mut chance = Chance(12);
    let mut refused = 0;
    for _ in 0..CUTS {
        let torn = Workspace::with_model(&server.base_url(), ROLLOUTS);
        fs::create_dir_all(torn.path().join(".gepa")).unwrap();
        fs::copy(whole.path().join(DATABASE), torn.path().join(DATABASE)).unwrap();
        cut(&torn.path().join(DATABASE), 1 + chance.below(length - 1));
        let checked = torn.gepa(&["doctor"]);
        if checked.code == Some(0) {
            assert_eq!(torn.export("events"), events);
            continue;
        }
        refused += 1;
        assert_eq!(
            checked.code,
            Some(1),
            "{}{}",
            checked.stdout,
            checked.stderr
        );
        let said = format!("{}{}", checked.stdout, checked.stderr);
        let says_what_to_do = said.contains("backup") || said.contains("name another store");
        assert!(says_what_to_do, "{said}");
    }
    assert!(refused > CUTS / 2, "{refused} of {CUTS} cuts were noticed");
}
