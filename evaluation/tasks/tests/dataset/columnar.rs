//! Parquet and Arrow files.

use std::path::Path;

use gepa_tasks::dataset::{Dataset, DatasetError, DatasetSettings};

fn load(folder: &Path, file: &str) -> Result<Dataset, DatasetError> {
    Dataset::load(&DatasetSettings::for_path(file), folder)
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_the_feature_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["rows.parquet", "rows.arrow", "rows.feather"] {
        std::fs::write(folder.path().join(file), "PAR1").unwrap();
        let error = load(folder.path(), file).unwrap_err();
        assert!(matches!(error, DatasetError::NotBuilt { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("--features parquet"), "{message}");
        assert!(message.contains(file), "{message}");
    }
    let mut settings = DatasetSettings::for_path("rows.data");
    settings.format = Some(gepa_tasks::dataset::DatasetFormat::Parquet);
    let error = Dataset::load(&settings, folder.path()).unwrap_err();
    assert!(matches!(error, DatasetError::NotBuilt { .. }), "{error}");
}

#[cfg(feature = "parquet")]
mod with_the_feature {
    use std::fs::File;
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int64Array,
        RecordBatch, StringArray,
    };
    use gepa_evaluation::ExampleId;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// One row of typical columns, and one without values.
    fn batch() -> RecordBatch {
        let mut tags = ListBuilder::new(StringBuilder::new());
        tags.append_value([Some("a"), Some("b")]);
        tags.append_null();
        let kinds: DictionaryArray<Int32Type> = vec![Some("news"), None].into_iter().collect();
        let columns: [(&str, ArrayRef); 7] = [
            (
                "text",
                Arc::new(StringArray::from(vec![Some("na\u{ef}ve \"q\""), None])),
            ),
            (
                "id",
                Arc::new(Int64Array::from(vec![9_007_199_254_740_993, 2])),
            ),
            (
                "weight",
                Arc::new(Float64Array::from(vec![Some(0.5), None])),
            ),
            (
                "is_good",
                Arc::new(BooleanArray::from(vec![Some(true), None])),
            ),
            ("tags", Arc::new(tags.finish())),
            ("kind", Arc::new(kinds)),
            ("answer", Arc::new(StringArray::from(vec!["pos", "neg"]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
            .unwrap()
    }

    fn write_parquet(path: &Path, batch: &RecordBatch, compression: Compression) {
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .build();
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }

    fn write_arrow(path: &Path, batch: &RecordBatch, is_stream: bool) {
        let file = File::create(path).unwrap();
        if is_stream {
            let mut writer =
                arrow_ipc::writer::StreamWriter::try_new(file, &batch.schema()).unwrap();
            writer.write(batch).unwrap();
            writer.finish().unwrap();
        } else {
            let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
            writer.write(batch).unwrap();
            writer.finish().unwrap();
        }
    }

    fn check_rows(dataset: &Dataset) {
        assert_eq!(dataset.rows().len(), 2);
        let full = dataset.row(&ExampleId::Seed(0)).unwrap();
        for (column, expected) in [
            ("text", "na\u{ef}ve \"q\""),
            ("id", "9007199254740993"),
            ("weight", "0.5"),
            ("is_good", "true"),
            ("tags", r#"["a","b"]"#),
            ("kind", "news"),
        ] {
            assert_eq!(full.text(column), Some(expected), "{column}");
        }
        assert_eq!(full.answer(), Some("pos"));
        assert_eq!(full.line(), 1);
        let empty = dataset.row(&ExampleId::Seed(1)).unwrap();
        for column in ["text", "weight", "is_good", "tags", "kind"] {
            assert_eq!(empty.text(column), Some(""), "{column}");
        }
    }

    #[test]
    fn typical_columns_read_like_those_of_json_lines() {
        let folder = tempfile::tempdir().unwrap();
        let compressions = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
            Compression::GZIP(GzipLevel::default()),
            Compression::LZ4_RAW,
        ];
        for compression in compressions {
            write_parquet(&folder.path().join("rows.parquet"), &batch(), compression);
            check_rows(&load(folder.path(), "rows.parquet").unwrap());
        }
        for (file, is_stream) in [("rows.arrow", true), ("rows.feather", false)] {
            write_arrow(&folder.path().join(file), &batch(), is_stream);
            check_rows(&load(folder.path(), file).unwrap());
        }
    }

    #[test]
    fn a_column_of_bytes_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff"]));
        let batch = RecordBatch::try_from_iter([("image", bytes)]).unwrap();
        write_parquet(
            &folder.path().join("rows.parquet"),
            &batch,
            Compression::SNAPPY,
        );
        let message = load(folder.path(), "rows.parquet").unwrap_err().to_string();
        assert!(message.contains("`image` has the type Binary"), "{message}");
        assert!(message.contains("rows.parquet"), "{message}");
    }

    #[test]
    fn damaged_files_are_errors_wherever_they_are_damaged() {
        let folder = tempfile::tempdir().unwrap();
        for (file, is_parquet) in [("rows.parquet", true), ("rows.arrow", false)] {
            let path = folder.path().join(file);
            if is_parquet {
                write_parquet(&path, &batch(), Compression::SNAPPY);
            } else {
                write_arrow(&path, &batch(), false);
            }
            let whole = std::fs::read(&path).unwrap();
            for kept in (0..whole.len()).step_by(31) {
                std::fs::write(&path, &whole[..kept]).unwrap();
                assert!(load(folder.path(), file).is_err(), "{file} cut at {kept}");
            }
            for at in (0..whole.len()).step_by(17) {
                let mut changed = whole.clone();
                changed[at] ^= 0x55;
                std::fs::write(&path, changed).unwrap();
                // It may still be readable; what counts is that nothing panics.
                let _ = load(folder.path(), file);
            }
        }
    }

    #[test]
    fn limits_on_rows_hold() {
        let folder = tempfile::tempdir().unwrap();
        write_parquet(
            &folder.path().join("rows.parquet"),
            &batch(),
            Compression::SNAPPY,
        );
        let mut settings = DatasetSettings::for_path("rows.parquet");
        settings.max_rows = 1;
        let error = Dataset::load(&settings, folder.path()).unwrap_err();
        assert!(matches!(error, DatasetError::TooManyRows { .. }), "{error}");
        settings.max_rows = 2;
        settings.delimiter = Some(',');
        let error = Dataset::load(&settings, folder.path()).unwrap_err();
        assert!(matches!(error, DatasetError::BadSettings(_)), "{error}");
    }
}
