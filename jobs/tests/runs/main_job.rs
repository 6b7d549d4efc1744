//! The main job: the heart-disease config as it ships, offline.

use std::path::Path;

use gepa_configs::ConfigSource;
use gepa_engine::{Run, RunEnd};
use gepa_models::Environment;
use gepa_tasks::Services;

#[tokio::test(flavor = "multi_thread")]
async fn the_heart_disease_config_beats_its_baseline_on_held_out_records() {
    let environment = Environment::of([("NONE", "")]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/heart_disease.toml");
    let source = ConfigSource {
        file: &file,
        environment: &environment,
        overrides: &[],
        dialects: gepa_jobs::DIALECTS,
    };
    let task = source.load().unwrap();
    let parts = task
        .connect(&Services::new(environment.clone()))
        .await
        .unwrap();
    let run = Run::builder(task.config)
        .store(gepa_store::open("memory:").unwrap())
        .evaluator(parts.evaluator)
        .proposer(parts.proposer)
        .start()
        .await
        .unwrap();
    let result = run.finish().await.unwrap();
    assert!(
        matches!(result.end, RunEnd::Finished(_)),
        "{:?}",
        result.end
    );
    let summary = &result.run.summary;
    let counters = &summary.counters;
    assert!(counters.total_rollouts <= 3_000);
    let (baseline, best) = (
        summary.baseline_validation_score.unwrap(),
        summary.best_validation_score.unwrap(),
    );
    println!(
        "validation {baseline:.3} -> {best:.3}, {} rollouts",
        counters.total_rollouts
    );
    assert!(baseline < 0.56, "baseline {baseline}");
    assert!(best > 0.70, "best {best}");
}
