//! The files that are read, and the messages for files that are refused.

use std::io::Write;

use gepa_evaluation::ExampleId;
use gepa_tasks::dataset::{Dataset, DatasetError, DatasetSettings, Row, TextEncoding};

fn load(name: &str, content: impl AsRef<[u8]>) -> Result<Dataset, DatasetError> {
    load_with(&DatasetSettings::for_path(name), content)
}

fn load_with(
    settings: &DatasetSettings,
    content: impl AsRef<[u8]>,
) -> Result<Dataset, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(&settings.path), content).unwrap();
    Dataset::load(settings, folder.path())
}

fn check_error(result: Result<Dataset, DatasetError>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn text<'d>(dataset: &'d Dataset, id: u64, field: &str) -> Option<&'d str> {
    dataset.row(&ExampleId::Seed(id)).unwrap().text(field)
}

#[test]
fn csv_is_read_with_quotes_a_byte_order_mark_and_row_numbers() {
    let dataset = load(
        "a.csv",
        "\u{feff}text,answer\n\"one, \"\"two\"\"\nthree\",x\nfour,y\n",
    )
    .unwrap();
    assert_eq!(text(&dataset, 0, "text"), Some("one, \"two\"\nthree"));
    let second = dataset.row(&ExampleId::Seed(1)).unwrap();
    assert_eq!(second.answer(), Some("y"));
    assert_eq!(second.inputs().collect::<Vec<_>>(), [("text", "four")]);
    assert_eq!(second.text("none"), None);
}

#[test]
fn tsv_without_a_header_keeps_quotes_as_they_are() {
    let settings = DatasetSettings {
        columns: Some(vec!["label".to_owned(), "text".to_owned()]),
        answer: Some("label".to_owned()),
        ..DatasetSettings::for_path("a.tsv")
    };
    let dataset = load_with(&settings, "ham\t\"Ok, see\nspam\tfree\n").unwrap();
    assert_eq!(text(&dataset, 0, "text"), Some("\"Ok, see"));
    assert_eq!(
        dataset.row(&ExampleId::Seed(1)).unwrap().answer(),
        Some("spam")
    );
}

#[test]
fn json_lines_keep_their_values_beside_the_text() {
    let dataset = load(
        "a.jsonl",
        "{\"n\": 1.5, \"list\": [1], \"answer\": true}\n\n{\"n\": null}\n",
    )
    .unwrap();
    let row = dataset.row(&ExampleId::Seed(0)).unwrap();
    assert_eq!(row.text("list"), Some("[1]"));
    assert_eq!(row.value("n"), Some(serde_json::json!(1.5)));
    assert_eq!(row.answer(), Some("true"));
    assert_eq!(text(&dataset, 1, "n"), Some(""));
    assert_eq!(dataset.row(&ExampleId::Seed(1)).unwrap().answer(), None);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let settings = DatasetSettings {
        id_column: Some("id".to_owned()),
        ..DatasetSettings::for_path("a.jsonl")
    };
    let content = r#"{"id": 18446744073709551616, "n": 1267650600228229401496703205376, "answer": 3.10}
{"id": 18446744073709551617, "n": [1E4, {"a": "\u00e9 b"}], "answer": 1}
"#;
    let dataset = load_with(&settings, content).unwrap();
    let row = dataset.row(&"18446744073709551616".into()).unwrap();
    assert_eq!(row.text("n"), Some("1267650600228229401496703205376"));
    assert_eq!(row.answer(), Some("3.10"));
    let large = serde_json::Value::from("1267650600228229401496703205376");
    assert_eq!(row.value("n"), Some(large));
    let written = serde_json::to_string(&row.written_inputs()).unwrap();
    assert_eq!(written, r#"{"n":1267650600228229401496703205376}"#);
    let second = dataset.row(&"18446744073709551617".into()).unwrap();
    assert_eq!(second.text("n"), Some("[1E4,{\"a\":\"é b\"}]"));
}

#[test]
fn a_json_array_is_read_with_the_lines_its_objects_begin_on() {
    let content = "[{\"a\": 1},\n\n{\"a\": 2}, {\"a\": 3}]";
    for name in ["a.json", "a.jsonl"] {
        let dataset = load(name, content).unwrap();
        let lines: Vec<u64> = dataset
            .rows()
            .values()
            .map(gepa_tasks::dataset::Row::line)
            .collect();
        assert_eq!(lines, [1, 3, 3], "{name}");
    }
    let lines = load("a.json", "{\"a\": 1}\n{\"a\": 2}\n").unwrap();
    assert_eq!(lines.rows().len(), 2);
    check_error(
        load("a.json", "[{\"a\": 1},\n 5]"),
        &["line 2", "not a JSON object"],
    );
    check_error(
        load("a.json", "[{\"a\": 1},\n"),
        &["line 2", "not a JSON array"],
    );
}

#[test]
fn compressed_files_are_read_as_what_is_in_them() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"text,answer\na,b\n").unwrap();
    let packed = encoder.finish().unwrap();
    for name in ["a.csv.gz", "a.csv"] {
        let dataset = load(name, &packed).unwrap();
        assert_eq!(text(&dataset, 0, "text"), Some("a"));
    }
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = ruzstd::encoding::compress_to_vec(&b"{\"text\": \"a\"}\n"[..], level);
    let dataset = load("a.jsonl.zst", packed).unwrap();
    assert_eq!(text(&dataset, 0, "text"), Some("a"));
    check_error(
        load("a.csv.gz", "text\na\n"),
        &["a.csv.gz", "is called `.gz`"],
    );
    let small = DatasetSettings {
        max_megabytes: 1,
        ..DatasetSettings::for_path("a.csv.gz")
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![b'x'; 2_000_000]).unwrap();
    check_error(
        load_with(&small, encoder.finish().unwrap()),
        &["more than 1 megabytes"],
    );
}

