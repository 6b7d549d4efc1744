//! Reflection prompts: text with placeholders, rendered in a single pass.

use gepa_evaluation::ExampleRecord;

use super::examples::render_examples;

/// A reflection prompt. Placeholders: `<curr_param>` (the component's present text) and
/// `<side_info>` (the examples), both required; `<component>` (its name), optional. Nothing else is
/// special, and what is put in is never searched for placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    CurrentText,
    Examples,
    Component,
}

/// Why a text cannot be a reflection prompt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lacks the placeholder {missing}; write {missing} where {meaning} shall stand")]
pub struct TemplateError {
    missing: &'static str,
    meaning: &'static str,
}

const CURRENT_TEXT: &str = "<curr_param>";
const EXAMPLES: &str = "<side_info>";
const COMPONENT: &str = "<component>";

/// The built-in prompt up to the request for the new text.
macro_rules! default_body {
    () => {
        "\
You improve the instructions another assistant works by.

Its present instructions are:
```
<curr_param>
```

It was just run on a few examples. For each you see what it was given, what it answered, and how the answer was judged:
```
<side_info>
```

Work out from these examples what the task is and what a right answer looks like. Find what the instructions made the \
assistant do wrong, and which facts, rules or conventions of this task it would have needed; the judgements often name \
them, and they will not be visible to it later. Keep whatever made answers right. Prefer rules that will hold for \
examples you have not seen over remarks about single ones."
    };
}

impl Template {
    /// The built-in prompt.
    pub const DEFAULT: &'static str = concat!(
        default_body!(),
        "\n\n\
Then write the complete new instructions. They replace the present ones entirely, so leave out nothing that is still \
needed. Put them, and nothing else, inside one ``` block."
    );

    /// The built-in prompt for edits, without the request for them.
    pub(crate) const DEFAULT_FOR_EDITS: &'static str = default_body!();

    /// Reads a prompt.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((at, placeholder, part)) = next_placeholder(rest) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.push(part);
            rest = &rest[at + placeholder.len()..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if !parts.contains(&Part::CurrentText) {
            return Err(TemplateError {
                missing: CURRENT_TEXT,
                meaning: "the component's present text",
            });
        }
        if !parts.contains(&Part::Examples) {
            return Err(TemplateError {
                missing: EXAMPLES,
                meaning: "the examples",
            });
        }
        Ok(Self { parts })
    }

    /// Renders the prompt within `max_chars`. If it would be longer, every long value of the
    /// examples is cut in the middle to the same length.
    pub fn render(
        &self,
        component: &str,
        current_text: &str,
        records: &[ExampleRecord],
        max_chars: usize,
    ) -> String {
        let mut longest_value = usize::MAX;
        loop {
            let examples = render_examples(records, longest_value);
            let prompt = self.fill(component, current_text, &examples);
            let length = prompt.chars().count();
            if length <= max_chars || longest_value <= SHORTEST_CUT {
                return prompt;
            }
            longest_value = (longest_value.min(length) / 2).max(SHORTEST_CUT);
        }
    }

    /// Bytes with which every prompt of this template begins.
    pub(crate) fn fixed_prefix(&self) -> usize {
        match self.parts.first() {
            Some(Part::Text(text)) => text.len(),
            _ => 0,
        }
    }

    fn fill(&self, component: &str, current_text: &str, examples: &str) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::CurrentText => current_text,
                Part::Examples => examples,
                Part::Component => component,
            })
            .collect()
    }
}

/// The shortest length to which a value is cut. A shorter value would tell the model nothing.
const SHORTEST_CUT: usize = 80;

fn next_placeholder(text: &str) -> Option<(usize, &'static str, Part)> {
    [
        (CURRENT_TEXT, Part::CurrentText),
        (EXAMPLES, Part::Examples),
        (COMPONENT, Part::Component),
    ]
    .into_iter()
    .filter_map(|(placeholder, part)| text.find(placeholder).map(|at| (at, placeholder, part)))
    .min_by_key(|(at, _, _)| *at)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn record(text: &str) -> ExampleRecord {
        vec![("Inputs".to_owned(), Value::from(text))]
    }

    #[test]
    fn what_is_put_in_is_never_searched_for_placeholders() {
        let template = Template::parse("A <curr_param> B <side_info> C <component>").unwrap();
        assert_eq!(template.fixed_prefix(), "A ".len());
        let rendered = template.render("name", "<side_info>", &record_list("<curr_param>"), 10_000);
        assert_eq!(
            rendered,
            "A <side_info> B # Example 1\n## Inputs\n<curr_param>\n\n C name"
        );
    }

    fn record_list(text: &str) -> Vec<ExampleRecord> {
        vec![record(text)]
    }

    #[test]
    fn a_missing_placeholder_is_named() {
        let error = Template::parse("only <curr_param>").unwrap_err();
        assert!(error.to_string().contains("<side_info>"));
        assert!(
            Template::parse("only <side_info>")
                .unwrap_err()
                .to_string()
                .contains("<curr_param>")
        );
        assert!(Template::parse(Template::DEFAULT).is_ok());
    }

    #[test]
    fn long_values_are_cut_until_the_prompt_fits() {
        let template = Template::parse("<curr_param><side_info>").unwrap();
        let records = vec![record(&"x".repeat(50_000)), record("short")];
        let prompt = template.render("c", "text", &records, 5_000);
        assert!(prompt.chars().count() <= 5_000);
        assert!(prompt.contains("short") && prompt.contains("[…"));
    }
}
