//! Runs of digits with the marks inside them.

/// The space that sets thousands apart and never words.
pub(super) const THIN_SPACE: char = '\u{a0}';

/// Digits with what stands between them, read as one value.
pub(super) struct Core {
    pub(super) digits: String,
    pub(super) is_whole: bool,
}

/// The parts of a run that is several numbers, such as `1,2,3`; `None` where it is one that is written
/// in no known way, such as `12,345,67`.
pub(super) fn parts_of(run: &str) -> Option<Vec<Core>> {
    let parts: Vec<&str> = run.split([',', THIN_SPACE]).collect();
    let has_group = parts.iter().skip(1).any(|part| part.len() == 3);
    if has_group || run.contains(['\'', '_']) {
        return None;
    }
    parts.into_iter().map(interpret).collect()
}

/// `0x1F`, `0b101`, `0o17`: the value, `None` where the digits are none of its kind, and the length.
pub(super) fn of_other_base(text: &str) -> Option<(Option<f64>, usize)> {
    let base = match text.as_bytes().get(..2)? {
        b"0x" | b"0X" => 16,
        b"0b" | b"0B" => 2,
        b"0o" | b"0O" => 8,
        _ => return None,
    };
    let digits = &text[2..];
    let length = digits.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let value = u64::from_str_radix(&digits[..length], base).ok();
    let length = 2 + length;
    let ends = !text[length..].starts_with(char::is_alphanumeric);
    (length > 2).then(|| (value.filter(|_| ends).map(|value| value as f64), length))
}

/// Digits with single separators between digits.
pub(super) fn core_run(text: &str) -> &str {
    let mut end = 0;
    let mut pending = None;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
            pending = None;
        } else if pending.is_none() && matches!(c, ',' | '.' | '\'' | '_' | THIN_SPACE) {
            pending = Some(c);
        } else {
            break;
        }
    }
    &text[..end]
}

/// The digits of a run with a point for its decimals; `None` where it is not one number.
pub(super) fn interpret(run: &str) -> Option<Core> {
    let marks: Vec<char> = run.chars().filter(|c| !c.is_ascii_digit()).collect();
    let whole = |digits: String| Core {
        digits,
        is_whole: true,
    };
    let decimal = |digits: String| Core {
        digits,
        is_whole: false,
    };
    let Some((last, others)) = marks.split_last() else {
        return (!run.is_empty()).then(|| whole(run.to_owned()));
    };
    if others.is_empty() && *last == '.' {
        return Some(decimal(run.to_owned()));
    }
    // A single group behind a point is decimals.
    if (*last != '.' || !others.is_empty())
        && is_grouped(run, *last)
        && marks.iter().all(|mark| mark == last)
    {
        return Some(whole(run.replace(*last, "")));
    }
    let (front, decimals) = run.rsplit_once(*last)?;
    if !matches!(last, '.' | ',') {
        return None;
    }
    let joins = match others.first() {
        None => *last == ',',
        Some(mark) => {
            mark != last && others.iter().all(|one| one == mark) && is_grouped(front, *mark)
        }
    };
    let front = others
        .first()
        .map_or_else(|| front.to_owned(), |mark| front.replace(*mark, ""));
    joins.then(|| decimal(format!("{front}.{decimals}")))
}

/// Groups of three behind a first one of at most three; with commas also those of India. What stands
/// behind `0,` is decimals.
fn is_grouped(run: &str, mark: char) -> bool {
    let groups: Vec<&str> = run.split(mark).collect();
    let Some((first, rest)) = groups.split_first() else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return false;
    };
    if first.is_empty() || first.len() > 3 || first.starts_with('0') || last.len() != 3 {
        return false;
    }
    let thousands = middle.iter().all(|group| group.len() == 3);
    let indian = mark == ',' && first.len() <= 2 && middle.iter().all(|group| group.len() == 2);
    thousands || indian
}
