//! The normal distribution, with functions that give the same bits on every platform.

use std::f64::consts::{SQRT_2, TAU};

use gepa_archive::Draw;

/// The probability that a standard normal value is below `z`.
pub(crate) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// A standard normal value; takes two uniform draws.
pub(crate) fn draw(words: &mut dyn Draw) -> f64 {
    // 1 - u lies above 0, so the logarithm is finite.
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - words.unit()));
    radius * libm::cos(TAU * words.unit())
}
