//! The native part of the Python package `gepa_engine`.
//!
//! The package calls evaluators, proposers and policies on the thread that called it. So the engine
//! does not call out: a [`Session`](session::Session) gives out orders and takes their results.

mod arrow;
mod decisions;
mod history;
mod names;
mod orders;
mod planning;
mod policies;
mod reading;
mod session;

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ENGINE_VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<session::Session>()?;
    module.add_class::<orders::Scores>()?;
    module.add_class::<arrow::Table>()?;
    module.add_function(wrap_pyfunction!(planning::plan, module)?)?;
    module.add_function(wrap_pyfunction!(reading::runs, module)?)?;
    module.add_function(wrap_pyfunction!(reading::read_table, module)?)
}
