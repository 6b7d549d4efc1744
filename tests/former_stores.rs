//! Stores of former versions can be read, checked, decided again, and resumed to the same end.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Workspace;

const COLUMNS: [&str; 9] = [
    "iteration",
    "index",
    "parents",
    "status",
    "close_reason",
    "gate",
    "scores",
    "validation_scores",
    "candidate_id",
];

/// A copy of a store and its rows in a temporary folder, and the expected answers.
struct Former {
    workspace: Workspace,
    expected: Value,
}

/// The folders of the stores of format 1, 3 and 4; the last has runs of the free schedule.
const FIRST: &str = "v1_eac876d";
const THIRD: &str = "v3_971114e";
const FREE: &str = "v4_free";

impl Former {
    fn open(version: &str, name: &str) -> Self {
        let fixtures = root().join("store/tests/fixtures").join(version);
        let mut workspace = Workspace::new();
        let store = format!("{name}.sqlite");
        std::fs::copy(fixtures.join(&store), workspace.path().join(&store)).unwrap();
        let rows = "data/heart_disease.csv";
        std::fs::create_dir(workspace.path().join("data")).unwrap();
        let configs = root().join("configs");
        std::fs::copy(configs.join(rows), workspace.path().join(rows)).unwrap();
        let own_rows = fixtures.join("patients.csv");
        if own_rows.exists() {
            std::fs::copy(own_rows, workspace.path().join("patients.csv")).unwrap();
        }
        workspace.set_variable("GEPA_STORE", &format!("sqlite://{store}"));
        let expected = std::fs::read(fixtures.join(format!("{name}.json"))).unwrap();
        Self {
            workspace,
            expected: serde_json::from_slice(&expected).unwrap(),
        }
    }

    /// Checks that every answer equals that of the former version.
    #[track_caller]
    fn check(&self, expected: &Value) {
        self.check_readable(expected);
        let replayed = self.workspace.succeed(&["replay", "latest"]);
        let (facts, decisions) = (
            &expected["replay"]["facts"],
            &expected["replay"]["decisions"],
        );
        let again = format!("{facts} facts give the {decisions} recorded decisions again");
        assert!(replayed.contains(&again), "{again}: {replayed}");
    }

    #[track_caller]
    fn check_readable(&self, expected: &Value) {
        let run = expected["run_id"].as_str().unwrap();
        let shown = self.workspace.succeed(&["show", run]);
        assert!(shown.contains(run), "{shown}");
        assert_covers(&self.workspace.stats(), &expected["stats"], "stats");
        self.check_events(expected);
        self.check_candidates(&expected["candidates"]);
        let best = self
            .workspace
            .succeed(&["best", "latest", "--format", "json"]);
        let best: Value = serde_json::from_str(&best).unwrap();
        assert_covers(&best, &expected["best"], "best");
        let doctor = self.workspace.succeed(&["doctor"]);
        assert!(doctor.contains("nothing wrong"), "{doctor}");
    }

    #[track_caller]
    fn check_events(&self, expected: &Value) {
        let events = self.workspace.export("events");
        assert_eq!(events.len() as u64, expected["events"].as_u64().unwrap());
        for (kind, count) in expected["kinds"].as_object().unwrap() {
            let found = events.iter().filter(|event| event["kind"] == *kind).count();
            assert_eq!(found as u64, count.as_u64().unwrap(), "{kind}");
        }
    }

    #[track_caller]
    fn check_candidates(&self, expected: &Value) {
        let rows = self.workspace.export("candidates");
        let expected = expected.as_array().unwrap();
        assert_eq!(rows.len(), expected.len());
        for (row, then) in rows.iter().zip(expected) {
            for column in COLUMNS {
                assert_eq!(row[column], then[column], "{column} of {row}");
            }
        }
    }

    /// Resumes the run with its stored configuration.
    #[track_caller]
    fn resume(&self) {
        let run = self.expected["run_id"].as_str().unwrap();
        self.workspace.succeed(&["run", "--resume", run]);
        self.check(&self.expected["resumed"]);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Checks that later versions may add figures but change none, except the number of examples that would decide:
/// later versions take it from the comparison itself.
#[track_caller]
fn assert_covers(now: &Value, then: &Value, what: &str) {
    for (name, value) in then.as_object().unwrap() {
        if name == "verdict_sentence" {
            assert_eq!(
                found_part(&now[name]),
                found_part(value),
                "{name} of {what}"
            );
        } else {
            assert_eq!(now[name], *value, "{name} of {what}");
        }
    }
}

/// The part of a verdict's sentence that says what was found.
fn found_part(sentence: &Value) -> Option<&str> {
    sentence.as_str()?.split("; about ").next()
}

#[test]
fn former_stores_give_the_answers_they_gave() {
    for name in [
        "finished",
        "merged",
        "killed",
        "interrupted",
        "job",
        "paused",
    ] {
        let former = Former::open(FIRST, name);
        former.check(&former.expected);
    }
    for name in ["finished", "killed"] {
        let former = Former::open(THIRD, name);
        former.check(&former.expected);
    }
}

#[test]
fn runs_of_the_free_schedule_are_decided_again_in_the_order_in_which_results_arrived() {
    for name in ["kept", "dropped"] {
        let former = Former::open(FREE, name);
        former.check(&former.expected);
        let mut ended = former.workspace.export("events");
        ended.retain(|event| {
            ["candidate_accepted", "proposal_closed"].contains(&event["kind"].as_str().unwrap())
        });
        let ended = ended
            .iter()
            .map(|event| event["body"]["iteration"].as_u64().unwrap());
        assert!(
            !ended.is_sorted(),
            "{name}: the run shows nothing of arrival"
        );
    }
}

#[test]
fn a_finished_run_of_a_former_version_gives_its_result_again() {
    let of_first = ["finished", "merged"].map(|name| (FIRST, name));
    for (version, name) in of_first.into_iter().chain([(THIRD, "finished")]) {
        let former = Former::open(version, name);
        let run = former.expected["run_id"].as_str().unwrap();
        former.workspace.succeed(&["run", "--resume", run]);
        former.check(&former.expected);
    }
}

#[test]
fn runs_that_a_former_version_left_unfinished_come_to_the_end_it_would_have_reached() {
    for (version, name) in [(FIRST, "killed"), (FIRST, "interrupted"), (THIRD, "killed")] {
        Former::open(version, name).resume();
    }
}

#[test]
fn a_run_with_settings_that_were_removed_can_be_read_and_is_not_decided_again() {
    let former = Former::open(FIRST, "free");
    former.check_readable(&former.expected);
    let run = former.expected["run_id"].as_str().unwrap();
    let commands: [&[&str]; 4] = [
        &["replay", run],
        &["run", "--resume", run],
        &["branch", run, "--at", "2"],
        &["replay", run, "--set", "search.keep_best=1"],
    ];
    for command in commands {
        let refused = former.workspace.gepa(command);
        assert_eq!(refused.code, Some(2), "{command:?}");
        for words in [
            "`run.stale_children` no longer takes `regate`",
            "`run.speculate` no longer takes `likely`",
            "only builds of commit a7b7752 and before resume or replay it",
        ] {
            assert!(refused.stderr.contains(words), "{}", refused.stderr);
        }
    }
    former.check_readable(&former.expected);
}
