//! Fenced blocks of a reply, as `CommonMark` reads them.
//!
//! A block opens with three or more backticks or tildes and ends with a line of at least as many of the
//! same character. What follows the opening fence on its line is an info string. Three habits of models
//! are read as they are meant: a block inside a block whose inner fence names a language, a closing
//! fence at the end of the last line, and a text that begins on the line of the opening fence.

use std::borrow::Cow;
use std::ops::Range;

/// A complete block on the top level of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block<'t> {
    /// The text inside, without blank lines around it and without the indentation of the fence.
    pub text: Cow<'t, str>,
    /// The first word of the info string; empty where there is none.
    pub language: &'t str,
    /// The place of what is inside, in the reply.
    pub place: Range<usize>,
}

/// What the fences of a reply enclose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fences<'t> {
    /// The complete blocks, in order.
    pub blocks: Vec<Block<'t>>,
    /// Whether the last block is never closed.
    pub is_cut_off: bool,
}

/// The blocks of a reply. A block that quotes `current` is one block, also where `current` has fences.
pub(super) fn fences_of<'t>(reply: &'t str, current: &str) -> Fences<'t> {
    let nested = read(reply, current, true);
    if !nested.is_cut_off {
        return nested;
    }
    // The inner fences may be part of a text about fences.
    let flat = read(reply, current, false);
    if flat.is_cut_off { nested } else { flat }
}

/// Whether a text has a line that opens or closes a block.
pub(super) fn has_fence(text: &str) -> bool {
    text.lines().any(|line| Fence::of(line).is_some())
}

/// A fence that is longer than every fence of a text: three backticks or more.
pub(super) fn fence_around(text: &str) -> String {
    let fences = text.lines().filter_map(Fence::of);
    let longest = fences.map(|fence| fence.length).max().unwrap_or(0);
    "`".repeat((longest + 1).max(SHORTEST))
}

/// The fewest characters of a fence.
const SHORTEST: usize = 3;

/// The deepest indentation of a fence. More of it is an indented text.
const DEEPEST: usize = 3;

/// Words for the language of a block that are no beginning of a text.
const LANGUAGES: [&str; 24] = [
    "markdown",
    "md",
    "txt",
    "plaintext",
    "json",
    "jsonl",
    "yaml",
    "yml",
    "toml",
    "xml",
    "html",
    "python",
    "py",
    "javascript",
    "js",
    "typescript",
    "ts",
    "bash",
    "sh",
    "shell",
    "sql",
    "rust",
    "jinja",
    "jinja2",
];

/// Words for the language of a block that a text can begin with as well.
const LANGUAGES_AND_WORDS: [&str; 8] = [
    "text",
    "plain",
    "prompt",
    "instruction",
    "instructions",
    "system",
    "template",
    "output",
];

/// Signs without a width. Models put them in front of a fence.
const INVISIBLE: [char; 5] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}'];

/// A line that opens or closes a block.
#[derive(Clone, Copy)]
struct Fence<'t> {
    mark: u8,
    length: usize,
    indentation: usize,
    /// What follows on the line.
    rest: &'t str,
}

impl<'t> Fence<'t> {
    fn of(line: &'t str) -> Option<Self> {
        let line = line.trim_start_matches(INVISIBLE);
        let text = line.trim_start_matches(' ');
        let indentation = line.len() - text.len();
        let text = text.trim_start_matches(INVISIBLE);
        let mark = *text.as_bytes().first()?;
        if indentation > DEEPEST || !matches!(mark, b'`' | b'~') {
            return None;
        }
        let length = text.bytes().take_while(|byte| *byte == mark).count();
        let rest = text[length..].trim_matches(is_blank);
        let is_inline = mark == b'`' && rest.contains('`');
        (length >= SHORTEST && !is_inline).then_some(Self {
            mark,
            length,
            indentation,
            rest,
        })
    }

    /// The block of this fence around what stands at `place`.
    fn block(&self, reply: &'t str, place: Range<usize>) -> Block<'t> {
        let inside = &reply[place.clone()];
        let text = if self.indentation == 0 {
            Cow::Borrowed(inside.trim())
        } else {
            let lines = inside.lines().map(|line| {
                let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
                &line[spaces.min(self.indentation)..]
            });
            let lines: Vec<&str> = lines.collect();
            Cow::Owned(lines.join("\n").trim().to_owned())
        };
        let language = if names_language(self.rest) {
            self.rest.split_whitespace().next().unwrap_or_default()
        } else {
            ""
        };
        Block {
            text,
            language,
            place,
        }
    }

    fn closes(&self, open: &Fence<'_>) -> bool {
        self.mark == open.mark && self.length >= open.length && self.rest.is_empty()
    }

    fn opens_inside(&self, open: &Fence<'_>) -> bool {
        self.mark == open.mark && self.length >= open.length && names_language(self.rest)
    }

    /// Whether a line of text ends with a fence that closes this one.
    fn closed_at_end_of<'l>(&self, line: &'l str) -> Option<&'l str> {
        let line = line.trim_end();
        let text = line.trim_end_matches(char::from(self.mark));
        (line.len() - text.len() == self.length && !text.trim().is_empty()).then_some(text)
    }
}

