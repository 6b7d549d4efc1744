//! A list of scores as a column. A large run has millions of scores, and most lists hold plain numbers only.

use super::column::{Cell, CellReader, Column, ColumnError};

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

/// The list, if it is one of numbers and `null` without white space, as [`Column::write`] writes it.
fn plain(text: &str) -> Option<Vec<Option<f64>>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let score = |text: &str| match text {
        "null" => Some(None),
        // Names such as `inf`, which Rust reads as numbers, have letters.
        number if number.ends_with(|last: char| last.is_ascii_digit()) => {
            number.parse().ok().map(Some)
        }
        _ => None,
    };
    inner.split(',').map(score).collect()
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
            let read = plain(text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{text}");
        }
        for text in [
            "", "[", "[1", "[1,]", "[-]", "[1] ", "[ 1]", "[nul]", "[1.2.3]", "[inf]", "[[1]]",
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
            let read = plain(&text).unwrap();
            let bits = |list: &[Option<f64>]| -> Vec<Option<u64>> {
                list.iter().map(|one| one.map(f64::to_bits)).collect()
            };
            prop_assert_eq!(bits(&read), bits(&scores));
        }
    }
}
