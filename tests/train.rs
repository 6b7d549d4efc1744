//! `gepa train`, as job queues call it and read what it leaves behind.

use std::net::TcpListener;
use std::time::Duration;

use gepa_testing::{Fault, FaultPlan};
use serde_json::{Value, json};

use crate::support::{Backend, Job, Server, Workspace, number};

const AS_QUEUES_CALL: [&str; 7] = [
    "train",
    "--type",
    "prompt_learning",
    "--config",
    "config.toml",
    "--poll",
    "--stream-format",
];

fn train(workspace: &Workspace, further: &[&str]) -> crate::support::Finished {
    workspace.gepa(&[&AS_QUEUES_CALL[..], &["cli"], further].concat())
}

/// The only file in `results` whose name has this kind in it.
#[track_caller]
fn result_file(workspace: &Workspace, kind: &str) -> String {
    let names = std::fs::read_dir(workspace.path().join("results")).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let matching: Vec<&String> = names.iter().filter(|name| name.contains(kind)).collect();
    assert_eq!(matching.len(), 1, "{kind}: {names:?}");
    workspace.read(&format!("results/{}", matching[0]))
}

#[track_caller]
fn result_json(workspace: &Workspace, kind: &str) -> Value {
    serde_json::from_str(&result_file(workspace, kind)).unwrap()
}

/// The figures of the lines `Progress: rollouts=15/100 (15%) elapsed=3s eta=9s`.
fn progress_lines(stdout: &str) -> Vec<(u64, u64)> {
    let lines = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("Progress: rollouts="));
    lines
        .map(|line| {
            let (figures, rest) = line.split_once(" (").unwrap();
            assert!(rest.contains("%) elapsed="), "{line}");
            let (completed, total) = figures.split_once('/').unwrap();
            (completed.parse().unwrap(), total.parse().unwrap())
        })
        .collect()
}

/// The performances of a curve, those missing left out.
fn performances(curve: &Value) -> Vec<f64> {
    let points = curve["curve"].as_array().unwrap();
    points
        .iter()
        .filter_map(|point| point["performance"].as_f64())
        .collect()
}

