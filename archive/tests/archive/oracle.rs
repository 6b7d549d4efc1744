//! The plain definitions, computed from scratch after each insertion.

use gepa_archive::{ArchiveSettings, FrontKey, Frontier, InstanceIndex};

use crate::generators::{PlainRow, PlainScore};

#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    settings: ArchiveSettings,
    pub(crate) candidates: Vec<OracleCandidate>,
    instance_keys: Vec<FrontKey>,
    objective_keys: Vec<FrontKey>,
    cartesian_keys: Vec<FrontKey>,
}

#[derive(Clone, Debug)]
pub(crate) struct OracleCandidate {
    pub(crate) row: PlainRow,
    pub(crate) mean: f64,
    pub(crate) live: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OracleFront {
    pub(crate) key: FrontKey,
    pub(crate) value: f64,
    pub(crate) members: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct OracleInsertion {
    pub(crate) joined: usize,
    pub(crate) won: usize,
    pub(crate) evicted: Vec<usize>,
    pub(crate) before: Vec<usize>,
    pub(crate) after: Vec<usize>,
}

impl Oracle {
    pub(crate) fn new(settings: ArchiveSettings) -> Self {
        Self {
            settings,
            candidates: Vec::new(),
            instance_keys: Vec::new(),
            objective_keys: Vec::new(),
            cartesian_keys: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, row: &PlainRow) -> OracleInsertion {
        let index = self.candidates.len();
        let before = sorted(self.survivors());
        let mean = mean(row.iter().map(|one| one.score));
        let admitted = index == 0 || self.settings.min_score.is_none_or(|floor| mean >= floor);
        if !admitted {
            self.candidates.push(OracleCandidate {
                row: row.clone(),
                mean,
                live: false,
            });
            let after = before.clone();
            return OracleInsertion {
                before,
                after,
                evicted: vec![index],
                joined: 0,
                won: 0,
            };
        }
        let fronts_before = self.fronts();
        self.note_keys(row);
        self.candidates.push(OracleCandidate {
            row: row.clone(),
            mean,
            live: true,
        });
        let entered: Vec<OracleFront> = self
            .fronts()
            .into_iter()
            .filter(|front| front.members.contains(&index))
            .collect();
        let is_won = |front: &&OracleFront| {
            fronts_before
                .iter()
                .find(|former| former.key == front.key)
                .is_none_or(|former| former.value < front.value)
        };
        let won = entered.iter().filter(is_won).count();
        let evicted = self.evict(index);
        let after = sorted(self.survivors());
        OracleInsertion {
            joined: entered.len(),
            won,
            evicted,
            before,
            after,
        }
    }

    /// Inserts a row without a floor, gives candidates these means to be ordered by, and evicts.
    /// Returns the evicted.
    pub(crate) fn insert_ranked(&mut self, row: &PlainRow, means: &[f64]) -> Vec<usize> {
        let index = self.candidates.len();
        self.note_keys(row);
        self.candidates.push(OracleCandidate {
            row: row.clone(),
            mean: 0.0,
            live: true,
        });
        self.rank_by(means);
        self.evict(index)
    }

    pub(crate) fn extend(&mut self, candidate: usize, row: &PlainRow, means: &[f64]) {
        self.note_keys(row);
        self.candidates[candidate].row.clone_from(row);
        self.rank_by(means);
    }

    /// Evicted candidates keep the mean they have.
    fn rank_by(&mut self, means: &[f64]) {
        for (candidate, mean) in self.candidates.iter_mut().zip(means) {
            if candidate.live {
                candidate.mean = *mean;
            }
        }
    }

    pub(crate) fn live(&self) -> Vec<usize> {
        (0..self.candidates.len())
            .filter(|&one| self.candidates[one].live)
            .collect()
    }

    /// Best first, ties by lower index.
    pub(crate) fn ranked(&self) -> Vec<usize> {
        let mut ranked = self.live();
        ranked.sort_by(|&one, &other| {
            self.candidates[other]
                .mean
                .total_cmp(&self.candidates[one].mean)
        });
        ranked
    }

    pub(crate) fn fronts(&self) -> Vec<OracleFront> {
        let keys: Vec<&FrontKey> = match self.settings.frontier {
            Frontier::Instance => self.instance_keys.iter().collect(),
            Frontier::Objective => self.objective_keys.iter().collect(),
            Frontier::Hybrid => self
                .instance_keys
                .iter()
                .chain(&self.objective_keys)
                .collect(),
            Frontier::Cartesian => self.cartesian_keys.iter().collect(),
        };
        keys.into_iter().filter_map(|key| self.front(key)).collect()
    }

    pub(crate) fn survivors(&self) -> Vec<usize> {
        self.survivors_of(&self.members())
    }

    pub(crate) fn members(&self) -> Vec<Vec<usize>> {
        self.fronts()
            .into_iter()
            .map(|front| front.members)
            .collect()
    }

    /// Removal of redundant candidates by its definition: remove the first one and start again.
    pub(crate) fn survivors_of(&self, fronts: &[Vec<usize>]) -> Vec<usize> {
        let appearance = in_order_of_appearance(fronts);
        let mut alive = appearance.clone();
        alive.sort_by(|&one, &other| {
            self.candidates[one]
                .mean
                .total_cmp(&self.candidates[other].mean)
        });
        loop {
            let dominated = alive.iter().position(|candidate| {
                fronts
                    .iter()
                    .filter(|front| front.contains(candidate))
                    .all(|front| {
                        front
                            .iter()
                            .any(|other| other != candidate && alive.contains(other))
                    })
            });
            match dominated {
                Some(position) => alive.remove(position),
                None => break,
            };
        }
        appearance
            .into_iter()
            .filter(|candidate| alive.contains(candidate))
            .collect()
    }

    fn front(&self, key: &FrontKey) -> Option<OracleFront> {
        let values: Vec<(usize, f64)> = self
            .live()
            .into_iter()
            .filter_map(|one| value(&self.candidates[one].row, key).map(|score| (one, score)))
            .collect();
        let best = values.iter().map(|&(_, score)| score).reduce(f64::max)?;
        let members = values
            .into_iter()
            .filter(|&(_, score)| score == best)
            .map(|(one, _)| one)
            .collect();
        Some(OracleFront {
            key: key.clone(),
            value: best,
            members,
        })
    }

    fn note_keys(&mut self, row: &[PlainScore]) {
        for one in row {
            let instance = InstanceIndex(one.instance);
            note(&mut self.instance_keys, FrontKey::Instance(instance));
            for &(name, _) in &one.objectives {
                note(&mut self.objective_keys, FrontKey::Objective(name.into()));
                note(
                    &mut self.cartesian_keys,
                    FrontKey::Cartesian(instance, name.into()),
                );
            }
        }
    }

    fn evict(&mut self, newcomer: usize) -> Vec<usize> {
        let mut evicted = Vec::new();
        let Some(bound) = self.settings.max_size else {
            return evicted;
        };
        while self.live().len() > bound.max(1) {
            let victim = self.victim(newcomer);
            self.candidates[victim].live = false;
            evicted.push(victim);
        }
        evicted
    }

    fn victim(&self, newcomer: usize) -> usize {
        let best = self.ranked()[0];
        let survivors = self.survivors();
        let fronts = self.members();
        let weight = |one: usize| fronts.iter().filter(|front| front.contains(&one)).count();
        let mut redundant: Vec<usize> = self.live();
        redundant.retain(|one| *one != best && !survivors.contains(one));
        redundant.sort_by(|&one, &other| {
            self.candidates[one]
                .mean
                .total_cmp(&self.candidates[other].mean)
        });
        let mut rest = sorted(survivors);
        rest.retain(|one| *one != best && *one != newcomer);
        rest.sort_by(|&one, &other| {
            weight(one).cmp(&weight(other)).then(
                self.candidates[one]
                    .mean
                    .total_cmp(&self.candidates[other].mean),
            )
        });
        redundant
            .first()
            .or(rest.first())
            .copied()
            .unwrap_or(newcomer)
    }
}

pub(crate) fn in_order_of_appearance(fronts: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = Vec::new();
    for &candidate in fronts.iter().flatten() {
        if !seen.contains(&candidate) {
            seen.push(candidate);
        }
    }
    seen
}

pub(crate) fn sorted(mut ids: Vec<usize>) -> Vec<usize> {
    ids.sort_unstable();
    ids
}

fn value(row: &[PlainScore], key: &FrontKey) -> Option<f64> {
    let objective = |one: &PlainScore, wanted: &str| {
        one.objectives
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|&(_, score)| score)
    };
    match key {
        FrontKey::Instance(id) => row
            .iter()
            .find(|one| one.instance == id.0)
            .map(|one| one.score),
        FrontKey::Objective(name) => {
            let scores: Vec<f64> = row.iter().filter_map(|one| objective(one, name)).collect();
            (!scores.is_empty()).then(|| mean(scores.into_iter()))
        }
        FrontKey::Cartesian(id, name) => row
            .iter()
            .find(|one| one.instance == id.0)
            .and_then(|one| objective(one, name)),
    }
}

fn mean(scores: impl Iterator<Item = f64>) -> f64 {
    let (total, count) = scores.fold((0.0, 0_u32), |(total, count), score| {
        (total + score, count + 1)
    });
    if count == 0 {
        f64::NEG_INFINITY
    } else {
        total / f64::from(count)
    }
}

fn note(keys: &mut Vec<FrontKey>, key: FrontKey) {
    if !keys.contains(&key) {
        keys.push(key);
    }
}
