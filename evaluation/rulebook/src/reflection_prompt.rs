//! Reads the current instruction and the examples in a reflection prompt.
//!
//! Any template works if the examples are records with the headings that reflection prompts use:
//! `# Example 1`, `## Inputs`, `### name`, `## Generated Outputs`, `## Feedback`.

use super::feedback::right_answer;
use super::inputs::{Inputs, name_and_value};

/// The content of a reflection prompt.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The instruction to improve.
    pub(super) instruction: String,
    /// The examples whose right answer is known.
    pub(super) examples: Vec<ShownExample>,
}

/// One example of a reflection prompt.
#[derive(Clone, Debug)]
pub(super) struct ShownExample {
    pub(super) inputs: Inputs,
    pub(super) right: String,
}

#[derive(Default)]
struct Record {
    inputs: Vec<(String, String)>,
    output: String,
    feedback: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Inputs,
    Output,
    Feedback,
    Other,
}

/// Reads a reflection prompt. Missing parts stay empty.
pub(super) fn read_reflection_prompt(prompt: &str) -> Shown {
    let lines: Vec<&str> = prompt.lines().collect();
    let Some(first) = lines.iter().position(|line| is_example_heading(line)) else {
        return Shown {
            instruction: first_fenced(&lines).unwrap_or_default(),
            examples: Vec::new(),
        };
    };
    let opening = open_fence(&lines[..first]);
    let end = end_of_records(&lines, first, opening);
    let before = &lines[..opening.unwrap_or(first)];
    let after = lines.get(end + 1..).unwrap_or_default();
    Shown {
        instruction: first_fenced(before)
            .or_else(|| unfenced_rules(before))
            .or_else(|| first_fenced(after))
            .unwrap_or_default(),
        examples: lines[first..end]
            .chunk_by(|_, next| !is_example_heading(next))
            .filter_map(|record| read_record(record).into_example())
            .collect(),
    }
}

fn is_example_heading(line: &str) -> bool {
    line.strip_prefix("# Example ")
        .is_some_and(|rest| rest.trim().parse::<u32>().is_ok())
}

/// The number of backticks of a fence line.
fn fence_length(line: &str) -> Option<usize> {
    let trimmed = line.trim_start();
    let count = trimmed.chars().take_while(|c| *c == '`').count();
    let is_fence = count >= 3 && !trimmed[count..].contains('`');
    is_fence.then_some(count)
}

/// Whether a line can close a fence of `length`.
fn closes(line: &str, length: usize) -> bool {
    fence_length(line).is_some_and(|count| count >= length)
        && line.trim().bytes().all(|b| b == b'`')
}

/// The fence line that is still open after these lines, unless more than blank lines follow it.
fn open_fence(lines: &[&str]) -> Option<usize> {
    let mut open: Option<(usize, usize)> = None;
    for (at, line) in lines.iter().enumerate() {
        match open {
            Some((_, length)) if closes(line, length) => open = None,
            None => open = fence_length(line).map(|length| (at, length)),
            Some(_) => {}
        }
    }
    let (at, _) = open?;
    let only_blank = lines[at + 1..].iter().all(|line| line.trim().is_empty());
    only_blank.then_some(at)
}

/// The line that ends the records: after the last heading the fence that closes theirs, or the end
/// of the prompt.
fn end_of_records(lines: &[&str], first: usize, opening: Option<usize>) -> usize {
    let Some(length) = opening.and_then(|at| fence_length(lines[at])) else {
        return lines.len();
    };
    let last_heading = lines
        .iter()
        .rposition(|line| is_example_heading(line))
        .unwrap_or(first);
    // An output may contain fences. They open with a language or come in pairs.
    let mut inner_open = false;
    for (at, line) in lines.iter().enumerate().skip(last_heading) {
        let opens_inner = fence_length(line).is_some() && !closes(line, 3);
        if opens_inner {
            inner_open = true;
        } else if closes(line, length) {
            if !inner_open {
                return at;
            }
            inner_open = false;
        }
    }
    lines.len()
}

fn first_fenced(lines: &[&str]) -> Option<String> {
    let open = lines.iter().position(|line| fence_length(line).is_some())?;
    let length = fence_length(lines[open])?;
    let body = &lines[open + 1..];
    let close = body.iter().position(|line| closes(line, length))?;
    Some(body[..close].join("\n"))
}

/// The instruction of a template that shows it without a fence: the lines from the first rule to
/// the last.
fn unfenced_rules(lines: &[&str]) -> Option<String> {
    let is_rule = |line: &&str| !super::grammar::read_prompt(line).sheet.is_empty();
    let start = lines.iter().position(is_rule)?;
    let end = lines.iter().rposition(is_rule)?;
    Some(lines[start..=end].join("\n"))
}

fn read_record(lines: &[&str]) -> Record {
    let mut record = Record::default();
    let mut part = Part::Other;
    let mut free_inputs = String::new();
    for line in lines.iter().skip(1) {
        if let Some(title) = line.strip_prefix("## ") {
            part = part_named(title);
            continue;
        }
        match part {
            Part::Inputs => {
                if let Some(name) = line.strip_prefix("### ") {
                    record.inputs.push((name.trim().to_owned(), String::new()));
                    continue;
                }
                let named = record.inputs.last_mut().map(|input| &mut input.1);
                push_line(named.unwrap_or(&mut free_inputs), line);
            }
            Part::Output => push_line(&mut record.output, line),
            Part::Feedback => push_line(&mut record.feedback, line),
            Part::Other => {}
        }
    }
    if record.inputs.is_empty() {
        record.inputs = free_text_inputs(&free_inputs);
    }
    record
}

fn part_named(title: &str) -> Part {
    match title.trim().to_ascii_lowercase().as_str() {
        "inputs" | "input" => Part::Inputs,
        "generated outputs" | "generated output" | "outputs" | "output" | "response" => {
            Part::Output
        }
        "feedback" => Part::Feedback,
        _ => Part::Other,
    }
}

fn free_text_inputs(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let named: Option<Vec<(String, String)>> = lines
        .iter()
        .map(|line| {
            let (name, value) = name_and_value(line)?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect();
    match named {
        Some(fields) if fields.len() > 1 => fields,
        _ => vec![("text".to_owned(), text.trim().to_owned())],
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

impl Record {
    fn into_example(self) -> Option<ShownExample> {
        let right = right_answer(&self.feedback, &self.output)?;
        Some(ShownExample {
            inputs: Inputs::named(self.inputs),
            right,
        })
    }
}
