//! Tests of `gepa doctor`, and that the store holds no secret.

use std::path::Path;
use std::time::Duration;

use gepa_testing::{Fault, FaultPlan};
use rusqlite::Connection;

use crate::support::{Server, Workspace};

#[test]
fn the_doctor_finds_and_repairs_a_row_that_differs_from_the_journal() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml"]);
    let clean = workspace.succeed(&["doctor"]);
    assert!(clean.contains("runs checked: 1, nothing wrong"), "{clean}");

    let database = Connection::open(workspace.path().join(".gepa/gepa.db")).unwrap();
    let changed = database
        .execute("UPDATE rollouts SET prompt_tokens = prompt_tokens + 1000 WHERE seq = (SELECT MIN(seq) FROM rollouts)", [])
        .unwrap();
    assert_eq!(changed, 1);
    drop(database);

    let found = workspace.gepa(&["doctor"]);
    assert_eq!(found.code, Some(1));
    assert!(
        found.stdout.contains("the journal says"),
        "{}",
        found.stdout
    );
    assert!(
        found.stdout.contains("the rows add up to"),
        "{}",
        found.stdout
    );
    let repaired = workspace.gepa(&["doctor", "latest", "--repair"]);
    assert_eq!(
        repaired.code,
        Some(1),
        "differences are listed even if they were repaired"
    );
    workspace.succeed(&["doctor"]);
}

#[test]
fn a_key_is_sent_to_the_provider_and_found_nowhere_else() {
    let key = "sk-marker-5d41402abc4b2a76";
    let faults = FaultPlan::none().with_probability(
        2,
        0.2,
        Fault::Status {
            status: 401,
            retry_after: None,
            code: "bad_key".to_owned(),
            message: format!("the key {key} is not right"),
        },
    );
    let server = Server::with(faults, Duration::ZERO);
    let mut workspace = Workspace::with_model(&server.base_url(), 80);
    workspace.set_variable("LOCAL_API_KEY", key);
    let mut printed = Vec::new();
    for arguments in [
        &["check", "config.toml"][..],
        &["run", "config.toml", "--log", "json"],
        &["run", "config.toml"],
        &["show", "latest"],
        &["doctor"],
        &["export", "latest", "--what", "rollouts"],
        &["export", "latest", "--what", "events"],
    ] {
        let finished = workspace.gepa(arguments);
        printed.push(finished.stdout);
        printed.push(finished.stderr);
    }
    let calls = server.ledger().recent;
    assert!(!calls.is_empty());
    assert!(
        calls
            .iter()
            .all(|call| call.header("authorization") == Some(&format!("Bearer {key}")))
    );
    assert!(
        printed.iter().all(|text| !text.contains(key)),
        "the key was printed"
    );
    let mut searched = 0;
    search(workspace.path(), key.as_bytes(), &mut searched);
    assert!(searched >= 3, "config, rows and database");
}

fn search(folder: &Path, key: &[u8], searched: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, key, searched);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap_or_default();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key),
            "the key is in {}",
            name.display()
        );
        *searched += 1;
    }
}
