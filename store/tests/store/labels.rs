//! The laws of labels and of deletion, for every store.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_engine::record::RunRow;
use gepa_engine::{
    Decision, Event, EventBody, LabelChange, RunId, RunLabels, RunOrigin, Seq, Store, StoreError,
};
use gepa_store::{MemoryStore, copy_run, rebuild};

use crate::conformance::{on_every_store, scripted};
use crate::everything::{append, everything};
use crate::script::{RUN, journal, run_row};

const OTHER: &str = "pl_00000000000000b2";

on_every_store!(
    labels_are_changed_one_by_one_and_read_back,
    labels_that_no_list_could_show_are_refused_and_change_nothing,
    labels_change_while_a_process_works_on_the_run,
    a_deleted_run_is_gone_and_another_with_the_same_texts_is_whole,
    a_run_is_deleted_by_its_owner_only,
    a_run_that_others_branch_from_is_kept,
    an_id_can_be_used_again_after_its_run_was_deleted,
    a_copy_takes_the_labels_along,
);

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn id(text: &str) -> RunId {
    text.parse().unwrap()
}

async fn labels_are_changed_one_by_one_and_read_back(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let before = everything(&*store, &run).await;
    let labels = store.labels().await.unwrap();
    assert!(
        labels
            .get(&run)
            .is_none_or(|one| *one == RunLabels::default())
    );
    let tagged = LabelChange {
        add_tags: words(&["b", "a"]),
        note: Some("two\nlines \u{0} \u{1}0".to_owned()),
        archived: Some(true),
        ..LabelChange::default()
    };
    let first = store.set_labels(&run, &tagged).await.unwrap();
    assert!(first.archived_at.is_some());
    let renamed = LabelChange {
        name: Some("another name".to_owned()),
        add_tags: words(&["c"]),
        remove_tags: words(&["a", "never there"]),
        archived: Some(true),
        ..LabelChange::default()
    };
    let second = store.set_labels(&run, &renamed).await.unwrap();
    let expected = RunLabels {
        tags: words(&["b", "c"]),
        ..first
    };
    assert_eq!(second, expected);
    assert_eq!(store.labels().await.unwrap()[&run], expected);
    let after = everything(&*store, &run).await;
    assert_eq!(after.run.name, "another name");
    let named = RunRow {
        name: before.run.name.clone(),
        ..after.run.clone()
    };
    assert_eq!(named, before.run);
    assert_eq!(after.events, before.events);
    assert_eq!(rebuild(&*store, &run).await.unwrap(), []);
    let back = LabelChange {
        archived: Some(false),
        ..LabelChange::default()
    };
    assert_eq!(
        store.set_labels(&run, &back).await.unwrap().archived_at,
        None
    );
}

async fn labels_that_no_list_could_show_are_refused_and_change_nothing(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let kept = LabelChange {
        add_tags: words(&["kept"]),
        ..LabelChange::default()
    };
    let before = store.set_labels(&run, &kept).await.unwrap();
    let tag = |tag: &str| LabelChange {
        add_tags: words(&[tag]),
        note: Some("must not be stored".to_owned()),
        ..LabelChange::default()
    };
    let name = |name: &str| LabelChange {
        name: Some(name.to_owned()),
        ..tag("fine")
    };
    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    let many = LabelChange {
        add_tags: many.into_iter().collect(),
        ..tag("fine")
    };
    let long = "x".repeat(65);
    let changes = [
        tag(""),
        tag("a b"),
        tag("a,b"),
        tag(&long),
        name(" "),
        name("a\nb"),
        many,
    ];
    for change in changes {
        let refused = store.set_labels(&run, &change).await;
        assert!(matches!(refused, Err(StoreError::Label(_))), "{change:?}");
        assert_eq!(store.labels().await.unwrap()[&run], before, "{change:?}");
    }
    let unknown = store.set_labels(&id(OTHER), &kept).await;
    assert!(matches!(unknown, Err(StoreError::UnknownRun(_))));
    assert!(!store.labels().await.unwrap().contains_key(&id(OTHER)));
}

async fn labels_change_while_a_process_works_on_the_run(store: Arc<dyn Store>) {
    let run = id(RUN);
    store.create_run(run_row(RUN)).await.unwrap();
    let claim = store.claim(&run).await.unwrap();
    let events: Vec<Event> = journal().to_vec();
    let (first, rest) = events.split_at(5);
    store
        .append(claim.token(), Seq(0), first.into())
        .await
        .unwrap();
    let change = LabelChange {
        name: Some("renamed".to_owned()),
        add_tags: words(&["running"]),
        ..LabelChange::default()
    };
    store.set_labels(&run, &change).await.unwrap();
    store
        .append(claim.token(), Seq(5), rest.into())
        .await
        .unwrap();
    assert_eq!(
        store.labels().await.unwrap()[&run].tags,
        words(&["running"])
    );
    assert_eq!(store.run(&run).await.unwrap().name, "renamed");
    assert_eq!(rebuild(&*store, &run).await.unwrap(), []);
}

