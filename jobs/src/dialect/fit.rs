//! Reduces the sizes of a job until its budget pays for one proposal. Files of this dialect are
//! expected to run unchanged, and some of them name more examples than their budget pays for.

use super::seeds::Sets;

const LEAST_MINIBATCH: u32 = 3;
const LEAST_PARETO: usize = 5;
const LEAST_VALIDATION: usize = 5;

/// The sizes that can be reduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) sets: Sets,
    pub(super) minibatch_size: u32,
    pub(super) top_k: u32,
}

impl Fit {
    /// The least rollouts that one complete proposal needs. Equal to
    /// [`Config::floor_rollouts`](gepa_engine::Config::floor_rollouts).
    pub(super) fn floor(&self) -> u64 {
        let pareto = self.sets.pareto.len() as u64;
        let validation = (1 + u64::from(self.top_k)) * self.sets.validation.len() as u64;
        2 * pareto + 2 * u64::from(self.minibatch_size) + validation
    }

    /// Reduces sizes until one proposal fits into `budget` rollouts, the least important size
    /// first. Returns a note for each reduced size. If even the least sizes do not fit, nothing is
    /// reduced, and the engine refuses the job.
    pub(super) fn concede(&mut self, budget: u64) -> Vec<String> {
        let floor = self.floor();
        let before = self.clone();
        while self.floor() > budget && self.concede_one() {}
        if self.floor() > budget {
            // The engine's refusal must name the figures of the file.
            *self = before;
            return Vec::new();
        }
        let mut notes = Vec::new();
        let mut say = |what: &str, from: usize, to: usize| {
            if from != to {
                notes.push(format!(
                    "pays for {budget} rollouts, one proposal needs {floor}: {what} {from} -> {to}"
                ));
            }
        };
        say(
            "validation_top_k",
            before.top_k as usize,
            self.top_k as usize,
        );
        say(
            "minibatch_size",
            before.minibatch_size as usize,
            self.minibatch_size as usize,
        );
        say(
            "Pareto seeds (the others train)",
            before.sets.pareto.len(),
            self.sets.pareto.len(),
        );
        say(
            "validation seeds (the last are left out)",
            before.sets.validation.len(),
            self.sets.validation.len(),
        );
        notes
    }

    fn concede_one(&mut self) -> bool {
        if self.top_k > 1 && !self.sets.validation.is_empty() {
            self.top_k -= 1;
        } else if self.minibatch_size > LEAST_MINIBATCH {
            self.minibatch_size -= 1;
        } else if self.sets.pareto.len() > LEAST_PARETO {
            let moved = self.sets.pareto.remove(0);
            self.sets.train.push(moved);
        } else if self.sets.validation.len() > LEAST_VALIDATION {
            self.sets.validation.pop();
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(train: u64, pareto: u64, validation: u64, minibatch_size: u32, top_k: u32) -> Fit {
        let sets = Sets {
            train: (0..train).collect(),
            pareto: (train..train + pareto).collect(),
            validation: (1_000..1_000 + validation).collect(),
        };
        Fit {
            sets,
            minibatch_size,
            top_k,
        }
    }

    #[test]
    fn a_job_that_fits_is_not_changed() {
        let mut job = fit(10, 20, 50, 8, 2);
        assert_eq!(job.floor(), 206);
        assert_eq!(job.concede(206), Vec::<String>::new());
        assert_eq!(job, fit(10, 20, 50, 8, 2));
    }

    #[test]
    fn validated_candidates_are_conceded_before_proposals() {
        let mut job = fit(8, 8, 12, 8, 2);
        let notes = job.concede(61);
        assert_eq!(job, fit(8, 8, 12, 8, 1));
        assert!(job.floor() <= 61);
        let expected = "pays for 61 rollouts, one proposal needs 68: validation_top_k 2 -> 1";
        assert_eq!(notes, [expected]);
    }

    #[test]
    fn sizes_are_reduced_in_order_and_no_more_than_needed() {
        let mut job = fit(10, 20, 50, 8, 2);
        job.concede(160);
        assert_eq!(
            (job.top_k, job.minibatch_size, job.sets.pareto.len()),
            (1, 8, 20)
        );
        let mut job = fit(10, 20, 50, 8, 2);
        job.concede(140);
        assert_eq!(
            (job.top_k, job.minibatch_size, job.sets.pareto.len()),
            (1, 3, 17)
        );
        assert_eq!(job.sets.train.len() + job.sets.pareto.len(), 30);
        let mut job = fit(10, 20, 50, 8, 2);
        let notes = job.concede(44);
        assert_eq!((job.sets.pareto.len(), job.sets.validation.len()), (5, 14));
        assert!(job.floor() <= 44);
        assert_eq!(notes.len(), 4, "{notes:?}");
    }

    #[test]
    fn a_job_that_cannot_fit_keeps_its_figures() {
        let mut job = fit(10, 20, 50, 8, 2);
        assert_eq!(job.concede(20), Vec::<String>::new());
        assert_eq!(job, fit(10, 20, 50, 8, 2));
    }
}
