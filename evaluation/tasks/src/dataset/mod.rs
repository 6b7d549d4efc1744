//! Labelled rows from files, split into the three example sets, and the evaluator that runs a
//! prompt over them.

mod answers;
#[cfg(feature = "parquet")]
mod columnar;
mod columns;
mod duplicates;
mod error;
mod evaluator;
mod json;
mod near;
mod read;
mod record;
mod settings;
mod split;
mod table;
mod value;

pub use answers::check_answers;
pub use duplicates::{DuplicateContent, RowConflicts, row_conflicts};
pub use error::DatasetError;
pub use evaluator::DatasetEvaluator;
pub use near::{NearDuplicates, near_duplicates};
pub use settings::{DatasetFormat, DatasetSettings, SetSettings, SplitSettings, TextEncoding};
pub use split::ExampleSplit;
pub use table::{Dataset, Row, WrittenInputs};
