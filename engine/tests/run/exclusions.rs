//! What the verdict says about examples that people excluded.

use gepa_engine::verdict::{Verdict, read_tables};
use gepa_engine::{SteeredBy, Steering, steer_at_rest};
use gepa_evaluation::ExampleId;

use crate::probe::Probe;
use crate::world::World;

#[tokio::test]
async fn only_exclusions_from_the_compared_set_stand_beside_the_verdict() {
    let world = World::new();
    let finished = world.finish(Probe::new().shared()).await;
    let run = &finished.result.run.run_id;
    // A training example, a pareto example and a held-out one.
    for (example, told) in [(5, None), (103, None), (202, Some(1))] {
        let act = Steering::Exclude(ExampleId::Seed(example));
        let (store, config) = (&*finished.store, world.config());
        let by = SteeredBy::default();
        steer_at_rest(store, run, &config, act, by).await.unwrap();
        let row = store.run(run).await.unwrap();
        let verdict = Verdict::of(&read_tables(store, row).await.unwrap());
        let examples = verdict.with_excluded.as_ref().map(|with| with.examples);
        assert_eq!(examples, told, "example {example}");
        let lines = verdict.details().join("\n");
        assert_eq!(lines.contains("people excluded"), told.is_some(), "{lines}");
    }
}
