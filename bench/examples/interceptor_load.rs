//! Measures the latency that the interceptor adds to a call. Equal load is sent to a model server
//! directly and through the interceptor, alternating every second.
//!
//! The loop is open: requests are due at fixed times, independent of earlier replies, and a latency
//! counts from the time the request was due. Arguments: requests per second, seconds for each side.
#![expect(clippy::print_stdout, reason = "it is a report")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use gepa_evaluation::{PromptMessage, PromptTemplate};
use gepa_models::{ChatModel, Environment, ModelSettings, Models, ProviderSettings};
use gepa_tasks::interceptor::{Interceptor, Lease, LeaseTerms, SubstitutionPlan};
use gepa_testing::{ModelReply, ModelServer};
use indexmap::IndexMap;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const SYSTEM: &str = "You are a medical classification assistant.";
const USER: &str = "Patient Features:\n{features}\n\nClassify.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rate: u32 = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let seconds: u32 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let server = ModelServer::answering(|_| ModelReply::text("1").reporting(100, 1))
        .keeping(1)
        .start()
        .await?;
    let policy = policy(&server)?;
    let interceptor = Interceptor::new(&Environment::default());
    let client = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .build()?;
    let direct_url = format!("{}/chat/completions", server.base_url());
    let mut direct = Vec::new();
    let mut through = Vec::new();
    // The first second of each side warms up connections and caches.
    for second in 0..=seconds {
        let urls = vec![direct_url.clone(); rate as usize];
        let one = block(&client, &urls, rate).await?;
        let leases = leases(&interceptor, &policy, rate).await?;
        let urls: Vec<String> = leases.iter().map(completions_url).collect();
        let other = block(&client, &urls, rate).await?;
        for lease in leases {
            let calls = lease.close();
            if calls.len() != 1 || !calls[0].is_answered() {
                return Err("a call is missing in the record".into());
            }
        }
        if second > 0 {
            direct.extend(one);
            through.extend(other);
        }
    }
    direct.sort_unstable();
    through.sort_unstable();
    println!("{rate} requests/s, {seconds} s for each side, milliseconds");
    println!("             p50     p99   p99.9");
    report("direct  ", |share| millis(quantile(&direct, share)));
    report("through ", |share| millis(quantile(&through, share)));
    report("added   ", |share| {
        millis(quantile(&through, share)) - millis(quantile(&direct, share))
    });
    Ok(())
}

fn policy(server: &ModelServer) -> Result<Arc<ChatModel>, Box<dyn Error>> {
    let settings = ModelSettings {
        base_url: Some(server.base_url()),
        ..ModelSettings::new("loopback", "m")
    };
    let providers = IndexMap::from([(
        "loopback".to_owned(),
        ProviderSettings {
            max_concurrent: Some(1024),
            ..ProviderSettings::default()
        },
    )]);
    Ok(Models::new(Environment::default()).connect(&settings, &providers, &[])?)
}

async fn leases(
    interceptor: &Interceptor,
    policy: &Arc<ChatModel>,
    count: u32,
) -> Result<Vec<Lease>, Box<dyn Error>> {
    let message = |role: &str, pattern: &str| PromptMessage {
        role: role.to_owned(),
        component: Some(role.to_owned()),
        pattern: pattern.to_owned(),
    };
    let template = PromptTemplate {
        messages: vec![message("system", SYSTEM), message("user", USER)],
    };
    let seed = Candidate::new([("system", SYSTEM), ("user", USER)])?;
    let candidate = Candidate::new([("system", "Be careful."), ("user", "{features}")])?;
    let terms = LeaseTerms {
        plan: Arc::new(SubstitutionPlan::new(&template, &seed, &[])),
        candidate: Arc::new(candidate),
        policy: Arc::clone(policy),
        answer_within: Duration::from_secs(25),
    };
    let mut leases = Vec::new();
    for _ in 0..count {
        leases.push(interceptor.open(terms.clone(), "load").await?);
    }
    Ok(leases)
}

fn completions_url(lease: &Lease) -> String {
    lease.inference_url().replace('?', "/chat/completions?")
}

/// One request a time slot; the latencies from when each was due.
async fn block(
    client: &reqwest::Client,
    urls: &[String],
    rate: u32,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": USER.replace("{features}", "age: 35\nsex: 0\nchol: 158")},
        ],
        "max_completion_tokens": 512,
        "temperature": 0.0,
    })
    .to_string();
    let start = Instant::now() + Duration::from_millis(20);
    let mut requests = JoinSet::new();
    for (number, url) in urls.iter().enumerate() {
        let due = start + Duration::from_secs(1) * number as u32 / rate;
        let request = client.post(url).body(body.clone());
        requests.spawn(async move {
            sleep_until(due).await;
            let response = request.send().await?.error_for_status()?;
            response.bytes().await?;
            Ok::<Duration, reqwest::Error>(due.elapsed())
        });
    }
    let mut latencies = Vec::with_capacity(urls.len());
    while let Some(done) = requests.join_next().await {
        latencies.push(done??);
    }
    Ok(latencies)
}

fn report(name: &str, value: impl Fn(f64) -> f64) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(value);
    println!("{name} {p50:7.3} {p99:7.3} {p999:7.3}");
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(last)).copied().unwrap_or_default()
}

fn millis(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1e3
}
