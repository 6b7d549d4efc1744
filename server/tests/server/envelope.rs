//! Events keep the rules that their readers rely on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{JOBS, get, until};
use crate::world::alone;

async fn events_of(script: Value) -> (Vec<Value>, Value) {
    let server = alone().await;
    let job = server.submit(script).await;
    let detail = until(server.address, &job, &["succeeded", "failed"]).await;
    let page = get(
        server.address,
        &format!("{JOBS}/{job}/events?since_seq=0&limit=10000"),
    )
    .await;
    assert_eq!(page["has_more"], false);
    let events = page["events"].as_array().unwrap().clone();
    assert_eq!(page["next_seq"], events.last().unwrap()["seq"]);
    (events, detail)
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let events = events.iter().filter(|event| event["type"] == kind);
    events.map(|event| &event["data"]).collect()
}

fn check_envelopes(events: &[Value]) {
    for (event, expected) in events.iter().zip(1_u64..) {
        assert_eq!(event["seq"], expected);
        for field in [
            "type",
            "message",
            "level",
            "job_id",
            "created_at",
            "timestamp",
        ] {
            let text = event[field].as_str().unwrap();
            assert!(!text.is_empty(), "{field} of {event}");
        }
        let data = event["data"].as_object().unwrap();
        assert!(data.values().all(|value| !value.is_null()), "{event}");
    }
}

fn check_progress(events: &[Value]) {
    let progress = of_kind(events, "prompt.learning.progress");
    assert!(progress.len() >= 3);
    let mut last: BTreeMap<&str, f64> = BTreeMap::new();
    for data in &progress {
        let number = |name: &str| {
            data[name]
                .as_f64()
                .unwrap_or_else(|| panic!("{name}: {data}"))
        };
        assert!(number("rollouts_completed") <= number("rollouts_total"));
        assert!(number("rollouts_total") > 0.0);
        assert!(number("eta_seconds") >= 0.0);
        assert!(data["elapsed_seconds"].is_u64());
        for share in ["percent_rollouts", "percent_overall"] {
            assert!((0.0..=1.0).contains(&number(share)), "{share}");
        }
        if let Some(best) = data.get("best_score") {
            assert!((0.0..=1.0).contains(&best.as_f64().unwrap()));
        }
        for counter in [
            "rollouts_completed",
            "rollouts_total",
            "percent_rollouts",
            "transformations_tried",
            "trials_tried",
            "rollout_tokens_used",
            "total_tokens",
            "elapsed_seconds",
            "percent_overall",
        ] {
            let value = number(counter);
            let before = last.insert(counter, value).unwrap_or(0.0);
            assert!(value >= before, "{counter} fell from {before} to {value}");
        }
    }
}

#[tokio::test]
async fn every_event_of_a_real_run_keeps_the_rules() {
    for budget in [40, 90, 300] {
        let (events, detail) = events_of(json!({"budget": budget, "pause_ms": 1})).await;
        check_envelopes(&events);
        check_progress(&events);
        let last = of_kind(&events, "prompt.learning.progress");
        let stats = &detail["metadata"]["stats"];
        for counter in ["total_tokens", "trials_tried"] {
            assert_eq!(last.last().unwrap()[counter], stats[counter], "{counter}");
        }
        assert!(events.len() < 1_000);
    }
}

