//! Merges combine two survivors that improved different components of a common ancestor.
//!
//! Search, composition and subset follow the reference implementation draw by draw, in its
//! canonical order (candidates, ancestors, component names and instances ascending). There is one
//! difference: if the sum of the weights of the eligible ancestors is not positive, the ancestor is
//! drawn uniformly, while the reference implementation fails.

mod log;
mod search;
mod subset;

use std::sync::Arc;

pub use log::MergeLog;
use search::ATTEMPTS;

use crate::{Archive, Candidate, CandidateIndex, Draw, InstanceIndex};

/// The settings of the search for merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeSettings {
    /// Pairs with fewer instances scored in common are skipped; 0 acts as 1. The reference uses 5.
    pub overlap_floor: usize,
}

/// A merge to be gated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MergePlan {
    /// The two survivors, the lower index first.
    pub parents: [CandidateIndex; 2],
    /// Their common ancestor.
    pub ancestor: CandidateIndex,
    /// The combination; its components are in the ancestor's order.
    pub candidate: Candidate,
    /// The parent of each component, in ascending order of component names.
    pub sources: Vec<(Arc<str>, CandidateIndex)>,
    /// The five instances of the gate. They repeat if the parents share fewer than five.
    pub subset: Vec<InstanceIndex>,
    /// The sum of each parent's scores on the subset, added in its order.
    pub parent_sums: [f64; 2],
}

/// Searches the survivors for a merge, records it in `log`, and draws the instances to gate it on.
///
/// `None` if there are fewer than two survivors or fewer than three candidates, or if ten times ten
/// draws find no merge.
pub fn plan_merge(
    archive: &Archive,
    log: &mut MergeLog,
    settings: MergeSettings,
    draw: &mut dyn Draw,
) -> Option<MergePlan> {
    let survivors = archive.front().ids();
    if survivors.len() < 2 || archive.len() < 3 {
        return None;
    }
    let floor = settings.overlap_floor.max(1);
    for _ in 0..ATTEMPTS {
        let Some(found) = search::find_pair(archive, &survivors, log, draw) else {
            continue;
        };
        let composition = search::compose(archive, &found, draw)?;
        let [first, second] = found.parents;
        let source_ids = composition
            .sources
            .iter()
            .map(|&(_, source)| source)
            .collect();
        let record = (first, second, source_ids);
        if log.composed.contains(&record) {
            continue;
        }
        let common = subset::common_instances(archive, found.parents);
        if common.len() < floor {
            continue;
        }
        log.composed.insert(record);
        log.tried.insert((first, second, found.ancestor));
        let chosen = subset::draw_subset(&common, draw);
        return Some(MergePlan {
            parents: found.parents,
            ancestor: found.ancestor,
            candidate: composition.candidate,
            sources: composition.sources,
            parent_sums: [0, 1].map(|parent| {
                chosen
                    .iter()
                    .fold(0.0, |sum, &position| sum + common[position].scores[parent])
            }),
            subset: chosen
                .iter()
                .map(|&position| common[position].instance)
                .collect(),
        });
    }
    None
}
