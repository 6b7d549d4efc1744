//! The interceptor's own work on one call: reading it, inserting the candidate, writing it.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gepa_archive::Candidate;
use gepa_evaluation::{PromptMessage, PromptTemplate};
use gepa_tasks::interceptor::SubstitutionPlan;
use serde_json::{Value, json};

const SYSTEM: &str = "You classify customer queries. Answer with one label of the list.";
const USER: &str = "Customer Query: {query}\n\nAvailable Intents:\n{intents}\n\nClassify it.";

fn plan() -> SubstitutionPlan {
    let message = |role: &str, pattern: &str| PromptMessage {
        role: role.to_owned(),
        component: Some(role.to_owned()),
        pattern: pattern.to_owned(),
    };
    let template = PromptTemplate {
        messages: vec![message("system", SYSTEM), message("user", USER)],
    };
    let seed = Candidate::new([("system", SYSTEM), ("user", USER)]).expect("it has components");
    SubstitutionPlan::new(&template, &seed, &[])
}

fn call(intents: usize) -> String {
    let intents: Vec<String> = (1..=intents)
        .map(|number| format!("{number}. intent_number_{number}"))
        .collect();
    let user = USER
        .replace("{query}", "When will my card arrive?")
        .replace("{intents}", &intents.join("\n"));
    json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": user},
        ],
        "tools": [{"type": "function", "function": {"name": "classify"}}],
    })
    .to_string()
}

fn substitute(plan: &SubstitutionPlan, candidate: &Candidate, call: &str) -> String {
    let mut body: Value = serde_json::from_str(call).expect("it is JSON");
    let messages = body["messages"].as_array_mut().expect("it is a list");
    plan.apply(messages, candidate, None)
        .expect("it has the form of the baseline");
    body.to_string()
}

fn calls(criterion: &mut Criterion) {
    let plan = plan();
    let texts = [
        (
            "system",
            "Read the query twice, then answer with one label.",
        ),
        ("user", "Labels:\n{intents}\n\nQuery: {query}"),
    ];
    let candidate = Candidate::new(texts).expect("it has components");
    let mut group = criterion.benchmark_group("interceptor/substitute");
    for intents in [5, 77, 5_000] {
        let call = call(intents);
        group.bench_function(format!("{} bytes", call.len()), |bencher| {
            bencher.iter(|| substitute(&plan, &candidate, black_box(&call)));
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
