//! Writes rows as JSON lines or CSV.

use std::io::Write;

use serde_json::{Map, Value};

use crate::arguments::ExportForm;
use crate::error::CommandError;

/// Writes rows of one kind, one at a time.
pub(crate) struct RowWriter<W: Write> {
    columns: Vec<String>,
    form: Form<W>,
}

enum Form<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> RowWriter<W> {
    /// A writer of rows with these columns. The header of CSV is written at once, so that there is
    /// a header even without rows.
    pub(crate) fn new(
        form: ExportForm,
        columns: Vec<String>,
        sink: W,
    ) -> Result<Self, CommandError> {
        let form = match form {
            ExportForm::Jsonl => Form::Jsonl(sink),
            ExportForm::Csv => {
                let mut writer = csv::Writer::from_writer(sink);
                writer.write_record(&columns)?;
                Form::Csv(Box::new(writer))
            }
        };
        Ok(Self { columns, form })
    }

    /// Writes one row. Its values are in the order of the columns.
    pub(crate) fn write(&mut self, values: Vec<Value>) -> Result<(), CommandError> {
        match &mut self.form {
            Form::Jsonl(sink) => {
                let object: Map<String, Value> = self.columns.iter().cloned().zip(values).collect();
                serde_json::to_writer(&mut *sink, &object)?;
                sink.write_all(b"\n")?;
            }
            Form::Csv(writer) => writer.write_record(values.iter().map(cell))?,
        }
        Ok(())
    }

    /// Writes the buffered rest.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        match self.form {
            Form::Jsonl(mut sink) => sink.flush()?,
            Form::Csv(mut writer) => writer.flush()?,
        }
        Ok(())
    }
}

/// A value as a cell: text unchanged, null as an empty cell, lists and objects as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(form: ExportForm, expected: &str) {
        let mut sink = Vec::new();
        let columns = vec!["a".to_owned(), "b".to_owned()];
        let mut writer = RowWriter::new(form, columns, &mut sink).unwrap();
        writer.write(vec![json!("x, \"y\""), json!(null)]).unwrap();
        writer.write(vec![json!(1.5), json!([1, 2])]).unwrap();
        writer.finish().unwrap();
        assert_eq!(String::from_utf8(sink).unwrap(), expected);
    }

    #[test]
    fn json_lines_keep_every_column() {
        check(
            ExportForm::Jsonl,
            "{\"a\":\"x, \\\"y\\\"\",\"b\":null}\n{\"a\":1.5,\"b\":[1,2]}\n",
        );
    }

    #[test]
    fn csv_quotes_text_leaves_null_empty_and_nests_json() {
        check(ExportForm::Csv, "a,b\n\"x, \"\"y\"\"\",\n1.5,\"[1,2]\"\n");
    }
}
