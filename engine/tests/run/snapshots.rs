//! Snapshots keep the scores of their time when rows grow afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_archive::CandidateIndex;
use gepa_engine::config::Evaluation;
use gepa_engine::record::{RunStatus, ScoreHistory};
use gepa_engine::{
    Decision, Event, EventBody, RunId, Seq, SteeredBy, Steering, Store, steer_at_rest,
};
use gepa_jobs::views::{Snapshots, snapshots, snapshots_since};
use serde_json::Value;

use crate::probe::Probe;
use crate::world::{World, ids};

/// Rows of up to 40 scores that grow.
fn growing(max_rollouts: u64) -> World {
    let mut world = World::new();
    world.settings.search.evaluation = Evaluation::Growing;
    world.settings.budget.max_rollouts = Some(max_rollouts);
    world.sets.pareto = ids(100, 40);
    world
}

async fn read(store: &Arc<dyn Store>, run: &RunId) -> Snapshots {
    let row = store.run(run).await.unwrap();
    snapshots(&**store, row).await.unwrap()
}

/// An event, and the mean and the scores of a candidate after it.
type Moment = (Seq, f64, Vec<Option<f64>>);

/// The scores of the candidates after each event that changed them, worked out from the journal.
fn rows(events: &[Event]) -> BTreeMap<CandidateIndex, Vec<Moment>> {
    let mut rows: BTreeMap<_, Vec<Moment>> = BTreeMap::new();
    for event in events {
        match &event.body {
            EventBody::Decision(Decision::CandidateAccepted(one)) => {
                let row = (event.seq, one.mean_score, one.scores.clone());
                rows.entry(one.index).or_default().push(row);
            }
            EventBody::Decision(Decision::RowExtended(one)) => {
                let row = rows.get_mut(&one.candidate).unwrap();
                let mut scores = row.last().unwrap().2.clone();
                for (position, score) in one.positions.iter().zip(&one.scores) {
                    scores[*position as usize] = *score;
                }
                row.push((event.seq, one.mean_score, scores));
            }
            _ => {}
        }
    }
    rows
}

#[tokio::test]
async fn a_snapshot_has_the_scores_that_its_candidates_had_when_it_was_taken() {
    let finished = growing(400).finish(Probe::new().shared()).await;
    let run = &finished.result.run.run_id;
    let rows = rows(&finished.journal().await);
    let shown = read(&finished.store, run).await;
    let mut shorter = 0;
    for snapshot in &shown.rows {
        let payload = shown.view(snapshot).unwrap().payload;
        for item in &payload.archive {
            let row = &rows[&item.index];
            let (_, mean, scores) = row
                .iter()
                .rfind(|(seq, ..)| *seq <= snapshot.seq)
                .expect("it was accepted before");
            assert_eq!((item.score, &item.instance_scores), (*mean, scores));
            shorter += usize::from(*scores != row.last().unwrap().2);
            if item.index == snapshot.best {
                assert_eq!(payload.best_score, *mean);
            }
        }
    }
    assert!(shorter > 0, "no row grew after a snapshot");
}

#[tokio::test]
async fn the_snapshots_of_a_run_that_ended_stay_the_same_when_it_goes_on() {
    let first = growing(150).finish(Probe::new().shared()).await;
    let run = first.result.run.run_id.clone();
    let mut history = ScoreHistory::default();
    let row = first.store.run(&run).await.unwrap();
    let known = snapshots_since(&*first.store, row, &mut history).await;
    let before: Vec<Value> = known.unwrap().render_all();
    let builder = growing(500).builder(&first.store, Probe::new().shared());
    let handle = builder.resume(run.clone()).await.unwrap();
    let result = handle.finish().await.unwrap();
    assert_eq!(result.run.summary.status, RunStatus::Succeeded);
    let after = read(&first.store, &run).await;
    assert!(after.rows.len() > before.len());
    let rendered = after.render_all();
    let mut earlier = rendered[..before.len()].to_vec();
    // The last snapshot of the first part is no longer the last of the run.
    for (earlier, before) in earlier.iter_mut().zip(&before) {
        earlier["tag"] = before["tag"].clone();
    }
    assert_eq!(earlier, before);
    let row = first.store.run(&run).await.unwrap();
    let known = snapshots_since(&*first.store, row, &mut history).await;
    assert_eq!(known.unwrap().render_all(), rendered);
}

#[tokio::test]
async fn a_snapshot_keeps_the_means_of_its_time_when_an_example_is_excluded() {
    let mut world = World::new();
    let first = world.finish(Probe::new().shared()).await;
    let (store, run) = (&first.store, first.result.run.run_id.clone());
    let means = |snapshots: &Snapshots| -> Vec<Vec<f64>> {
        let views = snapshots
            .rows
            .iter()
            .map(|row| snapshots.view(row).unwrap());
        let archives = views.map(|view| view.payload.archive);
        archives
            .map(|archive| archive.iter().map(|item| item.score).collect())
            .collect()
    };
    let before = means(&read(store, &run).await);
    let act = Steering::Exclude(world.sets.pareto[0].clone());
    let by = SteeredBy::default();
    let excluded = steer_at_rest(&**store, &run, &world.config(), act, by).await;
    excluded.unwrap();
    world.settings.budget.max_rollouts = Some(400);
    let builder = world.builder(store, Probe::new().shared());
    let handle = builder.resume(run.clone()).await.unwrap();
    handle.finish().await.unwrap();
    let after = read(store, &run).await;
    let shown = means(&after);
    assert_eq!(shown[..before.len()], before);
    let old = before.last().unwrap();
    let members = after.candidates.iter().filter(|row| row.index.is_some());
    let present: Vec<f64> = members.filter_map(|row| row.mean_score).collect();
    assert!(
        present[..old.len()] != old[..],
        "the exclusion changes means"
    );
}
