//! Score rows and insertions that are refused.

use std::sync::Arc;

use gepa_archive::{
    Archive, ArchiveError, ArchiveSettings, CandidateIndex, InstanceIndex, InstanceScore, Origin,
    ScoreRow,
};
use indexmap::IndexMap;

use crate::generators::{candidate, score_row};

fn entry(instance: u32, score: f64) -> InstanceScore {
    InstanceScore {
        instance: InstanceIndex(instance),
        score,
        objectives: IndexMap::new(),
    }
}

#[test]
fn scores_that_are_not_finite_are_refused() {
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = ScoreRow::new(vec![entry(0, 1.0), entry(7, score)]).unwrap_err();
        assert!(matches!(
            refused,
            ArchiveError::BadScore {
                instance: InstanceIndex(7),
                ..
            }
        ));
    }
}

#[test]
fn objectives_that_are_not_finite_are_refused() {
    let mut bad = entry(4, 1.0);
    bad.objectives.insert(Arc::from("speed"), f64::NAN);
    let refused = ScoreRow::new(vec![bad]).unwrap_err();
    assert!(
        refused.to_string().contains("`speed` of instance 4"),
        "{refused}"
    );
}

#[test]
fn an_instance_scored_twice_is_refused_at_any_position() {
    let refused = ScoreRow::new(vec![entry(3, 1.0), entry(5, 0.0), entry(3, 1.0)]).unwrap_err();
    assert_eq!(refused, ArchiveError::DuplicateInstance(InstanceIndex(3)));
}

#[test]
fn sums_that_overflow_are_refused() {
    let refused = ScoreRow::new(vec![entry(0, f64::MAX), entry(1, f64::MAX)]).unwrap_err();
    assert_eq!(refused, ArchiveError::MeanOverflow);
}

#[test]
fn the_mean_is_summed_in_the_order_of_the_entries() {
    let forward = ScoreRow::new(vec![entry(0, 1e16), entry(1, 1.0), entry(2, -1e16)]).unwrap();
    let backward = ScoreRow::new(vec![entry(0, 1e16), entry(2, -1e16), entry(1, 1.0)]).unwrap();
    assert_eq!(forward.mean(), 0.0);
    assert_eq!(backward.mean(), 1.0 / 3.0);
}

#[test]
fn the_largest_instance_index_costs_no_more_than_any_other() {
    let row = ScoreRow::new(vec![entry(u32::MAX, 1.0)]).unwrap();
    let mut archive = Archive::new(ArchiveSettings::default());
    archive
        .insert(candidate("a"), vec![], Origin::Seed, &row)
        .unwrap();
    assert_eq!(
        archive.score(CandidateIndex(0), InstanceIndex(u32::MAX)),
        Some(1.0)
    );
    assert!(archive.memory_bytes() < 10_000);
}

#[test]
fn an_unknown_parent_is_refused_and_changes_nothing() {
    let mut archive = Archive::new(ArchiveSettings::default());
    let parent = CandidateIndex(0);
    let refused = archive.insert(
        candidate("a"),
        vec![parent],
        Origin::Reflection,
        &score_row(&[]),
    );
    assert_eq!(refused.unwrap_err(), ArchiveError::UnknownParent(parent));
    assert!(archive.is_empty());
}

#[test]
fn a_candidate_without_scores_ranks_last_and_never_survives() {
    let mut archive = Archive::new(ArchiveSettings::default());
    archive
        .insert(candidate("a"), vec![], Origin::Seed, &score_row(&[]))
        .unwrap();
    assert_eq!(archive.best(), Some(CandidateIndex(0)));
    let row = ScoreRow::new(vec![entry(0, -5.0)]).unwrap();
    archive
        .insert(candidate("b"), vec![], Origin::Injected, &row)
        .unwrap();
    assert_eq!(archive.top(2), [CandidateIndex(1), CandidateIndex(0)]);
    assert_eq!(archive.front().ids(), [CandidateIndex(1)]);
}

#[test]
fn an_archive_holds_little_more_than_its_scores() {
    let (candidates, instances) = (300_u32, 3_000_u32);
    let mut archive = Archive::new(ArchiveSettings::default());
    for index in 0..candidates {
        let scores = (0..instances).map(|at| entry(at, f64::from((index * 7 + at) % 2)));
        let row = ScoreRow::new(scores.collect()).unwrap();
        archive
            .insert(candidate("a"), vec![], Origin::Injected, &row)
            .unwrap();
    }
    let raw = (candidates * instances) as usize * size_of::<f64>();
    let held = archive.memory_bytes();
    assert!(held > raw, "{held} bytes cannot hold {raw} bytes of scores");
    assert!(
        held * 10 < raw * 13,
        "{held} bytes for {raw} bytes of scores"
    );
}
