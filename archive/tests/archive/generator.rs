//! The draws against recorded calls of Python's `random`.

use std::fmt::Write as _;
use std::fs;

use gepa_archive::{Draw, choices_weighted, sample_indices, sample_with_replacement, shuffle};
use gepa_testing::MersenneTwister;
use serde_json::{Value, json};

use crate::conformance::{directory, hex};

#[test]
fn the_generator_replays_the_recorded_calls() {
    let Some(directory) = directory() else { return };
    let text = fs::read_to_string(directory.join("rng_vectors.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut replayed = 0;
    for sequence in vectors["sequences"].as_array().unwrap() {
        let mut generator = MersenneTwister::new(sequence["seed"].as_u64().unwrap());
        for call in sequence["calls"].as_array().unwrap() {
            let operation = call[0].as_str().unwrap();
            let result = replay(&mut generator, operation, &call[1]);
            assert_eq!(result, call[2], "{operation} {}", call[1]);
            replayed += 1;
        }
    }
    assert!(replayed > 0, "the vectors hold calls");
}

fn replay(generator: &mut MersenneTwister, operation: &str, arguments: &Value) -> Value {
    let number = |at: usize| arguments[at].as_u64().expect("a numeric argument") as usize;
    match operation {
        "getrandbits" => json!(random_bits(generator, number(0))),
        "random" => json!(hex(generator.unit())),
        "randint" => {
            let [low, high] = [0, 1].map(|at| arguments[at].as_i64().expect("an integer"));
            json!(low + generator.below((high - low + 1) as usize) as i64)
        }
        "choice" => json!(generator.below(number(0))),
        "shuffle" => {
            let mut items: Vec<usize> = (0..number(0)).collect();
            shuffle(generator, &mut items);
            json!(items)
        }
        "sample" => json!(sample_indices(generator, number(0), number(1))),
        "choices" => json!(sample_with_replacement(generator, number(0), number(1))),
        "choices_weighted" => {
            let weights: Vec<f64> = arguments[0].as_array().unwrap().iter().map(float).collect();
            let drawn: Vec<_> = (0..number(1))
                .map(|_| choices_weighted(generator, &weights))
                .collect();
            json!(drawn)
        }
        other => panic!("unknown operation {other}"),
    }
}

/// Least significant word first, in hexadecimal without leading zeros.
fn random_bits(generator: &mut MersenneTwister, bits: usize) -> String {
    let mut words: Vec<u32> = (0..bits.div_ceil(32)).map(|_| generator.word()).collect();
    if !bits.is_multiple_of(32)
        && let Some(last) = words.last_mut()
    {
        *last >>= 32 - bits % 32;
    }
    let digits = words.iter().rev().fold(String::new(), |mut text, word| {
        write!(text, "{word:08x}").expect("writing to a string succeeds");
        text
    });
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

fn float(bits: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap())
}
