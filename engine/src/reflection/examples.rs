//! The examples of a reflection prompt, rendered byte for byte as the reference implementation
//! renders its reflective dataset.

use gepa_evaluation::ExampleRecord;
use serde_json::Value;

use super::scalars::{scalar_text, trimmed};

/// Renders records as the text of `<side_info>`; values longer than `longest_value` characters are
/// cut in the middle.
pub fn render_examples(records: &[ExampleRecord], longest_value: usize) -> String {
    let mut text = String::new();
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            text.push_str("\n\n");
        }
        heading(&mut text, 1, &format!("Example {}", number + 1));
        for (name, value) in record {
            heading(&mut text, 2, name);
            render_value(&mut text, value, 3, longest_value);
        }
    }
    text
}

fn heading(text: &mut String, level: usize, name: &str) {
    text.extend(std::iter::repeat_n('#', level));
    text.push(' ');
    text.push_str(name);
    text.push('\n');
}

/// Headings are never deeper than markdown's six levels.
fn render_value(text: &mut String, value: &Value, level: usize, longest_value: usize) {
    let deeper = (level + 1).min(6);
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                heading(text, level, name);
                render_value(text, field, deeper, longest_value);
            }
            if fields.is_empty() {
                text.push('\n');
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                heading(text, level, &format!("Item {}", number + 1));
                render_value(text, item, deeper, longest_value);
            }
            if items.is_empty() {
                text.push('\n');
            }
        }
        scalar => {
            push_cut(text, trimmed(&scalar_text(scalar)), longest_value);
            text.push_str("\n\n");
        }
    }
}

fn push_cut(text: &mut String, value: &str, longest_value: usize) {
    let length = if value.len() <= longest_value {
        0
    } else {
        value.chars().count()
    };
    if length <= longest_value {
        text.push_str(value);
        return;
    }
    let kept = longest_value / 2;
    text.extend(value.chars().take(kept));
    let left_out = (length - 2 * kept).to_string();
    text.extend([" […", &left_out, " characters left out…] "]);
    text.extend(value.chars().skip(length - kept));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(record: Value, expected: &str) {
        let Value::Object(fields) = record else {
            panic!("a record is an object")
        };
        let record: ExampleRecord = fields.into_iter().collect();
        assert_eq!(render_examples(&[record], usize::MAX), expected);
    }

    #[test]
    fn values_of_every_shape_render_as_the_reference_does() {
        check(json!({"A": " text \n"}), "# Example 1\n## A\ntext\n\n");
        check(
            json!({"A": {"x": 1, "y": [true, null]}}),
            "# Example 1\n## A\n### x\n1\n\n### y\n#### Item 1\nTrue\n\n#### Item 2\nNone\n\n",
        );
        check(
            json!({"A": [1e-5, 0.0001, 1e16, 1e15]}),
            "# Example 1\n## A\n### Item 1\n1e-05\n\n### Item 2\n0.0001\n\n### Item 3\n1e+16\n\n\
             ### Item 4\n1000000000000000.0\n\n",
        );
        check(json!({"A": {}, "B": []}), "# Example 1\n## A\n\n## B\n\n");
        check(
            json!({"A": {"1": {"2": {"3": {"4": {"5": "deep"}}}}}}),
            "# Example 1\n## A\n### 1\n#### 2\n##### 3\n###### 4\n###### 5\ndeep\n\n",
        );
    }

    #[test]
    fn examples_are_set_apart_by_two_more_lines() {
        let record: ExampleRecord = vec![("A".to_owned(), json!("x"))];
        assert_eq!(
            render_examples(&[record.clone(), record], usize::MAX),
            "# Example 1\n## A\nx\n\n\n\n# Example 2\n## A\nx\n\n"
        );
    }
}
