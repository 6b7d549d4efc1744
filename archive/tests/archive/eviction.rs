//! Archives with a size limit.

use gepa_archive::{Archive, ArchiveSettings, CandidateIndex, InstanceIndex, Origin};
use proptest::prelude::*;

use crate::fronts::{frontiers, insert_and_compare};
use crate::generators::{Shape, candidate, rows, score_row};
use crate::oracle::Oracle;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn evictions_from_bounded_archives_follow_the_definition(
        frontier in frontiers(),
        rows in rows(Shape { candidates: 14, instances: 5, highest: 2, coverage: 0.8 }),
        max_size in 0_usize..7,
        min_score in prop::option::weighted(0.2, Just(0.7)),
    ) {
        let settings = ArchiveSettings { frontier, max_size: Some(max_size), min_score, revisable: false };
        let mut archive = Archive::new(settings.clone());
        let mut oracle = Oracle::new(settings);
        for row in &rows {

            insert_and_compare(&mut archive, &mut oracle, row);
            prop_assert!(archive.live().len() <= max_size.max(1));

        }
    }

    #[test]
    fn eviction_keeps_the_best_and_the_lineage_and_drops_the_scores(
        rows in rows(Shape { candidates: 12, instances: 4, highest: 3, coverage: 0.9 }),
        max_size in 1_usize..5,
    ) {
        let settings = ArchiveSettings { max_size: Some(max_size), ..ArchiveSettings::default() };
        let mut archive = Archive::new(settings);
        let mut greatest = f64::NEG_INFINITY;
        for (count, row) in rows.iter().enumerate() {
            let parents: Vec<_> =
                count.checked_sub(1).map(|parent| CandidateIndex(parent as u32)).into_iter().collect();
            let scores = score_row(row);
            greatest = greatest.max(scores.mean());
            archive
                .insert(candidate(&count.to_string()), parents, Origin::Reflection, &scores)
                .unwrap();
            let best = archive.best().and_then(|index| archive.get(index)).unwrap();
            prop_assert_eq!(best.mean, greatest);
            prop_assert!(!best.evicted);
        }
        for (index, entry) in archive.entries() {
            let text = index.to_string();
            prop_assert_eq!(entry.candidate.text("prompt").map(|one| &**one), Some(&*text));
            prop_assert!(entry.parents.iter().all(|&parent| archive.get(parent).is_some()));
            let scores = (0..30).filter_map(|one| archive.score(index, InstanceIndex(one))).count();
            prop_assert_eq!(scores, if entry.evicted { 0 } else { entry.scored as usize });
        }
    }
}
