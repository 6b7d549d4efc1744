//! What every route answers about a finished job.

use serde_json::Value;
use serde_json::json;

use crate::client::{JOBS, ask, get, until};
use crate::world::{Listening, alone};

async fn finished() -> (Listening, String, Value) {
    let server = alone().await;
    let job = server
        .submit(json!({"name": "finished", "budget": 150}))
        .await;
    let detail = until(server.address, &job, &["succeeded"]).await;
    (server, job, detail)
}

fn is_time(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.contains('T') && text.ends_with('Z'))
}

#[tokio::test]
async fn the_detail_holds_the_best_snapshot_and_every_counter() {
    let (server, job, detail) = finished().await;
    let id = detail["best_snapshot_id"].as_str().unwrap();
    let snapshot = get(server.address, &format!("{JOBS}/{job}/snapshots/{id}")).await;
    assert_eq!(detail["best_snapshot"], snapshot);
    assert_eq!(snapshot["tag"], "best_prompt");
    assert_eq!(snapshot["job_id"], *job);
    assert_eq!(snapshot["score"], detail["best_score"]);
    assert!(snapshot["token_count"].as_u64().unwrap() > 0);
    let metadata = &detail["metadata"];
    assert_eq!(metadata["prompt_best_snapshot_id"], id);
    assert_eq!(metadata["prompt_best_snapshot"], snapshot);
    assert_eq!(metadata["prompt_best_train_score"], detail["best_score"]);
    assert_eq!(
        metadata["prompt_best_validation_score"],
        detail["best_validation_score"]
    );
    assert_eq!(metadata["notes"][0], "`crossover_rate` is not used");
    for time in ["created_at", "updated_at", "finished_at"] {
        assert!(is_time(&detail[time]), "{time}");
    }
    assert_eq!(detail["error"], Value::Null);

    let (payload, stats) = (&snapshot["payload"], &metadata["stats"]);
    for counter in [
        "trials_tried",
        "total_trials_evaluated",
        "optimization_trials_evaluated",
        "validation_trials_evaluated",
        "total_rollouts",
        "optimization_rollouts_executed",
        "validation_rollouts_executed",
        "total_tokens",
        "rollouts_prompt_tokens",
        "rollouts_completion_tokens",
        "rollouts_unknown_tokens",
        "mutation_prompt_tokens",
        "mutation_completion_tokens",
        "mutation_unknown_tokens",
    ] {
        assert!(payload[counter].is_u64(), "{counter}");
        assert_eq!(payload[counter], stats[counter], "{counter}");
    }
    assert!(stats["trials_tried"].as_u64().unwrap() > 1);
    assert_eq!(stats["eval_n"], 4);
    assert_eq!(stats["eval_seeds_n"], 4);
    assert_eq!(stats["policy_model"], "llama");
    let messages = snapshot["messages"].as_array().unwrap();
    assert_eq!(payload["best_prompt_messages"], snapshot["messages"]);
    assert_eq!(messages[1]["content"], "Question: {question}");
    assert_eq!(
        payload["best_prompt"]["sections"].as_array().unwrap().len(),
        2
    );
    assert_eq!(
        payload["best_prompt"]["sections"],
        payload["best_prompt"]["prompt_sections"]
    );
    for item in payload["archive"].as_array().unwrap() {
        assert!(item["score"].is_f64());
        assert_eq!(item["payload_kind"], "template");
        assert!(item["object"]["data"]["sections"].is_array());
        assert_eq!(item["instance_scores"].as_array().unwrap().len(), 6);
        assert!(!item["messages"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn every_artifact_has_messages_and_belongs_to_its_own_job() {
    let (server, job, detail) = finished().await;
    let other = server.submit(json!({"name": "other", "budget": 60})).await;
    until(server.address, &other, &["succeeded"]).await;
    let artifacts = get(server.address, &format!("{JOBS}/{job}/artifacts")).await;
    let artifacts = artifacts.as_array().unwrap();
    let members = detail["best_snapshot"]["payload"]["archive"]
        .as_array()
        .unwrap();
    for member in members {
        let told = artifacts
            .iter()
            .any(|row| row["candidate"] == member["index"]);
        assert!(told, "{}", member["index"]);
    }
    for artifact in artifacts {
        assert_eq!(artifact["job_id"], *job);
        assert!(!artifact["label"].as_str().unwrap().is_empty());
        let id = artifact["snapshot_id"].as_str().unwrap();
        let snapshot = get(server.address, &format!("{JOBS}/{job}/snapshots/{id}")).await;
        assert_eq!(snapshot["id"], id);
        assert_eq!(snapshot["messages"].as_array().unwrap().len(), 2);
        assert_eq!(snapshot["score"], artifact["score"]);
        let path = format!("{JOBS}/{other}/snapshots/{id}");
        let elsewhere = ask(server.address, "GET", &path, "", None).await;
        assert_eq!(elsewhere.status, 404, "{path}");
        assert!(elsewhere.is_json());
    }
    let all = get(server.address, &format!("{JOBS}/{job}/snapshots")).await;
    assert!(all["snapshots"].as_array().unwrap().len() >= 2);
    let prompts = get(server.address, "/api/artifacts?type=prompts&limit=1").await;
    assert_eq!(prompts["prompts"][0]["job_id"], *other);
    assert_eq!(prompts["summary"]["total_count"], 1);
    let shown = get(server.address, &format!("/api/artifacts/prompts/{job}")).await;
    assert_eq!(shown, detail);
}

#[tokio::test]
async fn rows_agree_with_the_counters() {
    let (server, job, detail) = finished().await;
    let stats = &detail["metadata"]["stats"];
    let trials = get(server.address, &format!("{JOBS}/{job}/trials")).await;
    let trials = trials["trials"].as_array().unwrap();
    assert_eq!(
        trials.len() as u64,
        stats["total_trials_evaluated"].as_u64().unwrap()
    );
    for trial in trials {
        let phase = trial["phase"].as_str().unwrap();
        assert!(["optimization", "validation"].contains(&phase));
        assert!(trial["seeds"].is_array() && trial["iteration"].is_u64());
    }
    let mut rollouts = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("{JOBS}/{job}/rollouts?after={after}&limit=17");
        let page = get(server.address, &path).await;
        rollouts.extend(page["rollouts"].as_array().unwrap().clone());
        after = page["next_after"].as_u64().unwrap();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(
        rollouts.len() as u64,
        stats["total_rollouts"].as_u64().unwrap()
    );
    let tokens: u64 = rollouts
        .iter()
        .map(|row| row["tokens"].as_u64().unwrap())
        .sum();
    let of_rollouts: u64 = ["prompt", "completion", "unknown"]
        .iter()
        .map(|kind| stats[format!("rollouts_{kind}_tokens")].as_u64().unwrap())
        .sum();
    assert_eq!(tokens, of_rollouts);
    let candidates = get(
        server.address,
        &format!("{JOBS}/{job}/candidates?sort=score"),
    )
    .await;
    let candidates = candidates["candidates"].as_array().unwrap();
    assert_eq!(
        candidates.len() as u64,
        stats["trials_tried"].as_u64().unwrap()
    );
    assert_eq!(candidates[0]["score"], detail["best_score"]);
    let is_rejected = |row: &Value| row["status"] == "rejected";
    assert!(candidates.iter().any(is_rejected));
    assert!(candidates.is_sorted_by_key(is_rejected));
    assert!(!candidates[0]["messages"].as_array().unwrap().is_empty());
    let points = get(server.address, &format!("{JOBS}/{job}/metrics?limit=200")).await;
    let points = points["points"].as_array().unwrap();
    let steps: Vec<u64> = points
        .iter()
        .map(|point| point["step"].as_u64().unwrap())
        .collect();
    assert!(steps.is_sorted_by(|left, right| left < right));
    assert_eq!(points[0]["name"], "gepa.transformation.mean_score");
    assert_eq!(points[0]["value"], detail["baseline_score"]);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    let (server, job, _) = finished().await;
    for path in [
        format!("/api/learning/jobs/{job}/events"),
        format!("/api/orchestration/jobs/{job}/events"),
        "/runs".to_owned(),
        format!("{JOBS}/pl_0123456789abcdef"),
        format!("{JOBS}/..%2F..%2Fetc%2Fpasswd"),
        format!("{JOBS}/{job}/snapshots/nothing"),
    ] {
        let answer = ask(server.address, "GET", &path, "", None).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.is_json(), "{path}");
        assert!(!answer.json()["error"].as_str().unwrap().is_empty());
    }
    for (method, path, status) in [
        ("DELETE", JOBS.to_owned(), 405),
        ("GET", format!("{JOBS}/{job}/cancel"), 405),
        ("GET", format!("{JOBS}/{job}/events?limit=many"), 400),
        ("GET", format!("{JOBS}/{job}/candidates?sort=colour"), 400),
    ] {
        let answer = ask(server.address, method, &path, "", None).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.is_json(), "{path}");
    }
}
