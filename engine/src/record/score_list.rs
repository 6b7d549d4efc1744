//! A list of scores as a column. A large run has millions of scores, and a reader of any JSON takes
//! several times as long for them.

use super::column::{Cell, CellReader, Column, ColumnError};

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

impl Column for Vec<Option<f64>> {
    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::json(self));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        let text = cells.next()?.into_text()?;
        match plain(&text) {
            Some(scores) => Ok(scores),
            None => serde_json::from_str(&text).map_err(ColumnError::new),
        }
    }
}

/// The list, if each score is `null` or a number of at most 15 digits without an exponent. Such a number
/// is a quotient of two whole numbers that a double holds exactly, so it is rounded once, as it should be.
fn plain(text: &str) -> Option<Vec<Option<f64>>> {
    let mut rest = text.as_bytes().strip_prefix(b"[")?;
    let mut scores = Vec::with_capacity(rest.len() / 4);
    if rest == b"]" {
        return Some(scores);
    }
    loop {
        let score;
        (score, rest) = match rest.strip_prefix(b"null") {
            Some(rest) => (None, rest),
            None => number(rest).map(|(number, rest)| (Some(number), rest))?,
        };
        scores.push(score);
        match rest {
            [b',', more @ ..] => rest = more,
            [b']'] => return Some(scores),
            _ => return None,
        }
    }
}

fn number(text: &[u8]) -> Option<(f64, &[u8])> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (whole, after) = digits(text, 0);
    let whole_digits = text.len() - after.len();
    let starts_with_zero = text.first() == Some(&b'0');
    if whole_digits == 0 || (starts_with_zero && whole_digits > 1) {
        return None;
    }
    let (value, fraction_digits, after) = match after {
        [b'.', fraction @ ..] => {
            let (value, after) = digits(fraction, whole);
            (value, fraction.len() - after.len(), after)
        }
        _ => (whole, 0, after),
    };
    let is_plain = whole_digits + fraction_digits <= 15
        && !matches!(after, [b'.' | b'e' | b'E', ..])
        && (fraction_digits > 0 || after.len() + whole_digits == text.len());
    if !is_plain {
        return None;
    }
    let magnitude = value as f64 / POWERS.get(fraction_digits)?;
    Some((if is_negative { -magnitude } else { magnitude }, after))
}

/// The number that the digits at the beginning add to `value`, and what follows them. Only the first
/// fifteen digits count, since a longer number is not used.
fn digits(text: &[u8], mut value: u64) -> (u64, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    for digit in digits.iter().take(15) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
    }
    (value, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_read_as_a_reader_of_any_json_reads_them() {
        for text in [
            "[]",
            "[null]",
            "[0.0,1.0,null,-0.25,3,0.1,0.3333333333333333,1e-7,-0.0]",
            "[100,0.123456789012345,123456789012345.5]",
        ] {
            let expected: Vec<Option<f64>> = serde_json::from_str(text).unwrap();
            let read = plain(text).unwrap_or_else(|| expected.clone());
            assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{text}");
        }
        for text in [
            "", "[", "[1", "[1,]", "[01]", "[1.]", "[.5]", "[-]", "[1] ", "[nul]", "[1.2.3]",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_score_is_read_with_all_its_bits(
            scores in prop::collection::vec(
                prop::option::of(prop_oneof![any::<f64>(), -1.0..1.0, (0_u32..1000).prop_map(|n| f64::from(n) / 100.0)]),
                0..40,
            )
        ) {
            let scores: Vec<Option<f64>> = scores
                .into_iter()
                .map(|score| score.filter(|score| score.is_finite()))
                .collect();
            let text = serde_json::to_string(&scores).unwrap();
            if let Some(read) = plain(&text) {
                let bits = |list: &[Option<f64>]| -> Vec<Option<u64>> {
                    list.iter().map(|one| one.map(f64::to_bits)).collect()
                };
                prop_assert_eq!(bits(&read), bits(&scores));
            }
        }
    }
}
