//! The instances on which a merge is gated.

use std::cmp::Ordering;

use crate::{
    Archive, CandidateIndex, Draw, InstanceIndex, sample_indices, sample_with_replacement,
};

/// Size of a subset.
const SUBSET: usize = 5;
/// The most instances drawn from one bucket before the rest is filled from all.
const PER_BUCKET: usize = 2;

/// An instance on which both parents were scored.
pub(super) struct CommonInstance {
    pub(super) instance: InstanceIndex,
    pub(super) scores: [f64; 2],
}

/// The instances on which both parents were scored, ascending.
pub(super) fn common_instances(
    archive: &Archive,
    parents: [CandidateIndex; 2],
) -> Vec<CommonInstance> {
    let [first, second] = parents.map(|parent| archive.row(parent).unwrap_or_default());
    let mut common: Vec<CommonInstance> = archive
        .instances()
        .iter()
        .zip(first.iter().zip(second))
        .filter(|(_, (one, other))| !one.is_nan() && !other.is_nan())
        .map(|(&id, (&one, &other))| CommonInstance {
            instance: InstanceIndex(id),
            scores: [one, other],
        })
        .collect();
    common.sort_by_key(|one| one.instance);
    common
}

/// Draws positions in `common`: up to two instances on which the first parent is better, up to two
/// on which the second is better, up to two ties, then any others. They repeat if there are too
/// few.
pub(super) fn draw_subset(common: &[CommonInstance], draw: &mut dyn Draw) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::with_capacity(SUBSET);
    for verdict in [Ordering::Greater, Ordering::Less, Ordering::Equal] {
        let belongs = |position: &usize| {
            let [first, second] = common[*position].scores;
            first.partial_cmp(&second) == Some(verdict)
        };
        let bucket: Vec<usize> = (0..common.len()).filter(belongs).collect();
        let wanted = bucket.len().min(PER_BUCKET).min(SUBSET - chosen.len());
        chosen.extend(
            sample_indices(draw, bucket.len(), wanted)
                .into_iter()
                .map(|at| bucket[at]),
        );
    }
    let missing = SUBSET - chosen.len();
    let rest: Vec<usize> = (0..common.len())
        .filter(|position| !chosen.contains(position))
        .collect();
    if rest.len() >= missing {
        chosen.extend(
            sample_indices(draw, rest.len(), missing)
                .into_iter()
                .map(|at| rest[at]),
        );
    } else {
        chosen.extend(sample_with_replacement(draw, common.len(), missing));
    }
    chosen
}
