//! The failures of a run, grouped by what they have in common.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rollout_index::RolloutIndex;

/// Events and examples named for each group.
const NAMED: usize = 20;

/// One group for each kind of failure and message, largest first.
pub(super) fn failures(index: &RolloutIndex) -> Value {
    #[derive(Default)]
    struct Group {
        count: u64,
        stages: BTreeMap<&'static str, u64>,
        examples: BTreeMap<u32, u64>,
        seqs: Vec<u64>,
    }
    let mut groups: BTreeMap<(&'static str, u32), Group> = BTreeMap::new();
    let mut by_example: BTreeMap<u32, u64> = BTreeMap::new();
    let mut total = 0_u64;
    for entry in index.entries() {
        let Some((kind, message)) = entry.failure() else {
            continue;
        };
        total += 1;
        *by_example.entry(entry.example).or_default() += 1;
        let group = groups.entry((kind.as_str(), message)).or_default();
        group.count += 1;
        *group.stages.entry(entry.stage.as_str()).or_default() += 1;
        *group.examples.entry(entry.example).or_default() += 1;
        if group.seqs.len() < NAMED {
            group.seqs.push(entry.seq.0);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    let groups: Vec<Value> = groups
        .iter()
        .map(|((kind, message), group)| {
            json!({
                "kind": kind,
                "message": index.message(*message),
                "count": group.count,
                "stages": group.stages,
                "examples": largest(index, &group.examples),
                "distinct_examples": group.examples.len(),
                "seqs": group.seqs,
            })
        })
        .collect();
    json!({
        "total": total,
        "rollouts": index.entries().len(),
        "groups": groups,
        "examples": largest(index, &by_example),
        "distinct_examples": by_example.len(),
    })
}

/// The examples with the most failures, each with their number.
fn largest(index: &RolloutIndex, counts: &BTreeMap<u32, u64>) -> Vec<Value> {
    let mut counts: Vec<(u32, u64)> = counts
        .iter()
        .map(|(example, count)| (*example, *count))
        .collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let first = counts.iter().take(NAMED);
    first
        .map(|(example, count)| json!([index.example(*example), count]))
        .collect()
}
