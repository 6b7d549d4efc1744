//! New rows of a batch: one statement per table, whose parameters are the columns.

use gepa_engine::record::{
    CandidateRow, Cell, ColumnError, ColumnKind, ReflectionRow, RolloutRow, SnapshotRow, Stored,
    TrialRow,
};
use gepa_engine::{Event, RunId};

use crate::database::Database;
use crate::pipeline::Pipeline;
use crate::value::{Parameter, sql_type};

/// The rows that wait for their table.
pub(crate) struct Inserts {
    events: TableRows,
    texts: TableRows,
    /// The ids in `texts`: a statement may name a row once.
    known_texts: std::collections::BTreeSet<String>,
    candidates: TableRows,
    trials: TableRows,
    rollouts: TableRows,
    reflections: TableRows,
    snapshots: TableRows,
}

/// Rows of one table, by column.
struct TableRows {
    table: &'static str,
    names: Vec<&'static str>,
    kinds: Vec<ColumnKind>,
    columns: Vec<Parameter>,
    rows: usize,
    suffix: &'static str,
}

impl TableRows {
    fn new(
        table: &'static str,
        columns: impl IntoIterator<Item = (&'static str, ColumnKind)>,
    ) -> Self {
        let (names, kinds): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        Self {
            table,
            names,
            columns: kinds.iter().map(|kind| Parameter::list_of(*kind)).collect(),
            kinds,
            rows: 0,
            suffix: "",
        }
    }

    fn of<R: Stored>() -> Self {
        Self::new(R::TABLE, R::COLUMNS.iter().copied().zip(R::kinds()))
    }

    fn of_candidates() -> Self {
        let columns = CandidateRow::COLUMNS.iter().copied();
        let mut columns: Vec<_> = columns.zip(CandidateRow::kinds()).collect();
        // The texts have their own table.
        columns.pop();
        Self::new(CandidateRow::TABLE, columns)
    }

    fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) -> Result<(), ColumnError> {
        for ((column, kind), cell) in self.columns.iter_mut().zip(&self.kinds).zip(cells) {
            column.push(*kind, cell)?;
        }
        self.rows += 1;
        Ok(())
    }

    fn push_row<R: Stored>(&mut self, row: &R) -> Result<(), ColumnError> {
        let mut cells = Vec::with_capacity(self.names.len());
        row.write(&mut cells);
        self.push(cells)
    }

    /// Hands the rows to the transaction, in the order in which they were pushed.
    fn send(&mut self, database: &Database, pipeline: &mut Pipeline<'_>) {
        if self.rows == 0 {
            return;
        }
        let kinds = self.kinds.iter().enumerate();
        let types = kinds.map(|(place, kind)| format!("${}::{}[]", place + 1, sql_type(*kind)));
        let (names, schema) = (self.names.join(", "), &database.address.schema);
        let sql = format!(
            "INSERT INTO {schema}.{table} ({names}) SELECT {names} FROM unnest({lists}) \
             WITH ORDINALITY AS new ({names}, ordinal_) ORDER BY ordinal_ {suffix}",
            table = self.table,
            lists = types.collect::<Vec<_>>().join(", "),
            suffix = self.suffix,
        );
        let empty = self
            .kinds
            .iter()
            .map(|kind| Parameter::list_of(*kind))
            .collect();
        pipeline.push(sql, std::mem::replace(&mut self.columns, empty));
        self.rows = 0;
    }
}

impl Inserts {
    pub(crate) fn new() -> Self {
        let (integer, text) = (ColumnKind::Integer, ColumnKind::Text);
        let mut texts = TableRows::new("texts", [("candidate_id", text), ("components", text)]);
        texts.suffix = "ON CONFLICT (candidate_id) DO UPDATE SET components = excluded.components \
                        WHERE texts.components <> excluded.components";
        Self {
            events: TableRows::new(
                "events",
                [
                    ("run_id", text),
                    ("seq", integer),
                    ("at", integer),
                    ("kind", text),
                    ("body", text),
                ],
            ),
            texts,
            known_texts: std::collections::BTreeSet::new(),
            candidates: TableRows::of_candidates(),
            trials: TableRows::of::<TrialRow>(),
            rollouts: TableRows::of::<RolloutRow>(),
            reflections: TableRows::of::<ReflectionRow>(),
            snapshots: TableRows::of::<SnapshotRow>(),
        }
    }

    pub(crate) fn event(&mut self, run: &RunId, event: &Event) -> Result<(), ColumnError> {
        self.events.push([
            Cell::text(run.as_str()),
            Cell::count(event.seq.0),
            Cell::Integer(event.at.0),
            Cell::text(event.body.kind()),
            Cell::json(&event.body),
        ])
    }

    pub(crate) fn candidate(&mut self, row: &CandidateRow) -> Result<(), ColumnError> {
        let mut cells = Vec::with_capacity(CandidateRow::COLUMNS.len());
        row.write(&mut cells);
        let texts = cells.pop().unwrap_or(Cell::Null);
        let id = row.candidate_id.to_string();
        if self.known_texts.insert(id.clone()) {
            self.texts.push([Cell::Text(id.into()), texts])?;
        }
        self.candidates.push(cells)
    }

    pub(crate) fn trial(&mut self, row: &TrialRow) -> Result<(), ColumnError> {
        self.trials.push_row(row)
    }

    pub(crate) fn rollout(&mut self, row: &RolloutRow) -> Result<(), ColumnError> {
        self.rollouts.push_row(row)
    }

    pub(crate) fn reflection(&mut self, row: &ReflectionRow) -> Result<(), ColumnError> {
        self.reflections.push_row(row)
    }

    pub(crate) fn snapshot(&mut self, row: &SnapshotRow) -> Result<(), ColumnError> {
        self.snapshots.push_row(row)
    }

    /// Hands everything to the transaction.
    pub(crate) fn send(&mut self, database: &Database, pipeline: &mut Pipeline<'_>) {
        self.known_texts.clear();
        for table in [
            &mut self.events,
            &mut self.texts,
            &mut self.candidates,
            &mut self.trials,
            &mut self.rollouts,
            &mut self.reflections,
            &mut self.snapshots,
        ] {
            table.send(database, pipeline);
        }
    }
}
