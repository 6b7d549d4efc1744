//! The parts of a run in which a kill fell, found from its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// The work in progress when the process died. A kill can fall into several parts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The journal was still empty.
    Start,
    Seed,
    Gate,
    Reflection,
    Pareto,
    /// A snapshot is among the last events: the batch before or after it was being written.
    Snapshot,
    Validation,
    /// The journal is complete, and the process was about to exit.
    End,
}

impl Part {
    pub(crate) const ALL: [Self; 8] = [
        Self::Start,
        Self::Seed,
        Self::Gate,
        Self::Reflection,
        Self::Pareto,
        Self::Snapshot,
        Self::Validation,
        Self::End,
    ];

    /// The parts in which the writer of this journal can have been when it stopped.
    pub(crate) fn under_way(events: &[Value]) -> BTreeSet<Self> {
        let mut open_trials: BTreeMap<String, &str> = BTreeMap::new();
        let mut reflecting: BTreeSet<u64> = BTreeSet::new();
        let mut parts = BTreeSet::new();
        for event in events {
            let body = &event["body"];
            let iteration = body["iteration"].as_u64();
            match event["kind"].as_str().unwrap() {
                "trial_started" => {
                    let stage = body["stage"].as_str().unwrap();
                    open_trials.insert(body["trial"].to_string(), stage);
                }
                "trial_finished" => {
                    open_trials.remove(&body["trial"].to_string());
                    if body["stage"] == "minibatch_parent" {
                        reflecting.extend(body["trial"]["iteration"].as_u64());
                    }
                }
                "candidate_proposed" | "proposal_closed" => {
                    reflecting.remove(&iteration.unwrap());
                }
                "run_finished" => {
                    parts.insert(Self::End);
                }
                _ => {}
            }
        }
        parts.extend(open_trials.values().map(|stage| match *stage {
            "seed" => Self::Seed,
            "pareto" => Self::Pareto,
            "validation_baseline" | "validation_top_k" => Self::Validation,
            _ => Self::Gate,
        }));
        if !reflecting.is_empty() {
            parts.insert(Self::Reflection);
        }
        let last = events.iter().rev().take(8);
        if last
            .into_iter()
            .any(|event| event["kind"] == "snapshot_taken")
        {
            parts.insert(Self::Snapshot);
        }
        if events.is_empty() {
            parts.insert(Self::Start);
        }
        parts
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Start => "start",
            Self::Seed => "seed evaluation",
            Self::Gate => "gates",
            Self::Reflection => "reflection",
            Self::Pareto => "pareto evaluation",
            Self::Snapshot => "snapshot",
            Self::Validation => "final validation",
            Self::End => "end",
        })
    }
}