#[test]
fn a_quote_that_is_never_closed_and_a_wrong_delimiter_are_named() {
    check_error(
        load("a.csv", "text,answer\na,b\n\"c,d\ne,f\n"),
        &["line 3", "never ends"],
    );
    let fine = load("a.csv", "text,answer\n\"a \"\"b\"\"\nc\",d\ne \"f,g\n").unwrap();
    assert_eq!(text(&fine, 1, "text"), Some("e \"f"));
    check_error(
        load("a.csv", "text;answer\na;b\n"),
        &["`text;answer`", "set `delimiter = ';'`"],
    );
    check_error(
        load("a.csv", "text;answer\n1,5;b\n"),
        &["set `delimiter = ';'`"],
    );
    check_error(
        load("a.csv", "text,answer\n\"a\nb\",c,d\n"),
        &["3 columns where 2", "goes over 2 lines"],
    );
}

#[test]
fn ids_come_from_a_column_and_print_as_they_were_written() {
    let settings = DatasetSettings {
        id_column: Some("id".to_owned()),
        ..DatasetSettings::for_path("a.csv")
    };
    let dataset = load_with(&settings, "id,answer\n7,a\n007,b\nx,c\n").unwrap();
    let ids: Vec<ExampleId> = dataset.rows().keys().cloned().collect();
    assert_eq!(ids, [ExampleId::Seed(7), "007".into(), "x".into()]);
    check_error(
        load_with(&settings, "id,answer\n7,a\n8,b\n7,c\n"),
        &["line 4", "`7`", "line 2", "leave `id_column` out"],
    );
    check_error(
        load_with(&settings, "id,answer\n,a\n"),
        &["line 2", "`id` is missing"],
    );
}

