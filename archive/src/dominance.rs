//! Vector dominance over named objectives: the second notion of a front.
//!
//! [`Archive`](crate::Archive) keeps, like the reference implementation, whoever is best
//! somewhere; here a point stays unless another is at least as good everywhere and better
//! somewhere.
//!
//! *Missing values.* Two points of which only one has a value for an objective are incomparable.
//! An objective that both lack says nothing. So points compete only with points that carry the
//! same objectives, and a point that dodges an objective can neither dominate nor be dominated by
//! one that faced it.
//!
//! *Epsilon.* With a positive epsilon the exact front is thinned: points are kept earliest first,
//! and one is left out if an already kept point, improved by epsilon in each objective, is at
//! least as good everywhere (additive epsilon-dominance). Every point is then within epsilon of a
//! kept one, and every kept point is on the exact front. Epsilon 0 thins nothing: equal points
//! all stay.

use std::cmp::Ordering;
use std::sync::Arc;

use indexmap::IndexMap;

/// Which way an objective improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Higher is better.
    #[default]
    Maximize,
    /// Lower is better.
    Minimize,
}

/// One axis of comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The name under which points carry their value.
    pub name: Arc<str>,
    /// Which way it improves.
    pub direction: Direction,
    /// Differences up to this do not count when thinning, in the objective's own unit; negative
    /// or NaN acts as 0.
    pub epsilon: f64,
}

/// Values by objective name; a NaN counts as missing, other names are ignored.
pub type Point = IndexMap<Arc<str>, f64>;

/// The positions of the points no other dominates, ascending, thinned by epsilon.
pub fn nondominated(points: &[Point], objectives: &[Objective]) -> Vec<usize> {
    let mut front = ObjectiveFront::new(objectives.to_vec());
    for point in points {
        front.insert(point);
    }
    front.members()
}

/// A front that grows point by point.
#[derive(Clone, Debug)]
pub struct ObjectiveFront {
    objectives: Vec<Objective>,
    inserted: usize,
    /// The exact front in insertion order.
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    position: usize,
    /// Higher is better, NaN where missing, in the order of the objectives.
    gains: Vec<f64>,
}

impl ObjectiveFront {
    /// An empty front over these objectives.
    pub fn new(objectives: Vec<Objective>) -> Self {
        Self {
            objectives,
            inserted: 0,
            members: Vec::new(),
        }
    }

    /// Adds a point; returns whether no earlier point dominates it. Points that it dominates leave.
    pub fn insert(&mut self, point: &Point) -> bool {
        let position = self.inserted;
        self.inserted += 1;
        let gains: Vec<f64> = self
            .objectives
            .iter()
            .map(|axis| gain(axis, point))
            .collect();
        if self
            .members
            .iter()
            .any(|member| dominates(&member.gains, &gains))
        {
            return false;
        }
        self.members
            .retain(|member| !dominates(&gains, &member.gains));
        self.members.push(Member { position, gains });
        true
    }

    /// Insertion positions of the points on the front, ascending, thinned by epsilon.
    pub fn members(&self) -> Vec<usize> {
        let epsilons: Vec<f64> = self
            .objectives
            .iter()
            .map(|axis| axis.epsilon.max(0.0))
            .collect();
        let is_exact = epsilons.iter().all(|&epsilon| epsilon == 0.0);
        let mut kept: Vec<&Member> = Vec::new();
        for member in &self.members {
            let is_near = |other: &&Member| reaches(&other.gains, &epsilons, &member.gains);
            if is_exact || !kept.iter().any(is_near) {
                kept.push(member);
            }
        }
        kept.iter().map(|member| member.position).collect()
    }

    /// Number of points inserted, dominated ones included.
    pub fn inserted(&self) -> usize {
        self.inserted
    }
}

fn gain(axis: &Objective, point: &Point) -> f64 {
    let value = point.get(&axis.name).copied().unwrap_or(f64::NAN);
    match axis.direction {
        Direction::Maximize => value,
        Direction::Minimize => -value,
    }
}

/// At least as good everywhere and better somewhere.
fn dominates(one: &[f64], other: &[f64]) -> bool {
    let mut better = false;
    for (gain, rival) in one.iter().zip(other) {
        if gain.is_nan() && rival.is_nan() {
            continue;
        }
        match gain.partial_cmp(rival) {
            Some(Ordering::Greater) => better = true,
            Some(Ordering::Equal) => {}
            Some(Ordering::Less) | None => return false,
        }
    }
    better
}

/// At least as good everywhere once improved by epsilon.
fn reaches(one: &[f64], epsilons: &[f64], other: &[f64]) -> bool {
    one.iter()
        .zip(epsilons)
        .zip(other)
        .all(|((gain, epsilon), rival)| {
            (gain.is_nan() && rival.is_nan()) || gain + epsilon >= *rival
        })
}
