//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::ValueEnum;

use crate::error::CommandError;

/// What was given on the command line, or is answered on the terminal. Elsewhere the first value.
pub(super) fn choose<V: ValueEnum>(
    question: &str,
    option: &str,
    given: Option<V>,
) -> Result<V, CommandError> {
    if let Some(given) = given {
        return Ok(given);
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return ask(question, option, &mut io::stdin().lock(), &mut io::stderr());
    }
    let first = V::value_variants()[0].clone();
    let _ = writeln!(
        io::stderr(),
        "note: {option} is not given; {} is taken",
        name_of(&first)
    );
    Ok(first)
}

fn ask<V: ValueEnum>(
    question: &str,
    option: &str,
    answers: &mut dyn BufRead,
    screen: &mut dyn Write,
) -> Result<V, CommandError> {
    let variants = V::value_variants();
    writeln!(screen, "{question}")?;
    for (number, variant) in variants.iter().enumerate() {
        let help = variant
            .to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string));
        let help = help.unwrap_or_default();
        writeln!(screen, "  {}  {:<9} {help}", number + 1, name_of(variant))?;
    }
    loop {
        write!(screen, "A number or a name [1]: ")?;
        screen.flush()?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(CommandError::Usage(format!(
                "no answer came; give {option} on the command line"
            )));
        }
        let answer = line.trim();
        if answer.is_empty() {
            return Ok(variants[0].clone());
        }
        let by_number = answer.parse::<usize>().ok();
        let by_number = by_number.and_then(|number| variants.get(number.checked_sub(1)?));
        if let Some(variant) = by_number {
            return Ok(variant.clone());
        }
        if let Ok(variant) = V::from_str(answer, true) {
            return Ok(variant);
        }
        writeln!(screen, "There is no `{answer}` in the list.")?;
    }
}

fn name_of<V: ValueEnum>(variant: &V) -> String {
    let value = variant.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::ask;
    use crate::arguments::TaskKind;

    fn answered(answers: &str) -> (Option<TaskKind>, String) {
        let mut screen = Vec::new();
        let answer = ask("Which?", "--task", &mut answers.as_bytes(), &mut screen);
        (answer.ok(), String::from_utf8_lossy(&screen).into_owned())
    }

    #[test]
    fn a_number_a_name_and_an_empty_line_are_answers() {
        assert_eq!(answered("2\n").0, Some(TaskKind::Program));
        assert_eq!(answered("Text\n").0, Some(TaskKind::Text));
        assert_eq!(answered("\n").0, Some(TaskKind::Classify));
    }

    #[test]
    fn another_answer_is_asked_again_until_the_input_ends() {
        let (answer, screen) = answered("0\nnine\n3\n");
        assert_eq!(answer, Some(TaskKind::Text));
        assert!(screen.contains("There is no `nine`"), "{screen}");
        assert_eq!(answered("9\n").0, None);
    }
}
