//! Runs found by parts of their ids, by conditions, and newest first, in every store.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::{
    Event, EventBody, Fact, LabelChange, RunAbandoned, RunId, RunQuery, Seq, SteeredBy, StopReason,
    Store, Timestamp,
};
use serde_json::{Value, json};

use crate::conformance::on_every_store;
use crate::everything::append;
use crate::script::{bodies, run_row};

on_every_store!(
    runs_are_found_by_the_beginning_or_the_end_of_their_ids,
    runs_are_paged_from_the_newest,
    conditions_find_the_runs_that_meet_them_and_no_others,
    each_condition_finds_what_its_name_says,
);

const IDS: [&str; 5] = [
    "pl_0190aaaaaaaaaaaa",
    "pl_0190aaaabbbbbbbb",
    "pl_0191cccccccccccc",
    "pl_aaaa00000000dddd",
    "pl_ffff0000000000190",
];

async fn filled(store: &dyn Store) {
    // In another order than that of the ids.
    for id in [IDS[2], IDS[0], IDS[4], IDS[1], IDS[3]] {
        store.create_run(run_row(id)).await.unwrap();
    }
}

async fn runs_are_found_by_the_beginning_or_the_end_of_their_ids(store: Arc<dyn Store>) {
    filled(&*store).await;
    for (text, expected) in [
        ("pl_0190", &IDS[..2]),
        ("0190", &IDS[..2]),
        ("pl_019", &IDS[..3]),
        ("0190aaaab", &IDS[1..2]),
        (IDS[3], &IDS[3..4]),
        // One begins with it, and the ends of others do not matter.
        ("aaaa", &IDS[3..4]),
        ("dddd", &IDS[3..4]),
        ("000190", &IDS[4..]),
        ("pl_", &IDS[..]),
        ("", &IDS[..]),
        ("0192", &[]),
        ("%", &[]),
        ("pl_019_", &[]),
        ("0190AAAA", &[]),
        ("\\", &[]),
        ("\0", &[]),
        ("'; --", &[]),
        ("\u{10ffff}", &[]),
    ] {
        let found = store.run_ids(text, 100).await.unwrap();
        let found: Vec<&str> = found.iter().map(RunId::as_str).collect();
        assert_eq!(found, expected, "{text:?}");
    }
    assert_eq!(store.run_ids("pl_", 2).await.unwrap().len(), 2);
    assert_eq!(store.run_ids("000190", 0).await.unwrap().len(), 0);
}

async fn runs_are_paged_from_the_newest(store: Arc<dyn Store>) {
    assert!(store.runs_before(None, 3).await.unwrap().is_empty());
    filled(&*store).await;
    let mut all = store.runs().await.unwrap();
    all.reverse();
    for size in 1..7 {
        let mut found = Vec::new();
        loop {
            let before = found
                .last()
                .map(|run: &gepa_engine::record::RunRow| &run.run_id);
            let page = store.runs_before(before, size).await.unwrap();
            assert!(page.len() <= size);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, all, "pages of {size}");
    }
    let unknown = "pl_0123456789abcdef".parse().unwrap();
    assert!(
        store
            .runs_before(Some(&unknown), 9)
            .await
            .unwrap()
            .is_empty()
    );
}

const MINUTE: i64 = 60_000_000;

fn id(number: i64) -> RunId {
    format!("pl_{:016x}", 0xa0 + number * 7919 % 64)
        .parse()
        .unwrap()
}

/// 24 runs that differ in everything that a condition names.
async fn varied(store: &dyn Store) {
    for number in 0..24_i64 {
        let row = RunRow {
            run_id: id(number),
            name: ["nightly", "Straße %_", "é \u{0} \u{1}x"][number as usize % 3].to_owned(),
            created_at: Timestamp(number * MINUTE),
            config: json!({
                "settings": {"run": {"seed": number % 4, "name": "a\"b/\u{0}"}, "list": [0, number % 2]},
                "budget": {"max_iterations": if number % 5 == 0 { json!(0) } else { json!(0.5) }},
            }),
            policy_model: if number % 2 == 0 { "GPT-x" } else { "other" }.to_owned(),
            ..run_row(id(number).as_str())
        };
        store.create_run(row).await.unwrap();
        let begun = bodies().into_iter().next().unwrap();
        let paused = EventBody::Fact(Fact::RunPaused(SteeredBy::default()));
        let reason = StopReason::Cancelled;
        let ended = EventBody::Fact(Fact::RunAbandoned(RunAbandoned { reason }));
        let bodies = match number % 4 {
            0 => vec![],
            1 => vec![begun],
            2 => vec![begun, paused],
            _ => vec![begun, ended],
        };
        let events = (1..).zip(bodies).map(|(seq, body)| Event {
            seq: Seq(seq),
            // A run that was created later can be idle for longer.
            at: Timestamp((100 - 3 * number + seq as i64) * MINUTE),
            body,
        });
        append(store, &id(number), Seq(0), events.collect())
            .await
            .unwrap();
        if number % 3 > 0 {
            let tags: &[&str] = if number % 2 == 0 {
                &["keep", "\"q\"", "é"]
            } else {
                &["keeper"]
            };
            let change = LabelChange {
                add_tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
                note: Some(format!("Note {number}\u{0}")),
                archived: Some(number % 4 == 1),
                ..LabelChange::default()
            };
            store.set_labels(&id(number), &change).await.unwrap();
        }
    }
}

