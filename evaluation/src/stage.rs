//! Stages (why a trial takes place) and phases.

use serde::{Deserialize, Serialize};

/// The two halves of a run's accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Everything that may influence which candidate is tried next.
    Optimization,
    /// The final scoring of baseline and top-k on held-out examples.
    Validation,
}

impl Phase {
    /// The name used in stores, exports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Optimization => "optimization",
            Self::Validation => "validation",
        }
    }
}

/// Why a trial takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// The seed candidate on the pareto set.
    Seed,
    /// A parent on a minibatch, with traces for reflection.
    MinibatchParent,
    /// A child on its parent's minibatch.
    MinibatchChild,
    /// A child that passed the gate, on the pareto set.
    Pareto,
    /// A merged candidate on a few instances that both its parents were scored on.
    MergeGate,
    /// The seed candidate on the validation set.
    ValidationBaseline,
    /// One of the best candidates on the validation set.
    ValidationTopK,
}

impl Stage {
    /// Every stage, in the order of a run.
    pub const ALL: [Self; 7] = [
        Self::Seed,
        Self::MinibatchParent,
        Self::MinibatchChild,
        Self::Pareto,
        Self::MergeGate,
        Self::ValidationBaseline,
        Self::ValidationTopK,
    ];

    /// Whether reflection reads the traces of this stage's rollouts.
    pub fn wants_trace(self) -> bool {
        matches!(self, Self::MinibatchParent | Self::MinibatchChild)
    }

    /// The phase of the stage. Every stage has one, so every trial has one.
    pub fn phase(self) -> Phase {
        match self {
            Self::Seed
            | Self::MinibatchParent
            | Self::MinibatchChild
            | Self::Pareto
            | Self::MergeGate => Phase::Optimization,
            Self::ValidationBaseline | Self::ValidationTopK => Phase::Validation,
        }
    }

    /// The name used in stores, exports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::MinibatchParent => "minibatch_parent",
            Self::MinibatchChild => "minibatch_child",
            Self::Pareto => "pareto",
            Self::MergeGate => "merge_gate",
            Self::ValidationBaseline => "validation_baseline",
            Self::ValidationTopK => "validation_top_k",
        }
    }
}
