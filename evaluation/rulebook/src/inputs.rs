//! The inputs of one case: named values and words.

/// The inputs of one case, from a user message or from a reflection record.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs {
    fields: Vec<Field>,
    words: Vec<String>,
}

/// One named value.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) words: Vec<String>,
}

impl Inputs {
    /// Inputs with names, as a reflection record lists them.
    pub(super) fn named(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let fields: Vec<Field> = fields
            .into_iter()
            .map(|(name, value)| Field {
                words: words_of(&value),
                name,
                value: value.trim().to_owned(),
            })
            .collect();
        let words = fields
            .iter()
            .flat_map(|field| field.words.clone())
            .collect();
        Self { fields, words }
    }

    /// Inputs from a message: `name: value` lines, or free text.
    pub(super) fn in_message(text: &str) -> Self {
        let mut named: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if let Some((name, value)) = name_and_value(line) {
                named.push((name.to_owned(), value.to_owned()));
            } else if let Some((_, value)) = named.last_mut() {
                // A value may have several lines.
                value.push('\n');
                value.push_str(line);
            }
        }
        Self {
            words: words_of(text),
            ..Self::named(named)
        }
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The value of the field with this name. Case does not matter, and `_` equals a space.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.field(name).map(|field| field.value.as_str())
    }

    /// The words of the field with this name, or of all inputs if there is no such field.
    pub(super) fn words(&self, name: &str) -> &[String] {
        self.field(name).map_or(&self.words, |field| &field.words)
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| same_name(&field.name, name))
    }
}

/// Lower-case words: runs of letters and digits, apostrophes inside them, currency signs alone.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars().flat_map(char::to_lowercase) {
        let joins = character.is_alphanumeric() || (character == '\'' && !word.is_empty());
        if joins {
            word.push(character);
            continue;
        }
        push_word(&mut words, &mut word);
        if matches!(character, '£' | '$' | '€') {
            words.push(character.to_string());
        }
    }
    push_word(&mut words, &mut word);
    words
}

pub(super) fn same_name(one: &str, other: &str) -> bool {
    let fold = |character: char| {
        if character == '_' {
            ' '
        } else {
            character.to_ascii_lowercase()
        }
    };
    one.chars().map(fold).eq(other.chars().map(fold))
}

/// `name: value` with a name of at most four words.
pub(super) fn name_and_value(line: &str) -> Option<(&str, &str)> {
    let trimmed = line.trim().trim_start_matches(['-', '*']).trim_start();
    let (name, value) = trimmed.split_once(':')?;
    let is_name = !name.is_empty()
        && name.len() <= 40
        && name.split_whitespace().count() <= 4
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-'));
    let is_value = value.is_empty() || value.starts_with(' ');
    (is_name && is_value).then_some((name, value.trim()))
}

fn push_word(words: &mut Vec<String>, word: &mut String) {
    let trimmed = word.trim_end_matches('\'');
    if !trimmed.is_empty() {
        words.push(trimmed.to_owned());
    }
    word.clear();
}
