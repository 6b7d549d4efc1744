//! Parent selectors against the lists the reference implementation draws from.

use gepa_archive::{Archive, ArchiveSettings, CandidateIndex, Draw, Origin, ParentRule};
use proptest::prelude::*;

use crate::fronts::frontiers;
use crate::generators::{Shape, Words, candidate, rows, score_row};
use crate::oracle::{Oracle, in_order_of_appearance};

fn selectors() -> impl Strategy<Value = ParentRule> {
    prop_oneof![
        Just(ParentRule::Pareto),
        Just(ParentRule::CurrentBest),
        prop::sample::select(vec![0.0, 0.1, 0.5, 1.0])
            .prop_map(|epsilon| ParentRule::EpsilonGreedy { epsilon }),
        (0_usize..8).prop_map(|k| ParentRule::TopKPareto { k }),
    ]
}

fn expected(oracle: &Oracle, selector: ParentRule, draw: &mut dyn Draw) -> Option<usize> {
    let ranked = oracle.ranked();
    let best = ranked.first().copied();
    match selector {
        ParentRule::Pareto => drawn_from(oracle, &oracle.members(), draw).or(best),
        ParentRule::EpsilonGreedy { epsilon } if draw.unit() < epsilon => {
            let live = oracle.live();
            Some(live[draw.below(live.len())])
        }
        ParentRule::TopKPareto { k } => {
            let chosen = &ranked[..k.min(ranked.len())];
            let restricted: Vec<Vec<usize>> = restricted(&oracle.members(), chosen);
            drawn_from(oracle, &restricted, draw).or(best)
        }
        _ => best,
    }
}

fn drawn_from(oracle: &Oracle, fronts: &[Vec<usize>], draw: &mut dyn Draw) -> Option<usize> {
    let filtered = restricted(fronts, &oracle.survivors_of(fronts));
    let mut list = Vec::new();
    for candidate in in_order_of_appearance(&filtered) {
        let weight = filtered
            .iter()
            .filter(|front| front.contains(&candidate))
            .count();
        list.extend(std::iter::repeat_n(candidate, weight));
    }
    (!list.is_empty()).then(|| list[draw.below(list.len())])
}

fn restricted(fronts: &[Vec<usize>], allowed: &[usize]) -> Vec<Vec<usize>> {
    fronts
        .iter()
        .map(|front| {
            front
                .iter()
                .copied()
                .filter(|one| allowed.contains(one))
                .collect()
        })
        .filter(|front: &Vec<usize>| !front.is_empty())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn selectors_choose_what_the_written_out_list_gives(
        frontier in frontiers(),
        rows in rows(Shape { candidates: 12, instances: 6, highest: 2, coverage: 0.8 }),
        selector in selectors(),
        max_size in prop::option::weighted(0.3, 2_usize..8),
        seed in any::<u64>(),
    ) {
        let settings = ArchiveSettings { frontier, max_size, min_score: None, revisable: false };
        let mut archive = Archive::new(settings.clone());
        let mut oracle = Oracle::new(settings);
        let mut words = Words::new(seed);
        let mut oracle_words = words.clone();
        for (count, row) in rows.iter().enumerate() {
            archive
                .insert(candidate(&count.to_string()), vec![], Origin::Injected, &score_row(row))
                .unwrap();
            oracle.insert(row);
            let chosen = archive.select(&selector, &mut words);
            let wanted = expected(&oracle, selector, &mut oracle_words);
            prop_assert_eq!(chosen.map(CandidateIndex::position), wanted);
            prop_assert_eq!(words.drawn, oracle_words.drawn, "words drawn");
        }
    }
}

#[test]
fn an_empty_archive_has_no_parent_to_offer() {
    let archive = Archive::new(ArchiveSettings::default());
    let selectors = [
        ParentRule::Pareto,
        ParentRule::CurrentBest,
        ParentRule::EpsilonGreedy { epsilon: 1.0 },
        ParentRule::TopKPareto { k: 5 },
    ];
    for selector in selectors {
        assert_eq!(archive.select(&selector, &mut Words::new(1)), None);
    }
}
