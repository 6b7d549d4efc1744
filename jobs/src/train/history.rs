//! A job's snapshots, in order, boiled down to what its result files need.

use serde_json::{Value, json};

/// A job's snapshots.
#[derive(Debug, Default)]
pub struct History {
    pub(super) points: Vec<Point>,
    /// The last snapshot, complete.
    pub(super) last: Option<Value>,
    /// Validation results of the last snapshot that has any: baseline first.
    pub(super) validation: Vec<Validated>,
}

/// One snapshot.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) tag: String,
    /// The mean pareto score of the candidate it is about.
    pub(super) score: Option<f64>,
    pub(super) rollouts: u64,
    pub(super) tokens: u64,
    pub(super) trials: u64,
    pub(super) iterations: u64,
    /// The candidate's prompt, complete.
    pub(super) sections: Vec<Value>,
}

/// One candidate's held-out score.
#[derive(Clone, Debug)]
pub(super) struct Validated {
    /// Absent for the baseline.
    pub(super) rank: Option<u64>,
    pub(super) score: Option<f64>,
    pub(super) examples: usize,
    pub(super) sections: Vec<Value>,
}

impl History {
    /// Takes in the next snapshot.
    pub fn add(&mut self, snapshot: Value) {
        let payload = &snapshot["payload"];
        let count = |name: &str| payload[name].as_u64().unwrap_or_default();
        self.points.push(Point {
            tag: snapshot["tag"].as_str().unwrap_or_default().to_owned(),
            score: snapshot["score"].as_f64(),
            rollouts: count("total_rollouts"),
            tokens: count("total_tokens"),
            trials: count("trials_tried"),
            iterations: count("iterations"),
            sections: sections(payload, &snapshot["messages"]),
        });
        let results = payload["validation"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if !results.is_empty() {
            self.validation = results
                .iter()
                .map(|result| validated(payload, result))
                .collect();
        }
        self.last = Some(snapshot);
    }
}

fn validated(payload: &Value, result: &Value) -> Validated {
    let archive = payload["archive"].as_array().map_or(&[][..], Vec::as_slice);
    let item = archive
        .iter()
        .find(|item| item["index"] == result["candidate"]);
    Validated {
        rank: result["rank"].as_u64(),
        score: result["mean_score"].as_f64(),
        examples: result["scores"].as_array().map_or(0, Vec::len),
        sections: item
            .map(|item| sections(payload, &item["messages"]))
            .unwrap_or_default(),
    }
}

/// The sections of the prompt with these messages: named after its components where the archive
/// still has it, after their roles otherwise.
fn sections(payload: &Value, messages: &Value) -> Vec<Value> {
    let archive = payload["archive"].as_array().map_or(&[][..], Vec::as_slice);
    let item = archive.iter().find(|item| item["messages"] == *messages);
    let named = item.and_then(|item| item["object"]["data"]["sections"].as_array());
    if let Some(named) = named {
        return named.clone();
    }
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    let section = |(order, message): (usize, &Value)| {
        json!({
            "name": message["role"],
            "role": message["role"],
            "content": message["content"],
            "order": order,
        })
    };
    messages.iter().enumerate().map(section).collect()
}
