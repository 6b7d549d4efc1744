//! Rows that grow after their insertion, and candidates ranked by estimates.

use gepa_archive::{
    Archive, ArchiveError, ArchiveSettings, CandidateIndex, Draw, Frontier, Origin, ParentRule,
};
use proptest::prelude::*;

use crate::fronts::{compare, frontiers, positions};
use crate::generators::{PlainRow, Shape, Words, candidate, rows, score_row};
use crate::oracle::{Oracle, sorted};

/// One estimate per candidate, with many ties.
fn estimates(words: &mut Words, count: usize) -> Vec<f64> {
    (0..count).map(|_| words.below(4) as f64 / 4.0).collect()
}

fn named(estimates: &[f64], live: &[CandidateIndex]) -> Vec<(CandidateIndex, f64)> {
    let next = CandidateIndex(estimates.len() as u32 - 1);
    let of = |index: CandidateIndex| (index, estimates[index.position()]);
    let mut named: Vec<_> = live.iter().copied().map(of).collect();
    if !live.contains(&next) {
        named.push(of(next));
    }
    named
}

fn settings(frontier: Frontier, max_size: Option<usize>) -> ArchiveSettings {
    ArchiveSettings {
        frontier,
        max_size,
        min_score: None,
        revisable: true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn growing_rows_and_estimates_leave_what_the_definition_says(
        frontier in frontiers(),
        rows in rows(Shape { candidates: 10, instances: 6, highest: 2, coverage: 0.8 }),
        max_size in prop::option::weighted(0.4, 1_usize..6),
        seed in any::<u64>(),
    ) {
        let settings = settings(frontier, max_size);
        let mut archive = Archive::new(settings.clone());
        let mut oracle = Oracle::new(settings);
        let mut words = Words::new(seed);
        // Every row enters with its first scores and grows later.
        let mut lengths: Vec<usize> = Vec::new();
        for (count, row) in rows.iter().enumerate() {
            lengths.push(words.below(row.len() + 1));
            let start: PlainRow = row[..lengths[count]].to_vec();
            let means = estimates(&mut words, count + 1);
            let before = (sorted(oracle.survivors()), archive.best());
            let insertion = archive
                .insert_ranked(
                    candidate(&count.to_string()),
                    Vec::new(),
                    Origin::Reflection,
                    &score_row(&start),
                    &named(&means, archive.live()),
                )
                .unwrap();
            let evicted = oracle.insert_ranked(&start, &means);
            prop_assert_eq!(positions(&insertion.evicted), evicted);
            prop_assert_eq!(insertion.front_changed, before.0 != sorted(oracle.survivors()));
            prop_assert_eq!(insertion.best_changed, before.1 != archive.best());
            compare(&archive, &oracle);

            for _ in 0..words.below(3) {
                let live = oracle.live();
                let one = live[words.below(live.len())];
                lengths[one] += words.below(rows[one].len() - lengths[one] + 1);
                let longer: PlainRow = rows[one][..lengths[one]].to_vec();
                let means = estimates(&mut words, count + 1);
                let before = (sorted(oracle.survivors()), archive.best());
                let live: Vec<_> = archive.live().to_vec();
                let named: Vec<_> = live.iter().map(|id| (*id, means[id.position()])).collect();
                let index = CandidateIndex(one as u32);
                let extension = archive.extend(index, &score_row(&longer), &named).unwrap();
                oracle.extend(one, &longer, &means);
                prop_assert_eq!(extension.front_changed, before.0 != sorted(oracle.survivors()));
                prop_assert_eq!(extension.best_changed, before.1 != archive.best());
                compare(&archive, &oracle);
                let entry = archive.get(index).unwrap();
                prop_assert_eq!(entry.scored as usize, longer.len());
                prop_assert_eq!(entry.mean.to_bits(), score_row(&longer).mean().to_bits());
            }
        }
    }

    #[test]
    fn a_plain_insertion_after_a_revision_leaves_what_the_definition_says(
        frontier in frontiers(),
        rows in rows(Shape { candidates: 9, instances: 5, highest: 2, coverage: 0.8 }),
        seed in any::<u64>(),
    ) {
        let settings = settings(frontier, None);
        let mut archive = Archive::new(settings.clone());
        let mut oracle = Oracle::new(settings);
        let mut words = Words::new(seed);
        for (count, row) in rows.iter().enumerate() {
            crate::fronts::insert_and_compare(&mut archive, &mut oracle, row);
            let means = estimates(&mut words, count + 1);
            let named: Vec<_> = archive.live().iter().map(|id| (*id, means[id.position()])).collect();
            archive.extend(CandidateIndex(0), &score_row(&rows[0]), &named).unwrap();
            oracle.extend(0, &rows[0], &means);
            compare(&archive, &oracle);
        }
    }
}

#[test]
fn a_candidate_is_chosen_only_for_examples_on_which_it_was_run() {
    let row = |scores: &[f64]| -> PlainRow {
        let scored = scores.iter().enumerate();
        let plain = scored.map(|(at, score)| crate::generators::PlainScore {
            instance: at as u32,
            score: *score,
            objectives: Vec::new(),
        });
        plain.collect()
    };
    let mut archive = Archive::new(settings(Frontier::Instance, None));
    let insert = |archive: &mut Archive, scores: &[f64], estimates: &[f64]| {
        let named = named(estimates, archive.live());
        let text = candidate(&archive.len().to_string());
        let row = score_row(&row(scores));
        let inserted = archive.insert_ranked(text, vec![], Origin::Reflection, &row, &named);
        inserted.unwrap()
    };
    insert(&mut archive, &[1.0, 0.0, 0.0, 1.0], &[0.5]);
    insert(&mut archive, &[0.0, 1.0], &[0.5, 0.4]);
    let weights = |archive: &Archive| -> Vec<(usize, usize)> {
        let survivors = archive.front().survivors().iter();
        survivors
            .map(|one| (one.candidate.position(), one.weight))
            .collect()
    };
    assert_eq!(weights(&archive), [(0, 3), (1, 1)]);
    let longer = score_row(&row(&[0.0, 1.0, 1.0]));
    let extended = archive.extend(CandidateIndex(1), &longer, &[(CandidateIndex(1), 0.6)]);
    assert!(extended.unwrap().best_changed);
    assert_eq!(weights(&archive), [(0, 2), (1, 2)]);
    assert_eq!(
        archive.select(&ParentRule::CurrentBest, &mut Words::new(1)),
        Some(CandidateIndex(1))
    );
}

#[test]
fn the_row_of_an_evicted_candidate_is_not_extended() {
    let mut archive = Archive::new(settings(Frontier::Instance, Some(1)));
    let mut words = Words::new(3);
    for count in 0..2 {
        let estimates = vec![(CandidateIndex(count), f64::from(count))];
        let text = candidate(&words.word().to_string());
        let row = score_row(&[]);
        archive
            .insert_ranked(text, vec![], Origin::Reflection, &row, &estimates)
            .unwrap();
    }
    let refused = archive.extend(CandidateIndex(0), &score_row(&[]), &[]);
    assert_eq!(refused, Err(ArchiveError::NotLive(CandidateIndex(0))));
}