/// A candidate that was tried has the scores it was judged by.
fn check_attempted(candidate: &Value) {
    let accepted = candidate["status"] == "accepted";
    let instances = if accepted { "pareto" } else { "minibatch" };
    assert_eq!(candidate["instances"], instances, "{candidate}");
    let values = candidate["instance_scores"].as_array().unwrap();
    let seeds = candidate["seeds"].as_array().unwrap();
    assert_eq!(values.len(), seeds.len());
    let score_of = |score: &Value| score.as_f64().unwrap_or_else(|| panic!("{candidate}"));
    let sum: f64 = values.iter().map(score_of).sum();
    let mean = sum / values.len() as f64;
    assert!(
        (mean - candidate["accuracy"].as_f64().unwrap()).abs() < 1e-9,
        "{candidate}"
    );
    assert_eq!(
        candidate["object"]["data"]["sections"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!((0.0..=1.0).contains(&candidate["accuracy"].as_f64().unwrap()));
    let replaced = candidate["object"]["text_replacements"].as_array().unwrap();
    assert_eq!(replaced.is_empty(), candidate["iteration"] == 0);
    assert!(replaced.iter().all(|one| one["old_text"] == "Answer."));
}

#[tokio::test]
async fn the_last_events_hold_the_full_result_of_the_job() {
    let (events, detail) = events_of(json!({"budget": 300})).await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds[..3],
        [
            "prompt.learning.created",
            "prompt.learning.gepa.start",
            "prompt.learning.rollouts.start"
        ]
    );
    let ends_with = [
        "prompt.learning.best.prompt",
        "prompt.learning.final.results",
        "prompt.learning.results.summary",
        "prompt.learning.completed",
        "prompt.learning.billing.end",
        "prompt.learning.gepa.complete",
    ];
    assert!(kinds.ends_with(&ends_with), "{kinds:?}");
    let stats = &detail["metadata"]["stats"];

    let summary = of_kind(&events, "prompt.learning.validation.summary")[0];
    assert_eq!(
        summary["baseline"]["accuracy"],
        stats["baseline_validation_score"]
    );
    assert_eq!(summary["baseline"]["seeds"], json!([20, 21, 22, 23]));
    assert_eq!(summary["results"][0]["rank"], 1);
    assert_eq!(
        summary["results"][0]["accuracy"],
        stats["best_validation_score"]
    );

    let scored = of_kind(&events, "prompt.learning.validation.scored");
    assert!(scored[0]["is_baseline"] == true && scored[0].get("rank").is_none());
    assert!(scored.iter().all(|data| data["rank"] != 0));

    let top = of_kind(&events, "prompt.learning.top.prompt.content");
    let best = of_kind(&events, "prompt.learning.best.prompt")[0];
    assert_eq!(top[0]["rank"], 1);
    assert_eq!(
        top[0]["template"]["sections"],
        best["best_prompt"]["sections"]
    );
    let text = top[0]["full_text"].as_str().unwrap();
    assert!(text.starts_with("[system | instruction]\n"), "{text}");
    assert!(
        text.ends_with("\n\n[user | user]\nQuestion: {question}"),
        "{text}"
    );
    assert_eq!(best["best_score"], detail["best_score"]);

    let results = of_kind(&events, "prompt.learning.final.results")[0];
    let attempted = results["attempted_candidates"].as_array().unwrap();
    assert_eq!(
        attempted.len() as u64,
        stats["trials_tried"].as_u64().unwrap()
    );
    assert!(
        attempted
            .iter()
            .any(|candidate| candidate["status"] == "rejected")
    );
    attempted.iter().for_each(check_attempted);
    let optimized = results["optimized_candidates"].as_array().unwrap();
    assert_eq!(optimized[0]["rank"], 1);
    assert_eq!(optimized[0]["score"]["accuracy"], detail["best_score"]);

    let summary = events
        .iter()
        .find(|e| e["type"] == "prompt.learning.results.summary")
        .unwrap();
    let tried = format!("tried={}", stats["trials_tried"]);
    assert!(summary["message"].as_str().unwrap().contains(&tried));

    let completed = of_kind(&events, "prompt.learning.completed")[0];
    for counter in [
        "total_rollouts",
        "rollouts_prompt_tokens",
        "mutation_prompt_tokens",
    ] {
        assert_eq!(completed[counter], stats[counter], "{counter}");
    }
    let cost = completed["total_cost_usd"].as_f64().unwrap();
    let parts =
        ["usd_tokens_rollouts", "usd_tokens_mutation"].map(|n| completed[n].as_f64().unwrap());
    assert!((cost - parts[0] - parts[1]).abs() < 1e-9 && cost > 0.0);
    assert_eq!(completed["finish_reason"], stats["stop_reason"]);
    let billing = of_kind(&events, "prompt.learning.billing.end")[0];
    assert_eq!(billing["total_usd"], completed["total_cost_usd"]);
    assert_eq!(billing["unpriced_calls"], completed["unpriced_calls"]);
}

#[tokio::test]
async fn pages_of_any_size_join_to_the_whole() {
    let server = alone().await;
    let job = server.submit(json!({"budget": 120})).await;
    until(server.address, &job, &["succeeded"]).await;
    let path = format!("{JOBS}/{job}/events");
    let whole = get(server.address, &path).await["events"].clone();
    let mut joined = Vec::new();
    let mut since = 0;
    loop {
        let page = get(server.address, &format!("{path}?since_seq={since}&limit=7")).await;
        let events = page["events"].as_array().unwrap().clone();
        assert!(events.len() <= 7);
        joined.extend(events);
        since = page["next_seq"].as_u64().unwrap();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(Value::Array(joined), whole);
    let beyond = get(server.address, &format!("{path}?since_seq=99999")).await;
    assert_eq!(
        beyond,
        json!({"events": [], "has_more": false, "next_seq": 99999})
    );
}
