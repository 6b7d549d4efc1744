//! Sets are disjoint, repeatable, and refuse what cannot be.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gepa_evaluation::ExampleId;
use gepa_tasks::dataset::{Dataset, DatasetSettings, SetSettings, SplitSettings, row_conflicts};
use proptest::prelude::*;

/// `rows` rows, every third one with the answer `rare`.
fn dataset(rows: usize) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..rows)
        .map(|row| format!("t{row},{}", if row % 3 == 0 { "rare" } else { "usual" }))
        .collect();
    let content = format!("text,answer\n{}\n", lines.join("\n"));
    std::fs::write(folder.path().join("a.csv"), content).unwrap();
    Dataset::load(&DatasetSettings::for_path("a.csv"), folder.path()).unwrap()
}

fn count(count: usize) -> SetSettings {
    SetSettings {
        count: Some(count),
        ..SetSettings::default()
    }
}

fn settings(train: SetSettings, pareto: SetSettings, validation: SetSettings) -> SplitSettings {
    SplitSettings {
        seed: 1,
        stratify: false,
        stratify_by: None,
        train,
        pareto,
        validation,
    }
}

fn check_error(split: &SplitSettings, part: &str) {
    let message = dataset(30).split(split).unwrap_err().to_string();
    assert!(message.contains(part), "`{part}` is not in: {message}");
}

proptest! {
    #[test]
    fn drawn_sets_are_disjoint_complete_and_the_same_every_time(
        seed in any::<u64>(), stratify in any::<bool>(), train in 0_usize..20, pareto in 0_usize..20,
    ) {
        let all = dataset(60);
        let split = SplitSettings {
            seed,
            stratify,
            ..settings(count(train), count(pareto), count(60 - train - pareto))
        };
        let sets = all.split(&split).unwrap();
        prop_assert_eq!(sets.train.len(), train);
        prop_assert_eq!(sets.pareto.len(), pareto);
        let together: BTreeSet<&ExampleId> =
            sets.train.iter().chain(&sets.pareto).chain(&sets.validation).collect();
        prop_assert_eq!(together.len(), 60);
        prop_assert_eq!(all.split(&split).unwrap(), sets.clone());
    }

    #[test]
    fn stratified_sets_have_the_mix_of_the_whole(seed in any::<u64>()) {
        let all = dataset(60);
        let split = SplitSettings {
            seed,
            stratify: true,
            ..settings(count(15), count(21), count(24))
        };
        let sets = all.split(&split).unwrap();
        for set in [&sets.train, &sets.pareto, &sets.validation] {
            let rare = set.iter().filter(|id| all.row(id).unwrap().answer() == Some("rare")).count();
            prop_assert!(rare.abs_diff(set.len() / 3) <= 1, "{rare} of {}", set.len());
        }
    }
}

#[test]
fn every_beginning_of_a_stratified_set_has_the_mix_of_the_column() {
    let mut text = "id,group,answer\n".to_owned();
    for row in 0..90 {
        let group = ["large", "large", "large", "middle", "middle", "small"][row % 6];
        writeln!(text, "{row},{group},same").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), text).unwrap();
    let split = SplitSettings {
        stratify_by: Some("group".to_owned()),
        ..settings(count(30), count(60), count(0))
    };
    let mut all = DatasetSettings::for_path("rows.csv");
    all.split = split.clone();
    let dataset = Dataset::load(&all, folder.path()).unwrap();
    let sets = dataset.split(&split).unwrap();
    for length in 1..=60 {
        for (group, share) in [("large", 0.5), ("middle", 1.0 / 3.0), ("small", 1.0 / 6.0)] {
            let first = sets.pareto[..length].iter();
            let found = first.filter(|id| dataset.row(id).unwrap().text("group") == Some(group));
            let off = found.count() as f64 - share * length as f64;
            assert!(off.abs() < 1.5, "{group} after {length}: {off}");
        }
    }
    all.split.stratify_by = Some("gruop".to_owned());
    let error = Dataset::load(&all, folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("no column `gruop`, named by `split.stratify_by`"),
        "{error}"
    );
}

#[test]
fn another_seed_gives_another_order() {
    let all = dataset(60);
    let split = settings(count(60), count(0), count(0));
    let other = SplitSettings {
        seed: 2,
        ..split.clone()
    };
    assert_ne!(all.split(&split).unwrap(), all.split(&other).unwrap());
}

#[test]
fn explicit_sets_come_first_and_in_their_order() {
    let rows = SetSettings {
        rows: Some(vec!["28..30".to_owned(), "0..1".to_owned()]),
        ..SetSettings::default()
    };
    let ids = SetSettings {
        ids: Some(vec![5_u64.into(), 3_u64.into()]),
        ..SetSettings::default()
    };
    let fraction = SetSettings {
        fraction: Some(0.3),
        ..SetSettings::default()
    };
    let sets = dataset(30).split(&settings(fraction, rows, ids)).unwrap();
    assert_eq!(sets.train.len(), 9);
    assert_eq!(sets.pareto, [28_u64, 29, 0].map(ExampleId::from));
    assert_eq!(sets.validation, [5_u64, 3].map(ExampleId::from));
    assert!(!sets.train.iter().any(|id| sets.pareto.contains(id)));
}

#[test]
fn impossible_sets_are_refused_with_numbers() {
    let none = SetSettings::default;
    check_error(
        &settings(count(20), count(20), none()),
        "`pareto` asks for 20 rows, but only 10",
    );
    let both = SetSettings {
        fraction: Some(0.1),
        ..count(1)
    };
    check_error(&settings(both, none(), none()), "more than one way");
    let fraction = SetSettings {
        fraction: Some(f64::NAN),
        ..none()
    };
    check_error(&settings(fraction, none(), none()), "between 0 and 1");
    for (range, part) in [
        ("0-3", "write `\"0..100\"`"),
        ("3..3", "write"),
        ("20..31", "there are 30"),
    ] {
        let rows = SetSettings {
            rows: Some(vec![range.to_owned()]),
            ..none()
        };
        check_error(&settings(none(), rows, none()), part);
    }
    let ids = |ids: Vec<ExampleId>| SetSettings {
        ids: Some(ids),
        ..SetSettings::default()
    };
    check_error(
        &settings(ids(vec!["x".into()]), none(), none()),
        "does not have",
    );
    check_error(
        &settings(ids(vec![1.into(), 1.into()]), none(), none()),
        "twice",
    );
}

#[test]
fn the_same_content_in_two_sets_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let content = "id,text,answer\na,Hello  there,x\nb,hello there,y\nc,other,x\nd,other,x\n";
    std::fs::write(folder.path().join("a.csv"), content).unwrap();
    let with_ids = DatasetSettings {
        id_column: Some("id".to_owned()),
        ..DatasetSettings::for_path("a.csv")
    };
    let all = Dataset::load(&with_ids, folder.path()).unwrap();
    let train: Vec<ExampleId> = vec!["a".into(), "c".into(), "d".into()];
    let validation: Vec<ExampleId> = vec!["b".into()];
    let found = row_conflicts(&all, &[&train, &validation]).duplicates;
    assert_eq!(found.len(), 1, "the pair inside one set is no leak");
    assert_eq!(
        (&found[0].first, &found[0].second),
        (&"a".into(), &"b".into())
    );
    assert_eq!((found[0].first_set, found[0].second_set), (0, 1));
}