/// A block that is open: its fence, and where its text begins.
struct Open<'t> {
    fence: Fence<'t>,
    start: usize,
    inner: usize,
}

fn read<'t>(reply: &'t str, current: &str, is_nested: bool) -> Fences<'t> {
    let mut found = Fences::default();
    let mut open: Option<Open<'t>> = None;
    let mut next = 0;
    while next < reply.len() {
        let at = next;
        let end = reply[at..]
            .find('\n')
            .map_or(reply.len(), |length| at + length + 1);
        let line = &reply[at..end];
        next = end;
        let fence = Fence::of(line);
        match (&mut open, fence) {
            (None, Some(fence)) => {
                let start = if begins_text(fence.rest) {
                    at + line.find(fence.rest).unwrap_or(0)
                } else {
                    end
                };
                if let Some((place, after)) = quote(reply, start, current, &fence) {
                    found.blocks.push(Block {
                        text: Cow::Borrowed(&reply[place.clone()]),
                        language: "",
                        place,
                    });
                    next = after;
                } else {
                    open = Some(Open {
                        fence,
                        start,
                        inner: 0,
                    });
                }
            }
            (None, None) => {
                if let Some(text) = block_on_one_line(line) {
                    found.blocks.push(Block {
                        text: Cow::Borrowed(text),
                        language: "",
                        place: at..end,
                    });
                }
            }
            (Some(block), Some(fence)) if fence.closes(&block.fence) => {
                if block.inner > 0 {
                    block.inner -= 1;
                } else {
                    let place = block.start.min(at)..at;
                    found.blocks.push(block.fence.block(reply, place));
                    open = None;
                }
            }
            (Some(block), Some(fence)) if is_nested && fence.opens_inside(&block.fence) => {
                block.inner += 1;
            }
            (Some(_), _) => {}
        }
    }
    if let Some(block) = open {
        match block.fence.closed_at_end_of(&reply[block.start..]) {
            Some(text) if block.inner == 0 => {
                let place = block.start..block.start + text.len();
                found.blocks.push(block.fence.block(reply, place));
            }
            _ => found.is_cut_off = true,
        }
    }
    found
}

/// The place of the quoted text and where the reply goes on, if the block that opens at `start` holds exactly the
/// present text.
fn quote(
    reply: &str,
    start: usize,
    current: &str,
    open: &Fence<'_>,
) -> Option<(Range<usize>, usize)> {
    let current = current.trim();
    if !has_fence(current) {
        return None;
    }
    let inside = &reply[start..];
    let lead = inside.len() - inside.trim_start().len();
    let after = inside[lead..].strip_prefix(current)?;
    let blank = after.len() - after.trim_start().len();
    let rest = &after[blank..];
    let end = rest.find('\n').map_or(rest.len(), |length| length + 1);
    let is_closed = after[..blank].contains('\n') && Fence::of(&rest[..end])?.closes(open);
    let text_start = start + lead;
    let text_end = text_start + current.len();
    is_closed.then_some((text_start..text_end, text_end + blank + end))
}

/// The text of a line like "```Answer briefly.```".
fn block_on_one_line(line: &str) -> Option<&str> {
    let line = line.trim_matches(is_blank);
    let text = line.trim_start_matches('`');
    let length = line.len() - text.len();
    let inside = text.trim_end_matches('`');
    let is_block =
        length >= SHORTEST && text.len() - inside.len() == length && !inside.contains('`');
    is_block.then_some(inside.trim())
}

fn is_blank(sign: char) -> bool {
    sign.is_whitespace() || INVISIBLE.contains(&sign)
}

/// Whether the words after an opening fence are the beginning of the text and no info string.
fn begins_text(rest: &str) -> bool {
    !rest.is_empty() && !names_language(rest)
}