async fn a_deleted_run_is_gone_and_another_with_the_same_texts_is_whole(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let other = id(OTHER);
    store.create_run(run_row(OTHER)).await.unwrap();
    append(&*store, &other, Seq(0), journal()).await.unwrap();
    let whole = everything(&*store, &other).await;
    let tagged = LabelChange {
        add_tags: words(&["gone"]),
        ..LabelChange::default()
    };
    store.set_labels(&run, &tagged).await.unwrap();
    let before = everything(&*store, &run).await;
    assert!(store.run_bytes(&run).await.unwrap() > 0);
    assert_eq!(everything(&*store, &run).await, before);
    let claim = store.claim(&run).await.unwrap();
    let freed = store.delete_run(claim.token()).await.unwrap();
    drop(claim);
    assert!(freed > 0);
    assert!(matches!(
        store.run_bytes(&run).await,
        Err(StoreError::UnknownRun(_))
    ));
    let gone = [
        store.run(&run).await.err(),
        store.claim(&run).await.err(),
        store.events(&run, Seq(0), 1).await.err(),
        store.candidates(&run).await.err(),
        store.rollouts(&run, Seq(0), 1).await.err(),
        store.set_labels(&run, &tagged).await.err(),
    ];
    for answer in gone {
        assert!(
            matches!(answer, Some(StoreError::UnknownRun(_))),
            "{answer:?}"
        );
    }
    assert!(!store.labels().await.unwrap().contains_key(&run));
    assert_eq!(everything(&*store, &other).await, whole);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    store.compact().await.unwrap();
    assert_eq!(everything(&*store, &other).await, whole);
    let claim = store.claim(&other).await.unwrap();
    store.delete_run(claim.token()).await.unwrap();
    drop(claim);
    assert_eq!(store.runs().await.unwrap(), []);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
}

async fn a_run_is_deleted_by_its_owner_only(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let before = everything(&*store, &run).await;
    let stale = store.claim(&run).await.unwrap();
    let token = stale.token().clone();
    drop(stale);
    let _claim = store.claim(&run).await.unwrap();
    let refused = store.delete_run(&token).await;
    assert!(
        matches!(refused, Err(StoreError::ClaimLost { .. })),
        "{refused:?}"
    );
    assert_eq!(everything(&*store, &run).await, before);
}

async fn a_run_that_others_branch_from_is_kept(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let other = id(OTHER);
    store.create_run(run_row(OTHER)).await.unwrap();
    let mut begun = journal()[0].clone();
    let EventBody::Decision(Decision::RunStarted(started)) = &mut begun.body else {
        panic!("the script begins with `run_started`");
    };
    started.origin = Some(RunOrigin {
        run: run.clone(),
        seq: Seq(9),
        iteration: 1,
    });
    append(&*store, &other, Seq(0), Arc::new([begun]))
        .await
        .unwrap();
    let delete = async |run: &RunId| {
        let claim = store.claim(run).await.unwrap();
        store.delete_run(claim.token()).await
    };
    let before = everything(&*store, &run).await;
    let refused = delete(&run).await;
    assert!(
        matches!(&refused, Err(StoreError::Needed { by, .. }) if *by == [other.clone()]),
        "{refused:?}"
    );
    assert_eq!(everything(&*store, &run).await, before);
    delete(&other).await.unwrap();
    delete(&run).await.unwrap();
}

async fn an_id_can_be_used_again_after_its_run_was_deleted(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let before = everything(&*store, &run).await;
    let claim = store.claim(&run).await.unwrap();
    store.delete_run(claim.token()).await.unwrap();
    drop(claim);
    assert_eq!(scripted(&*store).await, run);
    assert_eq!(everything(&*store, &run).await, before);
    assert_eq!(rebuild(&*store, &run).await.unwrap(), []);
}

async fn a_copy_takes_the_labels_along(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let target = MemoryStore::new();
    let change = LabelChange {
        name: Some("renamed".to_owned()),
        add_tags: words(&["kept"]),
        note: Some("kept".to_owned()),
        ..LabelChange::default()
    };
    let labels = store.set_labels(&run, &change).await.unwrap();
    for _ in 0..2 {
        assert!(copy_run(&*store, &target, &run).await.unwrap().same_rows);
        assert_eq!(target.labels().await.unwrap()[&run], labels);
        assert_eq!(target.run(&run).await.unwrap().name, "renamed");
    }
}
