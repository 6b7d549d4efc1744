//! Finds two survivors to merge, and combines their texts.

use std::sync::Arc;

use super::log::MergeLog;
use crate::bits::{self, WORD};
use crate::{Archive, Candidate, CandidateIndex, Draw, choices_weighted, sample_indices};

/// The most pairs that are composed, and the most draws for each of them.
pub(super) const ATTEMPTS: usize = 10;

/// Two survivors and the common ancestor over which they are merged.
pub(super) struct Pair {
    /// The lower index first.
    pub(super) parents: [CandidateIndex; 2],
    pub(super) ancestor: CandidateIndex,
}

/// The combined candidate.
pub(super) struct Composition {
    pub(super) candidate: Candidate,
    /// In ascending order of component names.
    pub(super) sources: Vec<(Arc<str>, CandidateIndex)>,
}

/// Draws pairs until one has an eligible ancestor.
pub(super) fn find_pair(
    archive: &Archive,
    survivors: &[CandidateIndex],
    log: &MergeLog,
    draw: &mut dyn Draw,
) -> Option<Pair> {
    for _ in 0..ATTEMPTS {
        let drawn = sample_indices(draw, survivors.len(), 2);
        let mut parents = [survivors[drawn[0]], survivors[drawn[1]]];
        parents.sort_unstable();
        let [first, second] = parents;
        let ancestors = parents.map(|parent| ancestors_of(archive, parent));
        if contains(&ancestors[0], second) || contains(&ancestors[1], first) {
            continue;
        }
        let common: Vec<u64> = ancestors[0]
            .iter()
            .zip(&ancestors[1])
            .map(|(one, other)| one & other)
            .collect();
        let eligible: Vec<CandidateIndex> = bits::slots(&common)
            .map(|position| CandidateIndex(position as u32))
            .filter(|&ancestor| {
                !log.has_tried(parents, ancestor) && is_eligible(archive, parents, ancestor)
            })
            .collect();
        let weights: Vec<f64> = eligible
            .iter()
            .map(|&one| archive.entry(one).estimate)
            .collect();
        if let Some(position) = choices_weighted(draw, &weights) {
            return Some(Pair {
                parents,
                ancestor: eligible[position],
            });
        }
    }
    None
}

/// Combines the parents over their ancestor, component by component. `None` cannot happen for a
/// pair that was found.
pub(super) fn compose(archive: &Archive, pair: &Pair, draw: &mut dyn Draw) -> Option<Composition> {
    let ancestor = &archive.entry(pair.ancestor).candidate;
    let mut names: Vec<&Arc<str>> = ancestor.components().keys().collect();
    names.sort_unstable();
    let mut sources = Vec::with_capacity(names.len());
    let mut texts = Vec::with_capacity(names.len());
    for name in names {
        let source = source_of(archive, pair, name, draw);
        texts.push((
            &**name,
            Arc::clone(archive.entry(source).candidate.text(name)?),
        ));
        sources.push((Arc::clone(name), source));
    }
    let candidate = ancestor.with_texts(texts).ok()?;
    Some(Composition { candidate, sources })
}

/// All ancestors as bits. Lineages are deep, and every drawn pair needs two such sets.
fn ancestors_of(archive: &Archive, candidate: CandidateIndex) -> Vec<u64> {
    let mut found = vec![0; bits::words_for(archive.len())];
    let mut pending = archive.entry(candidate).parents.clone();
    while let Some(ancestor) = pending.pop() {
        if !contains(&found, ancestor) {
            found[ancestor.position() / WORD] |= 1 << (ancestor.position() % WORD);
            pending.extend_from_slice(&archive.entry(ancestor).parents);
        }
    }
    found
}

fn contains(ids: &[u64], candidate: CandidateIndex) -> bool {
    ids[candidate.position() / WORD] >> (candidate.position() % WORD) & 1 == 1
}

/// Whether the ancestor's estimate is not above that of either parent, and one parent changed a
/// component that the other did not change. Parents whose components differ from the ancestor's are
/// not eligible.
fn is_eligible(archive: &Archive, parents: [CandidateIndex; 2], ancestor: CandidateIndex) -> bool {
    let original = archive.entry(ancestor);
    let [first, second] = parents.map(|parent| archive.entry(parent));
    if original.estimate > first.estimate || original.estimate > second.estimate {
        return false;
    }
    if !have_same_components(&original.candidate, &first.candidate)
        || !have_same_components(&original.candidate, &second.candidate)
    {
        return false;
    }
    original.candidate.components().iter().any(|(name, text)| {
        let [one, other] = [first, second].map(|entry| entry.candidate.text(name));
        one != other && (one == Some(text) || other == Some(text))
    })
}

fn have_same_components(one: &Candidate, other: &Candidate) -> bool {
    one.components().len() == other.components().len()
        && one
            .components()
            .keys()
            .all(|name| other.components().contains_key(name))
}

fn source_of(archive: &Archive, pair: &Pair, name: &str, draw: &mut dyn Draw) -> CandidateIndex {
    let [first, second] = pair.parents;
    let original = archive.entry(pair.ancestor).candidate.text(name);
    let one = archive.entry(first).candidate.text(name);
    let other = archive.entry(second).candidate.text(name);
    if one == original {
        // If one text equals the original, the other is taken; it is the changed one, if any is.
        return if other == original { first } else { second };
    }
    if other == original {
        return first;
    }
    let [mean, other_mean] = pair.parents.map(|parent| archive.entry(parent).estimate);
    if mean > other_mean {
        first
    } else if other_mean > mean {
        second
    } else {
        pair.parents[draw.below(2)]
    }
}
