//! Searches that start from more than one candidate: further seeds, and candidates of an earlier run.

use std::sync::Arc;

use gepa_archive::Origin;
use gepa_engine::config::TextSettings;
use gepa_engine::replay::verify;
use gepa_engine::{BranchPoint, EventBody, Fact, RunError, Store, TakenFrom, warm_start};
use indexmap::IndexMap;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, journal, memory};

async fn finish(world: &World, store: &Arc<dyn Store>) -> Finished {
    let builder = world.builder(store, Probe::new().shared());
    let result = builder.start().await.unwrap().finish().await.unwrap();
    check_sums(store, &result).await;
    let run = &result.run.run_id;
    verify(&**store, run, &world.config()).await.unwrap();
    Finished {
        store: Arc::clone(store),
        result,
    }
}

async fn taken(finished: &Finished) -> Vec<Option<Box<TakenFrom>>> {
    let journal = finished.journal().await.into_iter();
    let taken = journal.filter_map(|event| match event.body {
        EventBody::Fact(Fact::CandidateInjected(injected)) => Some(injected.taken_from),
        _ => None,
    });
    taken.collect()
}

/// Texts of the candidates that came from outside and were accepted.
async fn injected(finished: &Finished) -> Vec<String> {
    let run = &finished.result.run.run_id;
    let rows = finished.store.candidates(run).await.unwrap();
    let rows = rows
        .into_iter()
        .filter(|row| row.origin == Origin::Injected && row.index.is_some());
    rows.map(|row| row.components.text("plan").unwrap().to_string())
        .collect()
}

fn from(run: &gepa_engine::RunId) -> World {
    let mut world = World::new();
    world.settings.run.seed = 8;
    world.settings.search.start_from = Some(run.to_string());
    world
}

#[tokio::test]
async fn further_seeds_enter_the_archive_before_anything_is_proposed() {
    let mut world = World::new();
    let seed = |text: &str| IndexMap::from([("plan".to_owned(), text.to_owned())]);
    world.settings.seeds = vec![seed("another plan"), seed("a third")];
    let finished = finish(&world, &memory()).await;
    assert_eq!(injected(&finished).await, ["another plan", "a third"]);
    assert_eq!(taken(&finished).await, [None, None]);
    let run = &finished.result.run.run_id;
    let rows = finished.store.candidates(run).await.unwrap();
    let first: Vec<u64> = rows.iter().map(|row| row.iteration).take(3).collect();
    assert_eq!(first, [0, 1, 2]);
}

#[tokio::test]
async fn a_run_starts_from_the_front_or_the_best_of_an_earlier_one_and_says_so() {
    let store = memory();
    let first = finish(&World::new(), &store).await;
    let earlier = &first.result.run;
    let rows = store.candidates(&earlier.run_id).await.unwrap();
    let accepted = rows.iter().filter(|row| row.index.is_some()).count();
    assert!(accepted > 3, "the earlier run accepted too little");

    let world = from(&earlier.run_id);
    let start = warm_start(&*store, &world.config()).await.unwrap().unwrap();
    let second = finish(&world, &store).await;
    let taken_from = taken(&second).await;
    assert_eq!(taken_from.len(), start.taken.len());
    for (from, (index, _)) in taken_from.iter().flatten().zip(&start.taken) {
        assert_eq!((&from.run, from.candidate), (&earlier.run_id, *index));
    }
    let acts = &second.result.run.summary.acts;
    assert_eq!(acts.len(), start.taken.len());
    assert!(acts[0].what.contains(earlier.run_id.as_str()), "{acts:?}");

    let mut world = from(&earlier.run_id);
    world.settings.search.start_best = Some(2);
    let start = warm_start(&*store, &world.config()).await.unwrap().unwrap();
    assert!(start.taken.len() <= 2);
    assert_eq!(Some(start.taken[0].0), earlier.summary.best);
    // What the earlier run paid for is not bought again.
    let builder = world.builder(&store, Probe::new().shared());
    let builder = builder.knowing([earlier.run_id.clone()]);
    let result = builder.start().await.unwrap().finish().await.unwrap();
    let recalled = result.run.summary.counters.recalled_rollouts;
    assert!(recalled >= 8 * start.taken.len() as u64, "{recalled}");
    check_sums(&store, &result).await;
    verify(&*store, &result.run.run_id, &world.config())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_run_that_was_stored_and_begins_later_takes_the_same() {
    let store = memory();
    let first = finish(&World::new(), &store).await;
    let world = from(&first.result.run.run_id);
    let at_once = finish(&world, &store).await;
    let created = world.builder(&store, Probe::new().shared());
    let created = created.create().await.unwrap();
    let later = world.builder(&store, Probe::new().shared());
    let later = later.resume(created.run_id).await.unwrap();
    let result = later.finish().await.unwrap();
    let later = Finished {
        store: Arc::clone(&store),
        result,
    };
    assert_eq!(taken(&later).await, taken(&at_once).await);
    let summaries = (&later.result.run.summary, &at_once.result.run.summary);
    assert_eq!(summaries.0.best_score, summaries.1.best_score);
}

#[tokio::test]
async fn a_branch_keeps_what_its_origin_started_from() {
    let store = memory();
    let first = finish(&World::new(), &store).await;
    let world = from(&first.result.run.run_id);
    let origin = finish(&world, &store).await;
    let branch = world.builder(&store, Probe::new().shared());
    let point = BranchPoint {
        run: origin.result.run.run_id.clone(),
        iteration: Some(4),
        config: world.config(),
    };
    let result = branch.branch(point).await.unwrap().finish().await.unwrap();
    let events = journal(&store, &result.run.run_id).await;
    let branch = Finished {
        store: Arc::clone(&store),
        result,
    };
    assert_eq!(taken(&branch).await, taken(&origin).await);
    assert!(events.len() > 10);
    verify(&*store, &branch.result.run.run_id, &world.config())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_cannot_be_started_from_is_refused_and_nothing_is_stored() {
    let store = memory();
    let first = finish(&World::new(), &store).await;
    let run = first.result.run.run_id.clone();
    let check = |world: World, part: &'static str| {
        let store = Arc::clone(&store);
        async move {
            let before = store.runs().await.unwrap().len();
            let builder = world.builder(&store, Probe::new().shared());
            let error = builder.start().await.unwrap_err();
            assert!(matches!(error, RunError::CannotStartFrom { .. }));
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(store.runs().await.unwrap().len(), before);
        }
    };
    let mut unknown = from(&run);
    unknown.settings.search.start_from = Some("pl_00000000000000ff".to_owned());
    check(unknown, "has no such run").await;
    let mut odd = from(&run);
    odd.settings.search.start_from = Some("my run".to_owned());
    check(odd, "no run id").await;
    let mut other = from(&run);
    other.components = vec![("plan", "a"), ("other", "b")];
    check(other, "`plan`, `act`").await;
    let mut strict = from(&run);
    let mut texts = TextSettings::default();
    texts.required = vec!["a".to_owned()];
    strict.settings.texts.insert("plan".to_owned(), texts);
    check(strict, "breaks a rule: `texts.plan`").await;
}
