//! Merge plans against a search written from its description.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_archive::{
    Archive, ArchiveSettings, Candidate, CandidateIndex, MergeLog, MergeSettings, Origin,
    plan_merge,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fronts::positions;
use crate::generators::{PlainRow, Shape, Words, rows, score_row};
use crate::merge_oracle::{Logs, Pool, merge};

/// Not in alphabetical order, on purpose.
const COMPONENTS: [&str; 3] = ["verify", "answer", "plan"];

/// The parent of a new candidate, and the components that it rewrites.
#[derive(Clone, Debug)]
struct Descent {
    parents: Vec<prop::sample::Index>,
    rewrites: Vec<Option<u8>>,
}

fn descents(count: usize) -> impl Strategy<Value = Vec<Descent>> {
    let parents = vec(any::<prop::sample::Index>(), 1..=2);
    let rewrites = vec(prop::option::weighted(0.4, 0_u8..3), COMPONENTS.len());
    let one = (parents, rewrites).prop_map(|(parents, rewrites)| Descent { parents, rewrites });
    vec(one, count)
}

fn build(rows: &[PlainRow], descents: &[Descent]) -> (Archive, Pool) {
    let mut archive = Archive::new(ArchiveSettings::default());
    let mut pool = Pool::default();
    for (count, (row, descent)) in rows.iter().zip(descents).enumerate() {
        let mut parents: Vec<usize> = Vec::new();
        if count > 0 {
            parents = descent
                .parents
                .iter()
                .map(|pick| pick.index(count))
                .collect();
        }
        let mut texts: BTreeMap<String, String> = match parents.first() {
            Some(&parent) => pool.texts[parent].clone(),
            None => COMPONENTS
                .iter()
                .map(|&name| (name.to_owned(), "seed".to_owned()))
                .collect(),
        };
        for (name, rewrite) in COMPONENTS.iter().zip(&descent.rewrites) {
            if let Some(version) = rewrite {
                texts.insert((*name).to_owned(), version.to_string());
            }
        }
        let scores = score_row(row);
        let candidate =
            Candidate::new(COMPONENTS.map(|name| (name, texts[name].as_str()))).unwrap();
        let ids = parents
            .iter()
            .map(|&parent| CandidateIndex(parent as u32))
            .collect();
        archive
            .insert(Arc::new(candidate), ids, Origin::Reflection, &scores)
            .unwrap();
        pool.texts.push(texts);
        pool.parents.push(parents);
        pool.means.push(scores.mean());
        pool.scores
            .push(row.iter().map(|one| (one.instance, one.score)).collect());
    }
    (archive, pool)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn plans_are_those_of_the_description(
        rows in rows(Shape { candidates: 9, instances: 8, highest: 2, coverage: 0.9 }),
        descents in descents(9),
        floor in 0_usize..7,
        seed in any::<u64>(),
    ) {
        let (archive, pool) = build(&rows, &descents);
        let survivors = positions(&archive.front().ids());
        let mut log = MergeLog::default();
        let mut logs = Logs::default();
        let mut words = Words::new(seed);
        let mut oracle_words = words.clone();
        for _ in 0..4 {
            let settings = MergeSettings { overlap_floor: floor };
            let plan = plan_merge(&archive, &mut log, settings, &mut words);
            let wanted = merge(&pool, &survivors, &mut logs, floor, &mut oracle_words);
            prop_assert_eq!(words.drawn, oracle_words.drawn, "words drawn");
            prop_assert_eq!(log.len(), logs.b.len());
            prop_assert_eq!(plan.is_some(), wanted.is_some());
            let (Some(plan), Some(wanted)) = (plan, wanted) else { continue };
            prop_assert_eq!(positions(&plan.parents), [wanted.pair.0, wanted.pair.1]);
            prop_assert_eq!(plan.ancestor.position(), wanted.ancestor);
            let sources: Vec<usize> =
                plan.sources.iter().map(|(_, source)| source.position()).collect();
            prop_assert_eq!(sources, wanted.description);
            for name in COMPONENTS {
                let text = plan.candidate.text(name).map(|text| &**text);
                prop_assert_eq!(text, wanted.texts.get(name).map(String::as_str));
            }
            let order: Vec<&str> = plan.candidate.components().keys().map(|name| &**name).collect();
            prop_assert_eq!(order, COMPONENTS);
            let subset: Vec<u32> = plan.subset.iter().map(|instance| instance.0).collect();
            prop_assert_eq!(subset, wanted.subset);
            prop_assert_eq!(plan.parent_sums, [wanted.sums.0, wanted.sums.1]);
        }
    }
}

/// A seed and two children. Each child changed one component and is best on one instance.
fn two_branches(seed_scores: [f64; 2]) -> Archive {
    let plain = |scores: [f64; 2]| -> PlainRow {
        (0..)
            .zip(scores)
            .map(|(instance, score)| crate::generators::PlainScore {
                instance,
                score,
                objectives: vec![],
            })
            .collect()
    };
    let mut archive = Archive::new(ArchiveSettings::default());
    let family = [
        (["s", "s"], vec![], seed_scores),
        (["new", "s"], vec![CandidateIndex(0)], [1.0, 0.0]),
        (["s", "new"], vec![CandidateIndex(0)], [0.0, 1.0]),
    ];
    for ([a, b], parents, scores) in family {
        let candidate = Arc::new(Candidate::new([("a", a), ("b", b)]).unwrap());
        archive
            .insert(
                candidate,
                parents,
                Origin::Reflection,
                &score_row(&plain(scores)),
            )
            .unwrap();
    }
    archive
}

#[test]
fn ancestors_that_scored_nothing_are_drawn_uniformly() {
    let archive = two_branches([0.0, 0.0]);
    let mut log = MergeLog::default();
    let settings = MergeSettings { overlap_floor: 1 };
    let plan = plan_merge(&archive, &mut log, settings, &mut Words::new(3)).expect("a merge");
    assert_eq!(plan.ancestor, CandidateIndex(0));
    assert_eq!(plan.candidate.text("a").map(|text| &**text), Some("new"));
    assert_eq!(plan.candidate.text("b").map(|text| &**text), Some("new"));
    assert_eq!(
        plan.subset.len(),
        5,
        "instances repeat if there are only two"
    );
}

#[test]
fn a_merge_is_proposed_once_even_after_the_log_was_stored() {
    let archive = two_branches([0.0, 0.0]);
    let mut log = MergeLog::default();
    let settings = MergeSettings { overlap_floor: 1 };
    assert!(plan_merge(&archive, &mut log, settings, &mut Words::new(3)).is_some());
    let stored = serde_json::to_string(&log).unwrap();
    let mut restored: MergeLog = serde_json::from_str(&stored).unwrap();
    assert_eq!(restored, log);
    assert_eq!(
        plan_merge(&archive, &mut restored, settings, &mut Words::new(4)),
        None
    );
}

#[test]
fn an_ancestor_better_than_a_parent_is_not_eligible() {
    let archive = two_branches([0.9, 0.9]);
    let mut log = MergeLog::default();
    let settings = MergeSettings { overlap_floor: 1 };
    assert_eq!(
        plan_merge(&archive, &mut log, settings, &mut Words::new(3)),
        None
    );
}
