//! The job status holds the run's figures under the names that job queues read.

use std::path::Path;

use gepa_configs::ConfigSource;
use gepa_engine::Run;
use gepa_engine::record::statistics;
use gepa_jobs::JobStatus;
use gepa_models::Environment;
use gepa_tasks::Services;
use serde_json::{Value, json};

async fn finished() -> gepa_engine::RunResult {
    let environment = Environment::default();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/heart_disease.toml");
    let overrides = ["budget.max_rollouts=700", "run.name=hearts"].map(str::to_owned);
    let source = ConfigSource {
        file: &file,
        environment: &environment,
        overrides: &overrides,
        dialects: gepa_jobs::DIALECTS,
    };
    let task = source.load().unwrap();
    let parts = task
        .connect(&Services::new(environment.clone()))
        .await
        .unwrap();
    let run = Run::builder(task.config)
        .described_as(task.described)
        .store(gepa_store::open("memory:").unwrap())
        .evaluator(parts.evaluator)
        .proposer(parts.proposer)
        .start()
        .await
        .unwrap();
    run.finish().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_finished_run_has_every_figure_and_agrees_with_its_statistics() {
    let result = finished().await;
    let status = serde_json::to_value(JobStatus::of(&result.run)).unwrap();
    let figures = Value::Object(statistics(&result.run));
    let both = [
        "trials_tried",
        "total_rollouts",
        "total_tokens",
        "total_cost_usd",
        "optimization_rollouts_executed",
        "validation_rollouts_executed",
        "optimization_trials_evaluated",
        "validation_trials_evaluated",
        "best_score",
        "baseline_score",
        "best_validation_score",
        "baseline_validation_score",
        "total_time_seconds",
        "eval_seeds_n",
        "eval_n",
        "transformations_evaluated",
        "policy_model",
        "policy_provider",
    ];
    for name in both {
        assert!(
            !status[name].is_null() && status[name] == figures[name],
            "{name}: {}",
            status[name]
        );
    }
    assert_eq!(status["rollouts_completed"], figures["total_rollouts"]);
    assert_eq!(status["trials_completed"], figures["trials_tried"]);
    assert_eq!(status["policy"], "rulebook/rulebook");
    assert_eq!(status["environment"], "hearts");
    assert_eq!(status["backend_job_id"], result.run.run_id.as_str());
    assert_eq!(
        (&status["eta_seconds"], &status["progress_pct"]),
        (&json!(0.0), &json!(100.0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_the_one_the_config_names_in_either_dialect() {
    let mut run = finished().await.run;
    for settings in [
        json!({"prompt_learning": {"gepa": {"env_name": "iris"}}}),
        json!({"gepa": {"env_name": "iris"}}),
        json!({"evaluator": {"env_name": "iris"}}),
    ] {
        run.config = json!({"settings": settings});
        assert_eq!(JobStatus::of(&run).environment, "iris");
    }
}
