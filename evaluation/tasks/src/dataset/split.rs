//! The three example sets, reproducible from the seed alone.

use indexmap::{IndexMap, IndexSet};

use super::{Dataset, DatasetError, Row, SetSettings, SplitSettings};
use gepa_evaluation::ExampleId;

/// The example ids of the three sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExampleSplit {
    /// For reflection minibatches.
    pub train: Vec<ExampleId>,
    /// For the frontier.
    pub pareto: Vec<ExampleId>,
    /// Held out.
    pub validation: Vec<ExampleId>,
}

impl Dataset {
    /// Splits the rows. Sets drawn by `count` or `fraction` never overlap with any other set;
    /// sets given by `ids` or `rows` are taken as they are given, in that order.
    pub fn split(&self, settings: &SplitSettings) -> Result<ExampleSplit, DatasetError> {
        let named = [
            ("train", &settings.train),
            ("pareto", &settings.pareto),
            ("validation", &settings.validation),
        ];
        let mut taken: IndexSet<ExampleId> = IndexSet::new();
        let mut sets: Vec<Option<Vec<ExampleId>>> = Vec::new();
        for (name, set) in named {
            check_one_way(name, set)?;
            let explicit = self.explicit_ids(name, set)?;
            taken.extend(explicit.iter().flatten().cloned());
            sets.push(explicit);
        }
        let mut free = self
            .shuffled(settings)
            .into_iter()
            .filter(|id| !taken.contains(id));
        let mut complete = Vec::new();
        for ((name, set), explicit) in named.into_iter().zip(sets) {
            let ids = match explicit {
                Some(ids) => ids,
                None => draw(name, self.drawn_count(set), &mut free)?,
            };
            complete.push(ids);
        }
        let mut complete = complete.into_iter();
        let mut next = || complete.next().unwrap_or_default();
        Ok(ExampleSplit {
            train: next(),
            pareto: next(),
            validation: next(),
        })
    }

    fn explicit_ids(
        &self,
        name: &str,
        set: &SetSettings,
    ) -> Result<Option<Vec<ExampleId>>, DatasetError> {
        let ids = match (&set.ids, &set.rows, &set.files) {
            (Some(ids), _, _) => ids.clone(),
            (None, Some(ranges), _) => self.ids_in_ranges(name, ranges)?,
            (None, None, Some(files)) => self.ids_in_files(files),
            (None, None, None) => return Ok(None),
        };
        let mut seen = IndexSet::new();
        for id in &ids {
            if self.row(id).is_none() {
                return Err(DatasetError::BadSplit(format!(
                    "`{name}` names the id `{id}`, which the dataset does not have"
                )));
            }
            if !seen.insert(id) {
                return Err(DatasetError::BadSplit(format!(
                    "`{name}` names the id `{id}` twice"
                )));
            }
        }
        Ok(Some(ids))
    }

    fn ids_in_ranges(&self, name: &str, ranges: &[String]) -> Result<Vec<ExampleId>, DatasetError> {
        let mut ids = Vec::new();
        for range in ranges {
            let bounds = range
                .split_once("..")
                .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
            let Some((from, to)) = bounds.filter(|(from, to): &(usize, usize)| from < to) else {
                return Err(DatasetError::BadSplit(format!(
                    "`{name}` has the range `{range}`; write `\"0..100\"` for the first hundred rows"
                )));
            };
            if to > self.rows().len() {
                return Err(DatasetError::BadSplit(format!(
                    "`{name}` asks for rows `{range}`, but there are {}",
                    self.rows().len()
                )));
            }
            ids.extend(self.rows().keys().skip(from).take(to - from).cloned());
        }
        Ok(ids)
    }

    fn ids_in_files(&self, files: &[String]) -> Vec<ExampleId> {
        let is_of_set = |row: &Row| files.iter().any(|file| **file == *row.file());
        let rows = self.rows().iter().filter(|(_, row)| is_of_set(row));
        rows.map(|(id, _)| id.clone()).collect()
    }

    fn drawn_count(&self, set: &SetSettings) -> usize {
        let share = set.fraction.map(|fraction| {
            // The addend keeps 0.3 of 10 at 3, which binary fractions put just below.
            (fraction * self.rows().len() as f64 + 1e-9).floor() as usize
        });
        set.count.or(share).unwrap_or(0)
    }

    /// The ids ordered by the hash of seed and id, so that adding a row moves no other; when
    /// stratified, ordered by the rank within the group, so that every slice has the same mix.
    fn shuffled(&self, settings: &SplitSettings) -> Vec<ExampleId> {
        let mut keyed: Vec<([u8; 32], &ExampleId)> = self
            .rows()
            .keys()
            .map(|id| (shuffle_key(settings.seed, id), id))
            .collect();
        keyed.sort_unstable();
        let by = settings.stratify_by.as_deref();
        if !settings.stratify && by.is_none() {
            return keyed.into_iter().map(|(_, id)| id.clone()).collect();
        }
        let group_of = |id: &ExampleId| {
            let row = self.row(id);
            let group = row.and_then(|row| by.map_or_else(|| row.answer(), |by| row.text(by)));
            group.unwrap_or("")
        };
        let mut sizes: IndexMap<&str, usize> = IndexMap::new();
        for (_, id) in &keyed {
            *sizes.entry(group_of(id)).or_default() += 1;
        }
        let mut ranks: IndexMap<&str, usize> = IndexMap::new();
        let mut placed: Vec<(f64, usize, &ExampleId)> = Vec::new();
        for (order, (_, id)) in keyed.iter().enumerate() {
            let group = group_of(id);
            let rank = ranks.entry(group).or_default();
            let place = (*rank as f64 + 0.5) / sizes[group] as f64;
            *rank += 1;
            placed.push((place, order, id));
        }
        placed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        placed.into_iter().map(|(_, _, id)| id.clone()).collect()
    }
}

fn check_one_way(name: &str, set: &SetSettings) -> Result<(), DatasetError> {
    let ways = [
        set.count.is_some(),
        set.fraction.is_some(),
        set.ids.is_some(),
        set.rows.is_some(),
        set.files.is_some(),
    ];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        return Err(DatasetError::BadSplit(format!(
            "`{name}` is given in more than one way; keep one of `count`, `fraction`, `ids`, `rows`, `files`"
        )));
    }
    match set.fraction {
        Some(fraction) if !(0.0..=1.0).contains(&fraction) => Err(DatasetError::BadSplit(format!(
            "`{name}` has a fraction of {fraction}; it must be between 0 and 1"
        ))),
        _ => Ok(()),
    }
}

fn draw(
    name: &str,
    count: usize,
    free: &mut impl Iterator<Item = ExampleId>,
) -> Result<Vec<ExampleId>, DatasetError> {
    let ids: Vec<ExampleId> = free.by_ref().take(count).collect();
    if ids.len() < count {
        return Err(DatasetError::BadSplit(format!(
            "`{name}` asks for {count} rows, but only {} are left; make the sets smaller",
            ids.len()
        )));
    }
    Ok(ids)
}

fn shuffle_key(seed: u64, id: &ExampleId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    match id {
        ExampleId::Seed(number) => hasher.update(&[0]).update(&number.to_le_bytes()),
        ExampleId::Name(name) => hasher.update(&[1]).update(name.as_bytes()),
    };
    *hasher.finalize().as_bytes()
}