fn queries() -> Vec<RunQuery> {
    let mut queries = vec![RunQuery::default()];
    // Each round adds one condition to every query there is, so all combinations of a few are tried.
    let conditions: [&[fn(&mut RunQuery)]; 6] = [
        &[
            |query| query.statuses = vec![RunStatus::Running, RunStatus::Cancelled],
            |query| query.statuses = vec![RunStatus::Failed],
        ],
        &[
            |query| query.name = Some("Straße %_".to_owned()),
            |query| query.name = Some("é \u{0} \u{1}x".to_owned()),
        ],
        &[
            |query| query.tags = ["keep".to_owned()].into(),
            |query| query.tags = ["\"q\"".to_owned(), "é".to_owned()].into(),
        ],
        &[
            |query| query.word = Some("STRASSE".to_owned()),
            |query| query.word = Some("STRAßE".to_owned()),
            |query| query.word = Some("/gpt-X".to_owned()),
            |query| query.word = Some("note 1".to_owned()),
            |query| query.word = Some("%".to_owned()),
        ],
        &[
            |query| query.archived = Some(true),
            |query| query.archived = Some(false),
        ],
        &[
            |query| query.idle_since = Some(Timestamp(40 * MINUTE)),
            |query| query.config = vec![("/budget/max_iterations".to_owned(), json!(0))],
            |query| query.config = vec![("/settings/run/name".to_owned(), json!("a\"b/\u{0}"))],
            |query| query.config = vec![("/settings/list".to_owned(), json!([0, 1]))],
            |query| query.config = vec![("/settings/list/1".to_owned(), json!(1))],
            |query| query.config = vec![("/settings/run/seed".to_owned(), json!("1"))],
            |query| query.before = Some(id(11)),
            |query| query.before = Some("pl_0123456789abcdef".parse().unwrap()),
        ],
    ];
    for round in conditions {
        for place in 0..queries.len() {
            for condition in round {
                let mut next = queries[place].clone();
                condition(&mut next);
                queries.push(next);
            }
        }
    }
    queries
}

async fn conditions_find_the_runs_that_meet_them_and_no_others(store: Arc<dyn Store>) {
    varied(&*store).await;
    let (mut all, labels) = (store.runs().await.unwrap(), store.labels().await.unwrap());
    all.reverse();
    let of = |run: &RunRow| labels.get(&run.run_id).cloned().unwrap_or_default();
    let (mut some, queries) = (0, queries());
    for query in queries.iter().step_by(11) {
        let older = match &query.before {
            None => &all[..],
            Some(before) => match all.iter().position(|run| run.run_id == *before) {
                Some(place) => &all[place + 1..],
                None => &[],
            },
        };
        let expected = older.iter().filter(|run| query.takes(run, &of(run)));
        let expected: Vec<RunRow> = expected.cloned().collect();
        some += usize::from(!expected.is_empty());
        assert_eq!(
            store.count_runs(query).await.unwrap(),
            expected.len(),
            "{query:?}"
        );
        for limit in [0, 2, usize::MAX] {
            let found = store.find_runs(query, limit).await.unwrap();
            let expected = &expected[..limit.min(expected.len())];
            assert_eq!(found, expected, "{query:?}");
        }
    }
    assert!(some > 20, "only {some} queries find a run");
}

/// Whether the run of this number is found.
type Expected = fn(i64) -> bool;

async fn each_condition_finds_what_its_name_says(store: Arc<dyn Store>) {
    varied(&*store).await;
    let numbers: BTreeMap<RunId, i64> = (0..24).map(|number| (id(number), number)).collect();
    let config = |path: &str, value: Value| RunQuery {
        config: vec![(path.to_owned(), value)],
        ..RunQuery::default()
    };
    let word = |word: &str| RunQuery {
        word: Some(word.to_owned()),
        ..RunQuery::default()
    };
    let expectations: Vec<(RunQuery, Expected)> = vec![
        (
            RunQuery {
                statuses: vec![RunStatus::Paused, RunStatus::Queued],
                ..RunQuery::default()
            },
            |number| number % 2 == 0,
        ),
        (word("straSSE"), |_| false),
        (word("strAßE"), |number| number % 3 == 1),
        (word("RULEBOOK/gpt"), |number| number % 2 == 0),
        (word("NOTE 2"), |number| {
            number % 3 > 0 && (number == 2 || number >= 20)
        }),
        (
            RunQuery {
                tags: ["keep".to_owned()].into(),
                ..RunQuery::default()
            },
            |number| number % 3 > 0 && number % 2 == 0,
        ),
        (
            RunQuery {
                archived: Some(true),
                ..RunQuery::default()
            },
            |number| number % 3 > 0 && number % 4 == 1,
        ),
        (
            RunQuery {
                idle_since: Some(Timestamp(40 * MINUTE)),
                ..RunQuery::default()
            },
            |number| match number % 4 {
                0 => number <= 40,
                1 => 101 - 3 * number <= 40,
                _ => 102 - 3 * number <= 40,
            },
        ),
        (config("/budget/max_iterations", json!(0)), |number| {
            number % 5 == 0
        }),
        (config("/settings/run/seed", json!(3)), |number| {
            number % 4 == 3
        }),
        (config("/settings/absent", Value::Null), |_| false),
    ];
    for (query, is_expected) in expectations {
        let found = store.find_runs(&query, usize::MAX).await.unwrap();
        let found: Vec<i64> = found.iter().map(|run| numbers[&run.run_id]).collect();
        let expected: Vec<i64> = (0..24)
            .rev()
            .filter(|&number| is_expected(number))
            .collect();
        assert_eq!(found, expected, "{query:?}");
    }
}