#[test]
fn answers_are_mapped_and_filters_see_the_mapped_value() {
    let settings = DatasetSettings {
        answer: Some("target".to_owned()),
        answer_values: [("1", "yes"), ("0", "no")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into_iter()
            .collect(),
        only: [("target".to_owned(), vec!["no".to_owned()])]
            .into_iter()
            .collect(),
        limit: Some(2),
        ..DatasetSettings::for_path("a.csv")
    };
    let dataset = load_with(&settings, "n,target\na,1\nb,0\nc,0\nd,0\n").unwrap();
    let ids: Vec<ExampleId> = dataset.rows().keys().cloned().collect();
    assert_eq!(ids, [ExampleId::Seed(1), ExampleId::Seed(2)]);
    check_error(
        load_with(&settings, "n,target\na,1\nb,2\n"),
        &["line 3", "`2` has no entry in `answer_values`"],
    );
}

#[test]
fn broken_files_name_file_line_and_way_out() {
    check_error(
        load("a.csv", "a,b\n1,2\n3\n"),
        &["a.csv` line 3", "1 columns where 2"],
    );
    check_error(load("a.csv", "a,a\n1,2\n"), &["`a` occurs twice"]);
    check_error(load("a.csv", "a,b\n"), &["has no rows"]);
    check_error(load("a.csv", ""), &["has no rows"]);
    check_error(
        load("a.jsonl", "{\"a\": 1}\n[1]\n"),
        &["line 2", "one object per line"],
    );
    check_error(load("a.dat", "x"), &["set `format`"]);
    check_error(
        load("a.csv", b"a\nb\ncaf\xe9\n"),
        &["line 3", "encoding = \"latin1\""],
    );
    let missing = Dataset::load(
        &DatasetSettings::for_path("no.csv"),
        std::path::Path::new("nowhere"),
    );
    check_error(missing, &["no.csv", "relative to the config file"]);
}

#[test]
fn latin1_is_read_when_asked_for() {
    let settings = DatasetSettings {
        encoding: TextEncoding::Latin1,
        ..DatasetSettings::for_path("a.csv")
    };
    let dataset = load_with(&settings, b"text\ncaf\xe9\n").unwrap();
    assert_eq!(text(&dataset, 0, "text"), Some("café"));
}

#[test]
fn unknown_columns_and_excess_are_refused() {
    let settings = DatasetSettings::for_path("a.csv");
    let answer = DatasetSettings {
        answer: Some("label".to_owned()),
        ..settings.clone()
    };
    check_error(
        load_with(&answer, "a,b\n1,2\n"),
        &["`label`", "named by `answer`", "it has `a`, `b`"],
    );
    let rows = DatasetSettings {
        max_rows: 1,
        ..settings.clone()
    };
    check_error(load_with(&rows, "a\n1\n2\n"), &["more than 1 rows"]);
    let megabytes = DatasetSettings {
        max_megabytes: 0,
        ..settings
    };
    check_error(load_with(&megabytes, "a\n1\n"), &["more than 0 megabytes"]);
}

/// Unknown keys are the config reader's to report: all of them at once, each with its line.
#[test]
fn settings_are_read_from_toml() {
    let settings: DatasetSettings =
        toml::from_str("path = \"a.csv\"\nsplit.train = { rows = [\"0..3\"] }").unwrap();
    assert_eq!(settings.split.train.rows, Some(vec!["0..3".to_owned()]));
}

fn write(folder: &tempfile::TempDir, name: &str, content: &str) {
    std::fs::write(folder.path().join(name), content).unwrap();
}

#[test]
fn several_files_are_one_dataset_and_sets_may_be_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.csv", "text,answer\nA,1\nB,2\n");
    write(&folder, "b.jsonl", "{\"text\": \"C\", \"answer\": 3}\n");
    write(&folder, "test.json", "[{\"text\": \"D\", \"answer\": 4}]");
    let mut settings = DatasetSettings {
        paths: vec!["b.jsonl".to_owned(), "a.csv".to_owned()],
        ..DatasetSettings::for_path("a.csv")
    };
    settings.split.train.files = Some(vec!["b.jsonl".to_owned(), "a.csv".to_owned()]);
    settings.split.validation.files = Some(vec!["test.json".to_owned()]);
    assert_eq!(settings.files(), ["a.csv", "b.jsonl", "test.json"]);
    let dataset = Dataset::load(&settings, folder.path()).unwrap();
    let texts: Vec<_> = dataset
        .rows()
        .values()
        .map(|row| row.text("text"))
        .collect();
    assert_eq!(texts, [Some("A"), Some("B"), Some("C"), Some("D")]);
    let places: Vec<String> = dataset.rows().values().map(Row::place).collect();
    let expected = [
        "line 2 of `a.csv`",
        "line 3 of `a.csv`",
        "line 1 of `b.jsonl`",
        "line 1 of `test.json`",
    ];
    assert_eq!(places, expected);
    let split = dataset.split(&settings.split).unwrap();
    assert_eq!(split.train, [0, 1, 2].map(ExampleId::Seed));
    assert_eq!(split.validation, [ExampleId::Seed(3)]);

    settings.split.validation.count = Some(1);
    let error = dataset.split(&settings.split).unwrap_err().to_string();
    assert!(error.contains("more than one way"), "{error}");
}

#[test]
fn an_id_that_two_files_have_names_both_places() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.csv", "id,text\nx,A\n");
    write(&folder, "b.csv", "id,text\ny,B\nx,C\n");
    let settings = DatasetSettings {
        paths: vec!["b.csv".to_owned()],
        id_column: Some("id".to_owned()),
        ..DatasetSettings::for_path("a.csv")
    };
    let error = Dataset::load(&settings, folder.path()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("b.csv` line 3: id `x` is taken by line 2 of `a.csv`"),
        "{error}"
    );
}

#[test]
fn a_label_stays_a_label_if_the_first_row_lacks_it() {
    let dataset = load(
        "a.jsonl",
        "{\"text\": \"A\"}\n{\"text\": \"B\", \"answer\": \"b\"}\n",
    );
    let rows: Vec<&Row> = dataset.as_ref().unwrap().rows().values().collect();
    assert_eq!(
        rows.iter().map(|row| row.answer()).collect::<Vec<_>>(),
        [None, Some("b")]
    );
    assert_eq!(rows[1].prompt_text("answer"), None);
}

#[test]
fn the_column_that_the_sets_are_formed_by_fills_no_wildcard_unless_it_is_allowed_by_name() {
    let mut settings = DatasetSettings::for_path("a.csv");
    settings.split.stratify_by = Some("lab".to_owned());
    let content = "text,lab,answer\nA,x,b\n";
    let shown = |settings: &DatasetSettings| {
        let dataset = load_with(settings, content).unwrap();
        let row = dataset.row(&ExampleId::Seed(0)).unwrap();
        let shown = ["text", "lab", "answer"].map(|column| row.may_be_shown(column));
        assert_eq!(row.prompt_text("lab").is_some(), shown[1]);
        shown
    };
    assert_eq!(shown(&settings), [true, false, false]);
    settings.prompt_columns = Some(vec!["text".to_owned(), "lab".to_owned()]);
    assert_eq!(shown(&settings), [true, true, false]);
}

#[test]
fn without_a_file_the_settings_are_refused() {
    let error = Dataset::load(&DatasetSettings::for_path(""), std::path::Path::new("."));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no file is named; set `path`"), "{error}");
}
