//! The file of finished runs, one JSON object a line. A grid that was stopped goes on where it was.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use parking_lot::Mutex;

use crate::run::{Cell, Row};

/// The runs of a file.
#[derive(Debug)]
pub(crate) struct Results {
    /// The tokens of the finished runs.
    done: Mutex<BTreeMap<Cell, u64>>,
    file: Mutex<File>,
}

impl Results {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let rows = read(path)?.into_iter();
        let done = rows.map(|row| (row.cell, row.tokens)).collect();
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            done: Mutex::new(done),
            file: Mutex::new(file),
        })
    }

    pub(crate) fn has(&self, cell: &Cell) -> bool {
        self.done.lock().contains_key(cell)
    }

    /// The tokens of a finished run.
    pub(crate) fn tokens(&self, cell: &Cell) -> Option<u64> {
        self.done.lock().get(cell).copied()
    }

    pub(crate) fn add(&self, row: &Row) -> io::Result<()> {
        let line = format!("{}\n", serde_json::to_string(row)?);
        self.file.lock().write_all(line.as_bytes())?;
        self.done.lock().insert(row.cell.clone(), row.tokens);
        Ok(())
    }
}

/// The rows of a file; none if there is no file. A last line that was cut off is left out.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Row>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut rows = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.ends_with('\n') {
            rows.push(serde_json::from_str(line)?);
        }
    }
    Ok(rows)
}
