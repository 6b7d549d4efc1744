//! Vector dominance against moocore, an independent implementation.
//!
//! `tests/peers/setup.sh` installs it into `tests/.venv` at the workspace root; without that the
//! test says so and passes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gepa_archive::Draw;
use gepa_archive::dominance::{Direction, Objective, Point, nondominated};

use crate::generators::Words;
use crate::skipping::report_skip;

/// Reads one point set per line as JSON and prints, as JSON, who is not dominated.
const SCRIPT: &str = "
import json, sys
import moocore, numpy
for line in open(sys.argv[1]):
    case = json.loads(line)
    front = moocore.is_nondominated(numpy.array(case['points'], dtype=float),
                                    maximise=case['maximise'], keep_weakly=True)
    print(json.dumps([at for at, kept in enumerate(front) if kept]))
";
const SETS: usize = 400;

struct PointSet {
    maximise: Vec<bool>,
    points: Vec<Vec<f64>>,
}

#[test]
fn moocore_finds_the_same_points_nondominated() {
    let python = workspace().join("tests/.venv/bin/python");
    if !python.exists() {
        report_skip("no tests/.venv, run tests/peers/setup.sh to compare with moocore");
        return;
    }
    let mut words = Words::new(20);
    let sets: Vec<PointSet> = (0..SETS).map(|_| point_set(&mut words)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("points.jsonl");
    fs::write(&file, lines(&sets)).unwrap();
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), SETS);
    for (set, answer) in sets.iter().zip(answers.lines()) {
        let theirs: Vec<usize> = serde_json::from_str(answer).unwrap();
        assert_eq!(ours(set), theirs, "{:?} {:?}", set.maximise, set.points);
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Half the sets on a coarse grid, where ties and duplicates abound, half continuous.
fn point_set(words: &mut Words) -> PointSet {
    let axes = 1 + words.below(6);
    let is_coarse = words.below(2) == 0;
    let maximise = (0..axes).map(|_| words.below(2) == 0).collect();
    let mut value = || {
        if is_coarse {
            words.below(5) as f64
        } else {
            words.unit()
        }
    };
    let points = (0..40)
        .map(|_| (0..axes).map(|_| value()).collect())
        .collect();
    PointSet { maximise, points }
}

fn lines(sets: &[PointSet]) -> String {
    sets.iter().fold(String::new(), |mut text, set| {
        let case = serde_json::json!({ "maximise": set.maximise, "points": set.points });
        writeln!(text, "{case}").expect("writing to a string succeeds");
        text
    })
}

fn ours(set: &PointSet) -> Vec<usize> {
    let name = |axis: usize| axis.to_string().into();
    let objectives: Vec<Objective> = set
        .maximise
        .iter()
        .enumerate()
        .map(|(axis, &is_maximised)| Objective {
            name: name(axis),
            direction: if is_maximised {
                Direction::Maximize
            } else {
                Direction::Minimize
            },
            epsilon: 0.0,
        })
        .collect();
    let points: Vec<Point> = set
        .points
        .iter()
        .map(|values| {
            values
                .iter()
                .enumerate()
                .map(|(axis, &value)| (name(axis), value))
                .collect()
        })
        .collect();
    nondominated(&points, &objectives)
}
