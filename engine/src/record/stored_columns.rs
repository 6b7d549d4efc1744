//! Which columns the tables of a store must have.

use std::collections::BTreeSet;

use super::column::{ColumnKind, Stored};
use super::rows::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};

/// The table of the texts of candidates, which the last column of [`CandidateRow`] holds.
const TEXTS: &str = "texts";

/// A column of a table in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredColumn {
    /// The table.
    pub table: &'static str,
    /// The name of the column.
    pub name: &'static str,
    /// The type of its values.
    pub kind: ColumnKind,
}

/// The columns of all row types. The texts of candidates are in the table `texts`.
pub fn stored_columns() -> Vec<StoredColumn> {
    let mut columns = columns_of::<RunRow>();
    let mut of_candidates = columns_of::<CandidateRow>();
    if let Some(texts) = of_candidates.last_mut() {
        texts.table = TEXTS;
    }
    columns.append(&mut of_candidates);
    columns.append(&mut columns_of::<TrialRow>());
    columns.append(&mut columns_of::<RolloutRow>());
    columns.append(&mut columns_of::<ReflectionRow>());
    columns.append(&mut columns_of::<SnapshotRow>());
    columns
}

/// The columns that a database lacks, which has the pairs of table and column in `present`. Its rows
/// are those of an older program, and null in these columns.
pub fn lacking_columns(present: &BTreeSet<(String, String)>) -> Vec<StoredColumn> {
    let mut columns = stored_columns();
    columns.retain(|column| !present.contains(&(column.table.to_owned(), column.name.to_owned())));
    columns
}

fn columns_of<R: Stored>() -> Vec<StoredColumn> {
    let columns = R::COLUMNS.iter().zip(R::kinds());
    columns
        .map(|(name, kind)| StoredColumn {
            table: R::TABLE,
            name,
            kind,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_typed<R: Stored>() {
        assert_eq!(R::COLUMNS.len(), R::kinds().count(), "{}", R::TABLE);
    }

    #[test]
    fn every_column_has_a_type() {
        assert_typed::<RunRow>();
        assert_typed::<CandidateRow>();
        assert_typed::<TrialRow>();
        assert_typed::<RolloutRow>();
        assert_typed::<ReflectionRow>();
        assert_typed::<SnapshotRow>();
    }

    #[test]
    fn a_database_lacks_what_is_not_in_its_list() {
        let all = stored_columns();
        let mut present: BTreeSet<(String, String)> = all
            .iter()
            .map(|column| (column.table.to_owned(), column.name.to_owned()))
            .collect();
        assert_eq!(present.len(), all.len());
        assert_eq!(lacking_columns(&present), []);
        present.remove(&("rollouts".to_owned(), "score".to_owned()));
        present.insert(("rollouts".to_owned(), "unknown".to_owned()));
        let score = StoredColumn {
            table: "rollouts",
            name: "score",
            kind: ColumnKind::Real,
        };
        assert_eq!(lacking_columns(&present), [score]);
    }
}
