//! The row of an accepted candidate, with all outcomes of each example.

use gepa_archive::{ArchiveError, InstanceIndex, InstanceScore, ScoreRow};

use crate::policy::RowScore;
use crate::posterior::Estimate;

/// One candidate's row. Where the evaluator's outcomes differ, an example may have several; the row
/// then holds their means.
#[derive(Debug)]
pub(super) struct Member {
    /// The newest estimate; final once the candidate has left the archive.
    pub(super) estimate: Estimate,
    /// The number of places run.
    length: usize,
    /// By place: how often it was run or is being run. Empty once the candidate has left.
    taken: Vec<u32>,
    /// The number of places taken.
    taken_count: usize,
    /// By place: what was run.
    places: Vec<Place>,
    /// The means, in the order in which the first outcomes were obtained.
    cells: Vec<Cell>,
}

/// The outcomes at a place of the order.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    is_run: bool,
    /// Of outcomes with a score. A failure that counts as the lowest score is none.
    sum: f64,
    scored: u32,
}

/// The mean over outcomes, and their number.
#[derive(Clone, Debug)]
struct Cell {
    mean: InstanceScore,
    outcomes: u32,
}

impl Member {
    /// A row without an outcome of this many places.
    pub(super) fn new(places: usize) -> Self {
        Self {
            estimate: Estimate::default(),
            length: 0,
            taken: vec![0; places],
            taken_count: 0,
            places: vec![Place::default(); places],
            cells: Vec::new(),
        }
    }

    /// The number of places run.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether every place was run or is being run.
    pub(super) fn is_whole(&self) -> bool {
        self.taken_count == self.taken.len()
    }

    /// Up to `count` places that were not taken yet, in their order.
    pub(super) fn free(&self, count: usize) -> Vec<usize> {
        let free = (0..self.taken.len()).filter(|place| self.taken[*place] == 0);
        free.take(count).collect()
    }

    /// Up to `count` places that were taken the fewest times, in their order among equals.
    pub(super) fn rarest(&self, count: usize, may_be_run: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.taken.len()).filter(|at| may_be_run(*at)).collect();
        places.sort_by_key(|place| self.taken[*place]);
        places.truncate(count);
        places
    }

    pub(super) fn take(&mut self, places: impl Iterator<Item = usize>) {
        for place in places {
            self.taken_count += usize::from(self.taken[place] == 0);
            self.taken[place] += 1;
        }
    }

    /// Adds outcomes: what was run by place, with the score where there is one, and what counts.
    pub(super) fn add(
        &mut self,
        run: impl Iterator<Item = (usize, Option<f64>)>,
        obtained: Vec<InstanceScore>,
    ) {
        for (place, score) in run {
            let place = &mut self.places[place];
            self.length += usize::from(!place.is_run);
            place.is_run = true;
            if let Some(score) = score {
                place.sum = match place.scored {
                    0 => score,
                    _ => place.sum + score,
                };
                place.scored += 1;
            }
        }
        join(&mut self.cells, obtained);
    }

    /// The mean score at a place and the number of outcomes with a score.
    pub(super) fn shown(&self, place: usize) -> (Option<f64>, u32) {
        let Place { sum, scored, .. } = self.places[place];
        let mean = (scored > 0).then(|| sum / f64::from(scored));
        (mean, scored)
    }

    /// The row that further outcomes would make.
    pub(super) fn row_with(&self, further: &[InstanceScore]) -> Result<ScoreRow, ArchiveError> {
        let mut cells = self.cells.clone();
        join(&mut cells, further.to_vec());
        ScoreRow::new(cells.into_iter().map(|cell| cell.mean).collect())
    }

    /// Takes an example out of the row.
    pub(super) fn exclude(&mut self, instance: InstanceIndex) {
        self.cells.retain(|cell| cell.mean.instance != instance);
    }

    /// Forgets everything but the estimate and the length.
    pub(super) fn freeze(&mut self) {
        self.taken = Vec::new();
        self.places = Vec::new();
        self.cells = Vec::new();
    }
}

impl Cell {
    fn add(&mut self, one: InstanceScore) {
        let before = f64::from(self.outcomes);
        let blend = |mean: f64, new: f64| (mean * before + new) / (before + 1.0);
        self.mean.score = blend(self.mean.score, one.score);
        for (name, score) in one.objectives {
            let of_name = self.mean.objectives.entry(name);
            of_name
                .and_modify(|mean| *mean = blend(*mean, score))
                .or_insert(score);
        }
        self.outcomes += 1;
    }
}

/// Adds outcomes; no example occurs twice among them.
fn join(cells: &mut Vec<Cell>, further: Vec<InstanceScore>) {
    let known = cells.len();
    for one in further {
        let mut before = cells[..known].iter_mut();
        match before.find(|cell| cell.mean.instance == one.instance) {
            Some(cell) => cell.add(one),
            None => cells.push(Cell {
                mean: one,
                outcomes: 1,
            }),
        }
    }
}

/// What was run by place, with the score where there is one.
pub(super) fn by_place<'a>(
    places: &'a [usize],
    run: &'a [RowScore],
) -> impl Iterator<Item = (usize, Option<f64>)> + 'a {
    run.iter().map(|one| (places[one.position], one.score))
}
