//! One recorded run, as stored in its file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gepa_archive::Frontier;
use gepa_testing::{World, report_skip};
use serde::Deserialize;
use serde_json::Value;

use crate::config::{Acceptance, ComponentSelection, ParentSelection};

pub(super) struct Recording {
    pub(super) header: Header,
    pub(super) iterations: Vec<Value>,
    pub(super) footer: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Header {
    pub(super) name: String,
    /// Records hold only some of their fields.
    #[serde(default)]
    pub(super) partial: bool,
    pub(super) config: ReferenceConfig,
    pub(super) world: World,
    pub(super) components: Vec<String>,
    pub(super) seed_candidate: Vec<String>,
    pub(super) train_ids: Vec<u64>,
    pub(super) val_ids: Vec<u64>,
    pub(super) seed_val: Vec<u64>,
    pub(super) seed_mean: String,
    pub(super) seed_obj: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the fields are those of the recordings"
)]
pub(super) struct ReferenceConfig {
    pub(super) selector: ParentSelection,
    pub(super) frontier: Frontier,
    pub(super) acceptance: Acceptance,
    pub(super) module_selector: ComponentSelection,
    pub(super) minibatch: u32,
    pub(super) sampling: Vec<Value>,
    pub(super) selection: Vec<Value>,
    pub(super) cache: bool,
    pub(super) skip_perfect_score: bool,
    pub(super) perfect_score: Option<f64>,
    pub(super) use_merge: bool,
    pub(super) max_merge_invocations: u64,
    pub(super) merge_val_overlap_floor: u32,
    pub(super) shared_valset: bool,
    pub(super) seed: u64,
    pub(super) stops: Vec<Value>,
}

impl Recording {
    pub(super) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a readable recording");
        let mut lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a record per line"))
            .collect();
        let footer = lines.pop().expect("a footer");
        let header = lines.remove(0);
        Self {
            header: serde_json::from_value(header).expect("a header of format 1"),
            iterations: lines,
            footer,
        }
    }
}

impl ReferenceConfig {
    /// Parents per generation, and minibatches per parent.
    pub(super) fn sampling(&self) -> (u32, u32) {
        let number = |at: usize| {
            let number = self.sampling.get(at).and_then(Value::as_u64);
            number.expect("a count in the sampling") as u32
        };
        match self.sampling[0].as_str() {
            Some("single") => (1, 1),
            Some("same_parent") => (1, number(1)),
            Some("independent") => (number(1), 1),
            Some("pxn") => (number(1), number(2)),
            other => panic!("unknown sampling {other:?}"),
        }
    }

    pub(super) fn keep_best(&self) -> Option<u32> {
        match self.selection[0].as_str() {
            Some("all") => None,
            Some("best") => Some(1),
            Some("top_k") => self.selection[1].as_u64().map(|k| k as u32),
            other => panic!("unknown selection {other:?}"),
        }
    }
}

/// The files of all recordings, in `GEPA_CONFORMANCE_DIR` or, by default, in
/// `../shared/conformance` beside the workspace. If there are none, prints a note and returns an
/// empty list.
pub(super) fn files() -> Vec<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let directory = std::env::var_os("GEPA_CONFORMANCE_DIR").map_or(beside, PathBuf::from);
    if directory.is_dir() {
        return files_in(&directory);
    }
    report_skip("no conformance recordings, set GEPA_CONFORMANCE_DIR to their directory");
    Vec::new()
}

/// Records fresh runs of the reference in `folder`. If the reference is not installed, prints a
/// note and returns none.
pub(super) fn fresh_files(folder: &Path, count: u32) -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let python = tests.join(".venv/bin/python");
    let has_reference = Command::new(&python)
        .args(["-c", "import gepa"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_reference {
        report_skip(
            "no `gepa` in tests/.venv, run tests/peers/setup.sh to record fresh runs of it",
        );
        return Vec::new();
    }
    let output = Command::new(python)
        .arg(tests.join("peers/record.py"))
        .arg(folder)
        .args(["0", &count.to_string()])
        .output()
        .expect("a program that can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    files_in(folder)
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a readable directory");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|name| name == "jsonl"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the directory holds no recording");
    files
}
