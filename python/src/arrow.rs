//! Tables for pandas, polars and pyarrow, through the C data interface of Arrow.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator};
use arrow_schema::{ArrowError, Field, Schema};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use serde_json::Value;

use crate::reading::{Columns, read};

/// A table of a stored run, as it was when it was read. Its columns are numbers, truth values and texts; lists
/// and objects are texts in JSON.
#[pyclass(module = "gepa_engine._native", frozen)]
pub(crate) struct Table {
    batch: RecordBatch,
}

#[pymethods]
impl Table {
    /// Reads one table of a run; the names are those of `read_table`.
    #[new]
    fn new(py: Python<'_>, store: &str, run: &str, table: &str) -> PyResult<Self> {
        let batch = py
            .detach(|| batch(&read(store, run, table)?).map_err(|error| error.to_string()))
            .map_err(PyRuntimeError::new_err)?;
        Ok(Self { batch })
    }

    /// Names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        let schema = self.batch.schema();
        let fields = schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    /// The table as a stream of record batches, without a copy.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol lets a producer answer with its own schema.
        drop(requested_schema);
        let batches = RecordBatchIterator::new([Ok(self.batch.clone())], self.batch.schema());
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

fn batch(columns: &Columns) -> Result<RecordBatch, ArrowError> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .iter()
        .map(|(name, values)| {
            let array = array(values);
            (Field::new(name, array.data_type().clone(), true), array)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

/// The narrowest type that holds every value. A column without any value is of texts.
fn array(values: &[Value]) -> ArrayRef {
    let mut present = values.iter().filter(|value| !value.is_null()).peekable();
    if present.peek().is_none() {
        return texts(values);
    }
    if present.clone().all(Value::is_i64) {
        let mut builder = Int64Builder::with_capacity(values.len());
        builder.extend(values.iter().map(Value::as_i64));
        return Arc::new(builder.finish());
    }
    if present.clone().all(Value::is_number) {
        let mut builder = Float64Builder::with_capacity(values.len());
        builder.extend(values.iter().map(Value::as_f64));
        return Arc::new(builder.finish());
    }
    if present.all(Value::is_boolean) {
        let mut builder = BooleanBuilder::with_capacity(values.len());
        builder.extend(values.iter().map(Value::as_bool));
        return Arc::new(builder.finish());
    }
    texts(values)
}

fn texts(values: &[Value]) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for value in values {
        match value {
            Value::Null => builder.append_null(),
            Value::String(text) => builder.append_value(text),
            other => builder.append_value(other.to_string()),
        }
    }
    Arc::new(builder.finish())
}