#[test]
fn a_job_prints_what_queues_parse() {
    let workspace = Workspace::with_rulebook();
    let finished = train(&workspace, &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let first = finished.stdout.lines().next().unwrap();
    let id = first
        .strip_prefix("\"job_id\": \"pl_")
        .and_then(|rest| rest.strip_suffix('"'));
    assert!(
        id.unwrap().chars().all(|c| c.is_ascii_hexdigit()),
        "{first}"
    );
    let progress = progress_lines(&finished.stdout);
    assert!(
        progress
            .iter()
            .all(|(completed, total)| *completed > 0 && completed <= total)
    );
    let total = number(&workspace.stats(), "total_rollouts");
    assert_eq!(progress.last(), Some(&(total, total)));
    let events: Vec<Value> = finished
        .stdout
        .lines()
        .filter(|line| line.starts_with('{') && line.ends_with('}'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), progress.len());
    let last = &events.last().unwrap()["data"];
    assert_eq!(number(last, "rollouts_completed"), total);
    assert_eq!(last["trials_completed"], workspace.stats()["trials_tried"]);
    let best = finished
        .stdout
        .to_lowercase()
        .matches("best score: ")
        .count();
    assert_eq!(best, 1, "the first match counts: {}", finished.stdout);
    assert!(!format!("{}{}", finished.stdout, finished.stderr).contains("health check"));
}

#[test]
fn a_validated_jobs_curve_has_held_out_scores_at_its_ends() {
    let workspace = Workspace::with_rulebook();
    assert_eq!(train(&workspace, &[]).code, Some(0));
    let stats = workspace.stats();
    let curve = result_json(&workspace, "learning_curve");
    let scores = performances(&curve);
    assert_eq!(curve["score_kind"], "validation");
    assert_eq!(
        scores.first(),
        stats["baseline_validation_score"].as_f64().as_ref()
    );
    assert_eq!(
        scores.last(),
        stats["best_validation_score"].as_f64().as_ref()
    );
    let points = curve["curve"].as_array().unwrap();
    assert_eq!(
        points.last().unwrap()["rollout_count"],
        stats["total_rollouts"]
    );
    for point in points {
        assert!(number(point, "rollout_count") > 0);
        let sections = point["template"]["sections"].as_array().unwrap();
        assert_eq!(sections[0]["name"], "instruction");
        assert_eq!(sections[1]["content"], "age: {age}");
        assert!(
            point["performance"] == point["score"] && point["score"] == point["aggregate_score"]
        );
    }
    let best = &points.last().unwrap()["template"]["sections"][0]["content"];
    assert_eq!(
        *best,
        result_json(&workspace, "best_prompt")["messages"][0]["content"]
    );
}

#[test]
fn without_validation_the_curve_has_pareto_scores() {
    let workspace = Workspace::with_rulebook();
    let finished = train(&workspace, &["--set", "dataset.split.validation={count=0}"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let stats = workspace.stats();
    let curve = result_json(&workspace, "learning_curve");
    let scores = performances(&curve);
    assert_eq!(curve["score_kind"], "pareto");
    assert_eq!(scores.len(), curve["curve"].as_array().unwrap().len());
    assert_eq!(scores.first(), stats["baseline_score"].as_f64().as_ref());
    let best = scores.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!(Some(best), stats["best_score"].as_f64());
    assert_eq!(
        curve["curve"].as_array().unwrap().last().unwrap()["rollout_count"],
        stats["total_rollouts"]
    );
}

#[test]
fn the_statistics_are_those_of_the_run() {
    let workspace = Workspace::with_rulebook();
    assert_eq!(train(&workspace, &[]).code, Some(0));
    let written = result_json(&workspace, "stats");
    for (name, value) in workspace.stats().as_object().unwrap() {
        // A job client has the config that it sent, and its results have no place for a verdict.
        if ["config", "p_better"].contains(&name.as_str()) || name.starts_with("verdict") {
            continue;
        }
        assert_eq!(written[name], *value, "{name}");
    }
    assert_eq!(written["total_time"], written["total_time_seconds"]);
    let text = result_file(&workspace, "_results_");
    assert!(
        text.contains("Job ID: pl_") && text.contains("Baseline Score: 0."),
        "{text}"
    );
    assert!(
        text.contains("Best Score: ") && text.contains("[system]"),
        "{text}"
    );
}

#[test]
fn a_failed_job_says_why_and_is_no_success() {
    let faults = FaultPlan::none().from(0, Fault::status(400));
    let server = Server::with(faults, Duration::ZERO);
    let workspace = Workspace::with_model(&server.base_url(), 200);
    let finished = train(&workspace, &[]);
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains("ended as failed: too many evaluator failures"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stdout.contains("score: "), "{}", finished.stdout);
}

#[test]
fn a_job_whose_provider_is_down_says_how_to_go_on() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let workspace = Workspace::with_model(&format!("http://{address}/v1"), 60);
    let finished = train(&workspace, &["--set", "providers.local.outage_seconds=0.5"]);
    assert_eq!(finished.code, Some(6), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("gepa run --resume pl_"),
        "{}",
        finished.stderr
    );
    assert_eq!(
        progress_lines(&finished.stdout),
        [],
        "queues take a zero for an error"
    );
}

#[test]
fn flags_of_other_clients_are_taken_and_those_without_effect_noted() {
    let workspace = Workspace::with_rulebook();
    let finished = workspace.gepa(&[
        "train",
        "config.toml",
        "--poll-interval",
        "0.5",
        "--show-curve",
        "--tui",
        "--model",
        "x",
    ]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(
        finished.stderr,
        "note: --model has no effect on a prompt-learning job\nnote: --tui has no effect on a prompt-learning job\n"
    );
    let other = workspace.gepa(&["train", "config.toml", "--type", "rl"]);
    assert_eq!(other.code, Some(2));
    assert_eq!(workspace.gepa(&["train"]).code, Some(2));
}

/// A job file, and a finished run to hand out for it.
fn with_finished_run(workspace: &Workspace) -> Job {
    workspace.succeed(&["run", "config.toml"]);
    let stats = workspace.stats();
    let id = stats["run_id"].as_str().unwrap().to_owned();
    let snapshots = workspace.export("snapshots");
    workspace.write("config.toml", JOB);
    Job {
        id,
        status: "succeeded",
        error: None,
        stats,
        snapshots,
    }
}

const JOB: &str = r#"[prompt_learning]
algorithm = "gepa"
task_app_url = "http://127.0.0.1:1"
task_app_api_key = "${ENVIRONMENT_API_KEY}"

[[prompt_learning.initial_prompt.messages]]
role = "system"
pattern = "Answer."

[prompt_learning.policy]
inference_mode = "synth_hosted"
model = "m"
provider = "groq"

[prompt_learning.gepa.rollout]
budget = 150

[prompt_learning.gepa.evaluation]
train_seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
val_seeds = [20, 21]
"#;

#[test]
fn a_job_on_a_backend_leaves_the_files_a_job_here_leaves() {
    let mut workspace = Workspace::with_rulebook();
    assert_eq!(train(&workspace, &[]).code, Some(0));
    let [curve, best] = ["learning_curve", "best_prompt"].map(|kind| result_json(&workspace, kind));
    let stats = workspace.stats();
    let snapshots = workspace.export("snapshots");
    let id = stats["run_id"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(workspace.path().join("results")).unwrap();
    workspace.write("config.toml", JOB);
    workspace.set_variable("ENVIRONMENT_API_KEY", "sesame");
    let backend = Backend::start(Job {
        id,
        status: "succeeded",
        error: None,
        stats,
        snapshots,
    });
    let finished = train(
        &workspace,
        &["--backend", &backend.url(), "--poll-interval", "0.05"],
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(result_json(&workspace, "learning_curve"), curve);
    assert_eq!(result_json(&workspace, "best_prompt"), best);
    assert!(
        progress_lines(&finished.stdout).contains(&(5, 150)),
        "{}",
        finished.stdout
    );
}

#[test]
fn what_is_submitted_is_the_job_with_its_overrides_and_the_key() {
    let mut workspace = Workspace::with_rulebook();
    let job = with_finished_run(&workspace);
    workspace.set_variable("ENVIRONMENT_API_KEY", "sesame");
    workspace.set_variable("SYNTH_API_KEY", "open");
    let backend = Backend::start(job);
    let set = "prompt_learning.gepa.rollout.budget=120";
    let url = format!("{}/api", backend.url());
    let finished = train(
        &workspace,
        &["--backend", &url, "--poll-interval", "0.05", "--set", set],
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let asked = backend.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.authorization.as_deref() == Some("Bearer open"))
    );
    let body = &asked[0].body["config_body"]["prompt_learning"];
    assert_eq!(body["gepa"]["rollout"]["budget"], 120);
    assert_eq!(body["task_app_api_key"], "sesame");
    assert!(!format!("{}{}", finished.stdout, finished.stderr).contains("sesame"));
}

#[test]
fn a_job_that_failed_on_a_backend_is_no_success() {
    let mut workspace = Workspace::with_rulebook();
    let mut job = with_finished_run(&workspace);
    workspace.set_variable("ENVIRONMENT_API_KEY", "sesame");
    (job.status, job.error) = ("failed", Some("the task app refused the key"));
    let backend = Backend::start(job.clone());
    let finished = train(
        &workspace,
        &["--backend", &backend.url(), "--poll-interval", "0.05"],
    );
    assert_eq!(finished.code, Some(5));
    assert!(
        finished
            .stderr
            .contains("ended as failed: the task app refused the key"),
        "{}",
        finished.stderr
    );
    job.status = "succeeded";
    job.stats["total_rollouts"] = json!(0);
    let backend = Backend::start(job);
    let finished = train(
        &workspace,
        &["--backend", &backend.url(), "--poll-interval", "0.05"],
    );
    assert_eq!(finished.code, Some(5), "no rollout, no success");
}

#[test]
fn a_job_nobody_waits_for_is_only_submitted() {
    let mut workspace = Workspace::with_rulebook();
    let job = with_finished_run(&workspace);
    workspace.set_variable("ENVIRONMENT_API_KEY", "sesame");
    let backend = Backend::start(job.clone());
    let finished = workspace.gepa(&[
        "train",
        "config.toml",
        "--backend",
        &backend.url(),
        "--no-poll",
    ]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, format!("\"job_id\": \"{}\"\n", job.id));
    assert_eq!(backend.asked().len(), 1);
}

#[test]
fn a_backend_that_is_not_there_is_named() {
    let mut workspace = Workspace::with_rulebook();
    workspace.write("config.toml", JOB);
    workspace.set_variable("ENVIRONMENT_API_KEY", "sesame");
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let finished = train(&workspace, &["--backend", &format!("http://{address}")]);
    assert_eq!(finished.code, Some(6), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains(&format!("the backend http://{address}/api does not answer")),
        "{}",
        finished.stderr
    );
}
