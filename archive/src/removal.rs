//! Candidates and instances that a user takes out of an archive.
//!
//! What is taken out no longer counts: the fronts, the ranking and the means are then those over
//! what is left. Each removal rebuilds the fronts from the values of the live candidates, so its
//! cost is their number. The means of objectives are the exception: they are not kept by instance,
//! so those of earlier candidates go on counting an instance that was taken out.

use std::sync::Arc;

use crate::revision::Standing;
use crate::{Archive, ArchiveError, CandidateIndex, Extension, FrontKey, Frontier, InstanceIndex};

impl Archive {
    /// Takes a candidate out of the live archive. It stays in the lineage.
    ///
    /// # Errors
    /// The candidate is not live. The archive is then unchanged.
    pub fn withdraw(&mut self, candidate: CandidateIndex) -> Result<Extension, ArchiveError> {
        if self.get(candidate).is_none_or(|entry| entry.evicted) {
            return Err(ArchiveError::NotLive(candidate));
        }
        let before = Standing::of(self);
        self.evict(candidate);
        Ok(before.extension(self))
    }

    /// Takes an instance out of every row, and ranks all candidates anew: by `estimates`, which name
    /// live candidates, or by their means where there are none.
    pub fn exclude(
        &mut self,
        instance: InstanceIndex,
        estimates: &[(CandidateIndex, f64)],
    ) -> Extension {
        let before = Standing::of(self);
        if let Some(slot) = self.layout.instance_slot(instance) {
            for candidate in self.live.clone() {
                self.clear_score(candidate, slot);
            }
            self.clear_values(instance);
        }
        if estimates.is_empty() {
            let means = self.live.iter().map(|one| (*one, self.entry(*one).mean));
            let means: Vec<(CandidateIndex, f64)> = means.collect();
            self.rank_by(&means);
        } else {
            self.rank_by(estimates);
        }
        before.extension(self)
    }

    fn clear_score(&mut self, candidate: CandidateIndex, slot: usize) {
        let position = candidate.position();
        let Some(row) = self.rows[position].as_deref() else {
            return;
        };
        if row.get(slot).is_none_or(|score| score.is_nan()) {
            return;
        }
        let mut kept = row.to_vec();
        kept[slot] = f64::NAN;
        let known = kept.iter().filter(|score| !score.is_nan());
        let (mut total, mut count) = (0.0, 0_u32);
        for score in known {
            total += score;
            count += 1;
        }
        let entry = &mut self.entries[position];
        entry.scored = count;
        entry.mean = if count == 0 {
            f64::NEG_INFINITY
        } else {
            total / f64::from(count)
        };
        let scores: Arc<[f64]> = kept.into();
        if self.settings.frontier == Frontier::Instance {
            self.values[position] = Some(Arc::clone(&scores));
        }
        self.rows[position] = Some(scores);
    }

    /// Clears the values of the fronts whose key names the instance.
    fn clear_values(&mut self, instance: InstanceIndex) {
        if self.settings.frontier == Frontier::Instance {
            return;
        }
        let of_instance = |slot: &usize| match self.layout.key(*slot) {
            FrontKey::Instance(one) | FrontKey::Cartesian(one, _) => one == instance,
            FrontKey::Objective(_) => false,
        };
        let slots: Vec<usize> = (0..self.layout.front_count()).filter(of_instance).collect();
        for values in self.values.iter_mut().flatten() {
            let mut cleared = values.to_vec();
            for slot in slots.iter().filter(|slot| **slot < values.len()) {
                cleared[*slot] = f64::NAN;
            }
            *values = cleared.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::{ArchiveSettings, Candidate, InstanceScore, Origin, ScoreRow};

    /// Rows of pseudo-random scores with two objectives; `skip` leaves an instance out.
    fn archive(frontier: Frontier, count: u32, skip: &[(u32, u32)], gone: Option<u32>) -> Archive {
        let mut archive = Archive::new(ArchiveSettings {
            frontier,
            ..ArchiveSettings::default()
        });
        for candidate in 0..count {
            let entries = (0..6).filter(|instance| Some(*instance) != gone);
            let entries = entries.filter(|instance| !skip.contains(&(candidate, *instance)));
            let entries = entries.map(|instance| {
                let noise = (candidate * 7 + instance * 13 + candidate * instance * 5) % 11;
                let objectives = [("speed", noise % 3), ("care", noise % 5)];
                let objectives: IndexMap<Arc<str>, f64> = objectives
                    .into_iter()
                    .map(|(name, score)| (Arc::from(name), f64::from(score)))
                    .collect();
                InstanceScore {
                    instance: InstanceIndex(instance),
                    score: f64::from(noise),
                    objectives,
                }
            });
            let row = ScoreRow::new(entries.collect()).unwrap();
            let text = format!("text {candidate}");
            let texts = Arc::new(Candidate::new([("system", text.as_str())]).unwrap());
            archive
                .insert(texts, Vec::new(), Origin::Seed, &row)
                .unwrap();
        }
        archive
    }

    fn standing(archive: &Archive) -> (Vec<CandidateIndex>, Vec<CandidateIndex>, Vec<String>) {
        let listed = archive.fronts().into_iter();
        let listed =
            listed.map(|front| format!("{:?} {} {:?}", front.key, front.value, front.members));
        let mut listed: Vec<String> = listed.collect();
        listed.sort();
        (archive.front().ids(), archive.top(usize::MAX), listed)
    }

    #[test]
    fn an_excluded_instance_leaves_what_an_archive_without_it_has() {
        for frontier in [Frontier::Instance, Frontier::Cartesian] {
            for instance in 0..6 {
                let mut excluded = archive(frontier, 9, &[(3, 2), (4, 0)], None);
                excluded.exclude(InstanceIndex(instance), &[]);
                let never = archive(frontier, 9, &[(3, 2), (4, 0)], Some(instance));
                assert_eq!(
                    standing(&excluded),
                    standing(&never),
                    "{frontier:?} {instance}"
                );
                for (index, entry) in never.entries() {
                    let found = excluded.get(index).unwrap();
                    assert_eq!((found.mean, found.scored), (entry.mean, entry.scored));
                    assert_eq!(excluded.score(index, InstanceIndex(instance)), None);
                }
            }
        }
    }

    #[test]
    fn a_withdrawn_candidate_is_in_no_front_and_cannot_be_best() {
        for frontier in [Frontier::Instance, Frontier::Hybrid, Frontier::Cartesian] {
            let mut archive = archive(frontier, 9, &[], None);
            while archive.live().len() > 1 {
                let best = archive.best().unwrap();
                let revised = archive.withdraw(best).unwrap();
                assert!(revised.best_changed);
                assert!(archive.get(best).unwrap().evicted && !archive.survives(best));
                let members = archive.fronts().into_iter().flat_map(|front| front.members);
                assert!(!members.into_iter().any(|member| member == best));
                assert!(archive.best().is_some() && !archive.front().is_empty());
                assert!(archive.withdraw(best).is_err());
            }
        }
    }

    #[test]
    fn a_candidate_without_a_score_left_is_ranked_last() {
        let all_but_one: Vec<(u32, u32)> = (0..5).map(|instance| (2, instance)).collect();
        let mut archive = archive(Frontier::Instance, 4, &all_but_one, None);
        archive.exclude(InstanceIndex(5), &[]);
        let last = archive.top(usize::MAX).pop();
        assert_eq!(last, Some(CandidateIndex(2)));
        assert!(!archive.survives(CandidateIndex(2)));
    }
}
