//! Vector dominance against the quadratic definition.

use gepa_archive::dominance::{Direction, Objective, ObjectiveFront, Point, nondominated};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generators::OBJECTIVES;

fn objectives() -> impl Strategy<Value = Vec<Objective>> {
    let direction = prop::sample::select(vec![Direction::Maximize, Direction::Minimize]);
    let epsilon = prop_oneof![3 => Just(0.0), 1 => Just(1.0), 1 => Just(2.5)];
    vec((direction, epsilon), OBJECTIVES.len()).prop_map(|axes| {
        OBJECTIVES
            .into_iter()
            .zip(axes)
            .map(|(name, (direction, epsilon))| Objective {
                name: name.into(),
                direction,
                epsilon,
            })
            .collect()
    })
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    vec(
        vec(prop::option::weighted(0.9, 0_u8..6), OBJECTIVES.len()),
        0..25,
    )
    .prop_map(|points| {
        points
            .into_iter()
            .map(|values| {
                let named = OBJECTIVES.into_iter().zip(values);
                named
                    .filter_map(|(name, value)| value.map(|one| (name.into(), f64::from(one))))
                    .collect()
            })
            .collect()
    })
}

/// How much better `one` is than `other`, positive is better; `None` where one lacks a value.
fn lead(axis: &Objective, one: &Point, other: &Point) -> Option<f64> {
    match (one.get(&axis.name), other.get(&axis.name)) {
        (None, None) => Some(0.0),
        (Some(value), Some(rival)) => Some(match axis.direction {
            Direction::Maximize => value - rival,
            Direction::Minimize => rival - value,
        }),
        _ => None,
    }
}

fn dominates(axes: &[Objective], one: &Point, other: &Point) -> bool {
    let leads: Option<Vec<f64>> = axes.iter().map(|axis| lead(axis, one, other)).collect();
    leads.is_some_and(|leads| {
        leads.iter().all(|&gain| gain >= 0.0) && leads.iter().any(|&gain| gain > 0.0)
    })
}

fn is_within_epsilon(axes: &[Objective], kept: &Point, point: &Point) -> bool {
    axes.iter()
        .all(|axis| lead(axis, kept, point).is_some_and(|gain| gain + axis.epsilon >= 0.0))
}

fn exact_front(axes: &[Objective], points: &[Point]) -> Vec<usize> {
    (0..points.len())
        .filter(|&at| {
            !points
                .iter()
                .any(|rival| dominates(axes, rival, &points[at]))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn without_epsilon_exactly_the_points_that_none_dominates_remain(
        mut axes in objectives(),
        points in points(),
    ) {
        for axis in &mut axes {
            axis.epsilon = 0.0;
        }
        prop_assert_eq!(nondominated(&points, &axes), exact_front(&axes, &points));
    }

    #[test]
    fn thinning_keeps_the_earliest_points_of_the_exact_front(
        axes in objectives(),
        points in points(),
    ) {
        let exact = exact_front(&axes, &points);
        let mut wanted: Vec<usize> = Vec::new();
        let is_thinned = axes.iter().any(|axis| axis.epsilon > 0.0);
        for at in exact {
            let near = |&kept: &usize| is_within_epsilon(&axes, &points[kept], &points[at]);
            if !is_thinned || !wanted.iter().any(near) {
                wanted.push(at);
            }
        }
        prop_assert_eq!(nondominated(&points, &axes), wanted);
    }

    #[test]
    fn every_point_is_within_epsilon_of_a_kept_one(axes in objectives(), points in points()) {
        let kept = nondominated(&points, &axes);
        for point in &points {
            prop_assert!(kept.iter().any(|&one| is_within_epsilon(&axes, &points[one], point)));
        }
    }

    #[test]
    fn a_front_that_grows_agrees_with_one_computed_at_once(
        axes in objectives(),
        points in points(),
    ) {
        let mut front = ObjectiveFront::new(axes.clone());
        for count in 1..=points.len() {
            let entered = front.insert(&points[count - 1]);
            let rivals = &points[..count];
            prop_assert_eq!(entered, exact_front(&axes, rivals).contains(&(count - 1)));
            prop_assert_eq!(front.members(), nondominated(rivals, &axes));
        }
        prop_assert_eq!(front.inserted(), points.len());
    }
}

#[test]
fn points_with_different_objectives_do_not_compete() {
    let maximised = |name: &str| Objective {
        name: name.into(),
        direction: Direction::Maximize,
        epsilon: 0.0,
    };
    let axes = [maximised("speed"), maximised("accuracy")];
    let dodger = Point::from([("accuracy".into(), 9.0)]);
    let faced = Point::from([("speed".into(), 1.0), ("accuracy".into(), 2.0)]);
    let worse = Point::from([("speed".into(), 1.0), ("accuracy".into(), 1.0)]);
    assert_eq!(nondominated(&[dodger, faced, worse], &axes), [0, 1]);
}
