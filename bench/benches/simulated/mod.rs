//! Random archives, the same in every run.

use std::sync::Arc;

use gepa_archive::{
    Archive, ArchiveSettings, Candidate, Draw, InstanceIndex, InstanceScore, Origin, ScoreRow,
};
use indexmap::IndexMap;

/// How random scores are distributed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scores {
    /// 0 or 1: fronts with about half of all candidates.
    Binary,
    /// Uniform: fronts with one candidate.
    Continuous,
}

/// A splitmix64 word stream.
pub(crate) struct Words(u64);

impl Words {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Draw for Words {
    fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 32) as u32
    }
}

/// Some candidate; archives do not look at texts.
pub(crate) fn candidate() -> Arc<Candidate> {
    Arc::new(Candidate::new([("prompt", "text")]).expect("one named component"))
}

/// A row's worth of scores in ascending order of instances.
pub(crate) fn entries(words: &mut Words, kind: Scores, instances: usize) -> Vec<InstanceScore> {
    (0..instances as u32)
        .map(|instance| InstanceScore {
            instance: InstanceIndex(instance),
            score: match kind {
                Scores::Binary => words.below(2) as f64,
                Scores::Continuous => words.unit(),
            },
            objectives: IndexMap::new(),
        })
        .collect()
}

/// An archive without bounds.
pub(crate) fn filled_archive(kind: Scores, candidates: usize, instances: usize) -> Archive {
    let mut archive = Archive::new(ArchiveSettings::default());
    let mut words = Words::new(1);
    let shared = candidate();
    for _ in 0..candidates {
        let row = ScoreRow::new(entries(&mut words, kind, instances)).expect("finite scores");
        archive
            .insert(shared.clone(), Vec::new(), Origin::Injected, &row)
            .expect("no parents to be missing");
    }
    archive
}