fn names_language(rest: &str) -> bool {
    let is_attribute_list = ["{.", "{#"].iter().any(|start| rest.starts_with(start));
    if is_attribute_list && rest.ends_with('}') {
        return true;
    }
    let mut words = rest.split_whitespace();
    let Some(first) = words.next() else {
        return false;
    };
    let lower = first.to_ascii_lowercase();
    if LANGUAGES.contains(&&*lower) {
        return true;
    }
    let is_attributed = words.all(is_attribute);
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+#.-".contains(&byte);
    let is_word = LANGUAGES_AND_WORDS.contains(&&*lower)
        || (first.bytes().all(is_name) && !first.ends_with('.'));
    is_attributed && (is_word || is_attribute(first))
}

/// Whether a word is an attribute of an info string: `title=x`, `{.python}`, `"a.md"`.
fn is_attribute(word: &str) -> bool {
    let is_braced = word.starts_with("{.") || word.starts_with("{#");
    word.contains('=') || is_braced || word.ends_with('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: &str, blocks: &[&str], is_cut_off: bool) {
        let found = fences_of(reply, "old\n```\nsample\n```\nend");
        let texts: Vec<&str> = found.blocks.iter().map(|block| &*block.text).collect();
        assert_eq!(
            (texts.as_slice(), found.is_cut_off),
            (blocks, is_cut_off),
            "{reply}"
        );
    }

    #[test]
    fn fences_of_any_length_and_kind_enclose_a_block() {
        check("```\na\n```", &["a"], false);
        check(
            "````md\na\n```\nb\n```\nc\n````\n",
            &["a\n```\nb\n```\nc"],
            false,
        );
        check("~~~\na\n```\nb\n~~~~", &["a\n```\nb"], false);
        check("  ```\n  a\n   ```", &["a"], false);
        check("\r\n```\r\na\r\nb\r\n```\r\n", &["a\r\nb"], false);
        check("no block, `code` and ``` alone", &[], false);
        check("    ```\n    a\n    ```", &[], false);
    }

    #[test]
    fn the_indentation_of_a_fence_is_taken_off_every_line() {
        check(
            "1. New:\n   ```\n   First.\n     - second\n\n  third\n   ```",
            &["First.\n  - second\n\nthird"],
            false,
        );
    }

    #[test]
    fn signs_without_a_width_are_no_part_of_a_fence() {
        check(
            "\u{feff}```md\u{200b}\na\n\u{200b}```\u{200b}\n",
            &["a"],
            false,
        );
    }

    #[test]
    fn several_blocks_are_found_in_order() {
        check("x\n```\na\n```\ny\n~~~\nb\n~~~\nz", &["a", "b"], false);
        let quoted = "```\nold\n```\nsample\n```\nend\n```\nBetter:\n```\nnew\n```";
        check(quoted, &["old\n```\nsample\n```\nend", "new"], false);
    }

    #[test]
    fn an_inner_block_with_a_language_belongs_to_the_outer_one() {
        check(
            "```\na\n```py\nx\n```\nb\n```",
            &["a\n```py\nx\n```\nb"],
            false,
        );
        check(
            "```\nUse a fence:\n```json\n```",
            &["Use a fence:\n```json"],
            false,
        );
    }

    #[test]
    fn an_info_string_is_no_text_and_a_text_is_no_info_string() {
        check("```markdown title=prompt.md\na\n```", &["a"], false);
        check("```Markdown\na\n```", &["a"], false);
        check("```text\na\n```", &["a"], false);
        check("```prompt-v2\na\n```", &["a"], false);
        check("```{.markdown #id}\na\n```", &["a"], false);
        check("```{q}\na\n```", &["{q}\na"], false);
        check("```{.python title=\"a\"}\na\n```", &["a"], false);
        check("```Classify:\na\n```", &["Classify:\na"], false);
        check(
            "```answer the question\nbriefly\n```",
            &["answer the question\nbriefly"],
            false,
        );
        check(
            "```text is sorted\nby tone\n```",
            &["text is sorted\nby tone"],
            false,
        );
        check("```answer {q} briefly```", &["answer {q} briefly"], false);
    }

    #[test]
    fn a_block_without_an_end_is_cut_off() {
        check("```\na", &[], true);
        check("```\na\n```\n```\nb", &["a"], true);
        check("```\na\n``", &[], true);
        check("````\na\n```", &[], true);
        check("```\na.```", &["a."], false);
    }

    #[test]
    fn a_fence_around_a_text_is_longer_than_those_inside() {
        assert_eq!(fence_around("a"), "```");
        assert_eq!(fence_around("a\n````md\nb\n````"), "`````");
    }
}
