use std::fs;

use super::*;

fn overlay(text: &str) -> Result<Environment, EnvironmentError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    fs::write(&file, text).unwrap();
    Environment::of([("SET", "process")]).overlaid_with(&file)
}

fn check(text: &str, name: &str, expected: Option<&str>) {
    let environment = overlay(text).unwrap();
    assert_eq!(environment.get(name), expected, "{text:?}");
}

#[test]
fn plain_quoted_exported_and_commented_values_are_read() {
    check("A=1\n", "A", Some("1"));
    check("A = spaced out  \n", "A", Some("spaced out"));
    check("export A=1", "A", Some("1"));
    check("exported=1", "exported", Some("1"));
    check("A=one # comment", "A", Some("one"));
    check("A=one#not-a-comment", "A", Some("one#not-a-comment"));
    check("A=# comment", "A", None);
    check("A='x # y' # comment", "A", Some("x # y"));
    check("A='a\\nb'", "A", Some("a\\nb"));
    check(r#"A="a\nb\"c\\d\$e\w""#, "A", Some("a\nb\"c\\d$e\\w"));
    check("A=\"two\nlines\"\nB=2", "A", Some("two\nlines"));
    check("A=\"two\nlines\"\nB=2", "B", Some("2"));
    check("\u{feff}A=1\r\nB=2\r\n", "A", Some("1"));
    check("\u{feff}A=1\r\nB=2\r\n", "B", Some("2"));
    check("  A=x=y", "A", Some("x=y"));
    check("A=1\nA=2", "A", Some("2"));
    check("A=", "A", None);
}

#[test]
fn the_process_environment_wins_and_a_missing_file_adds_nothing() {
    check("SET=file", "SET", Some("process"));
    let folder = tempfile::tempdir().unwrap();
    let absent = Environment::of([("SET", "process")]).overlaid_with(&folder.path().join(".env"));
    assert_eq!(absent.unwrap().get("SET"), Some("process"));
}

#[test]
fn a_bad_line_is_named_by_number_and_never_quoted() {
    for (text, line) in [
        ("A=1\nsecret-without-name", 2),
        ("A=\"1\n2\"\n=secret", 3),
        ("A=1\n\nB=\"secret", 3),
        ("A='1\n2' secret", 2),
        ("9A=secret", 1),
    ] {
        let error = overlay(text).unwrap_err();
        let EnvironmentError::Syntax { line: found, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(*found, line, "{text:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn debug_output_shows_names_only() {
    let environment = Environment::of([("OPENAI_API_KEY", "marker-secret")]);
    let shown = format!("{environment:?}");
    assert!(shown.contains("OPENAI_API_KEY"), "{shown}");
    assert!(!shown.contains("marker-secret"), "{shown}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(?s)[A-Z= '\"#\\\\\n\ré]{0,40}") {
        let _ = parse(&text);
    }
}
