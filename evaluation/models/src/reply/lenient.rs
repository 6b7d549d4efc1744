//! Reading JSON that Python and JavaScript clients read although it is none: byte order marks, NaN
//! and infinities, raw control characters, lone surrogates, bytes that are not UTF-8.

use serde_json::{Deserializer, Value};

/// How much of the text around a fault is quoted on either side, in bytes.
const QUOTED: usize = 16;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Where a body stops being JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    /// The first byte that makes no sense, from 0; the length of the body where its end is missing.
    pub(crate) at: usize,
    /// What was expected there, with the text around it.
    pub(crate) reason: String,
}

/// A body as JSON, and whether it is JSON as it stands.
pub(crate) fn read(body: &[u8]) -> Result<(Value, bool), NotJson> {
    if let Ok(json) = serde_json::from_slice(body) {
        return Ok((json, true));
    }
    let decoded = in_utf8(body);
    let body = decoded.as_deref().unwrap_or(body);
    let mended = Mended::of(body);
    match serde_json::from_slice(&mended.bytes) {
        Ok(json) => Ok((json, false)),
        Err(error) => Err(mended.fault(&error, body)),
    }
}

/// The first JSON value in `bytes`; text after it is ignored.
pub(crate) fn read_first(bytes: &[u8]) -> Option<Value> {
    let mended = Mended::of(bytes);
    let mut values = Deserializer::from_slice(&mended.bytes).into_iter();
    values.next()?.ok()
}

/// A body in UTF-16, told by its byte order mark, as UTF-8.
fn in_utf8(body: &[u8]) -> Option<Vec<u8>> {
    let (rest, is_little_endian) = match body {
        [0xFF, 0xFE, rest @ ..] => (rest, true),
        [0xFE, 0xFF, rest @ ..] => (rest, false),
        _ => return None,
    };
    let unit = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if is_little_endian {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }
    };
    let units: Vec<u16> = rest.chunks_exact(2).map(unit).collect();
    Some(String::from_utf16_lossy(&units).into_bytes())
}

/// A body with everything replaced that strict JSON does not allow.
struct Mended {
    bytes: Vec<u8>,
    /// From these places on, a byte of `bytes` stands for this byte of the body.
    anchors: Vec<(usize, usize)>,
}

struct Mender<'b> {
    body: &'b [u8],
    at: usize,
    mended: Mended,
}

impl Mended {
    fn of(body: &[u8]) -> Self {
        let mut mender = Mender {
            body,
            at: 0,
            mended: Self {
                bytes: Vec::with_capacity(body.len() + QUOTED),
                anchors: vec![(0, 0)],
            },
        };
        if body.starts_with("\u{feff}".as_bytes()) {
            mender.replace(3, b"");
        }
        let mut in_string = false;
        while let Some(byte) = body.get(mender.at).copied() {
            if byte == b'"' {
                in_string = !in_string;
                mender.copy(1);
            } else if in_string {
                mender.take_in_string(byte);
            } else {
                mender.take_outside(byte);
            }
        }
        mender.mended
    }

    fn fault(&self, error: &serde_json::Error, body: &[u8]) -> NotJson {
        let before = self.bytes.split(|byte| *byte == b'\n');
        let line_start: usize = before
            .take(error.line().saturating_sub(1))
            .map(|line| line.len() + 1)
            .sum();
        let place = line_start + error.column().saturating_sub(1);
        let anchor = self.anchors.iter().rev().find(|(from, _)| *from <= place);
        let (from, original) = anchor.copied().unwrap_or_default();
        let at = if error.is_eof() {
            body.len()
        } else {
            (original + place - from).min(body.len())
        };
        let text = error.to_string();
        let said = text.split(" at line ").next().unwrap_or_default();
        let around = &body[at.saturating_sub(QUOTED)..body.len().min(at + QUOTED)];
        let around = String::from_utf8_lossy(around).replace(char::is_control, " ");
        NotJson {
            at,
            reason: format!("{said}, near `{around}`"),
        }
    }
}

impl Mender<'_> {
    fn copy(&mut self, count: usize) {
        let end = self.body.len().min(self.at + count);
        let copied = &self.body[self.at..end];
        self.mended.bytes.extend_from_slice(copied);
        self.at = end;
    }

    fn replace(&mut self, count: usize, by: &[u8]) {
        self.mended.bytes.extend_from_slice(by);
        self.at += count;
        self.mended.anchors.push((self.mended.bytes.len(), self.at));
    }

    fn take_in_string(&mut self, byte: u8) {
        let rest = &self.body[self.at..];
        match byte {
            b'\\' => match unicode_escape(rest) {
                Some(0xD800..0xDC00) => {
                    let low = unicode_escape(rest.get(6..).unwrap_or_default());
                    match low {
                        Some(0xDC00..0xE000) => self.copy(12),
                        _ => self.replace(6, REPLACEMENT),
                    }
                }
                Some(0xDC00..0xE000) => self.replace(6, REPLACEMENT),
                _ => self.copy(2),
            },
            ..0x20 => self.replace(1, format!("\\u{byte:04x}").as_bytes()),
            0x20..0x80 => self.copy(1),
            _ => {
                let is_character = |count: &usize| {
                    let bytes = rest.get(..*count);
                    bytes.is_some_and(|bytes| std::str::from_utf8(bytes).is_ok())
                };
                match (2..=4).find(is_character) {
                    Some(count) => self.copy(count),
                    None => self.replace(1, REPLACEMENT),
                }
            }
        }
    }

    fn take_outside(&mut self, byte: u8) {
        let rest = &self.body[self.at..];
        let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
        if let Some(word) = words.into_iter().find(|word| rest.starts_with(word)) {
            return self.replace(word.len(), b"null");
        }
        if !byte.is_ascii_digit() && byte != b'-' {
            return self.copy(1);
        }
        let of_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let count = rest.iter().take_while(of_number).count();
        let number = std::str::from_utf8(&rest[..count]).ok();
        let value: Option<f64> = number.and_then(|number| number.parse().ok());
        if value.is_some_and(f64::is_infinite) {
            self.replace(count, b"null");
        } else {
            self.copy(count);
        }
    }
}

/// The code of `\uXXXX` at the beginning of `bytes`.
fn unicode_escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

/// JSON of a stream's line or an error's body, as leniently as that of a reply.
pub(crate) fn lenient_json(bytes: &[u8]) -> Option<Value> {
    read(bytes).ok().map(|(json, _)| json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &[u8], expected: &Value) {
        let (json, is_strict) = read(body).unwrap();
        assert_eq!(&json, expected, "{}", String::from_utf8_lossy(body));
        assert!(!is_strict);
    }

    #[test]
    fn what_python_and_javascript_clients_read_is_read() {
        check(b"\xEF\xBB\xBF{\"a\": 1}", &json!({"a": 1}));
        check(b"\xFF\xFE{\0}\0", &json!({}));
        check(b"\xFE\xFF\0[\0]", &json!([]));
        check(
            b"[NaN, Infinity, -Infinity, 1e999, -1e999, -1.5]",
            &json!([null, null, null, null, null, -1.5]),
        );
        check(b"[\"NaN\", NaN]", &json!(["NaN", null]));
        check(b"[\"a\nb\tc\x01\"]", &json!(["a\nb\tc\u{1}"]));
        check(
            br#"["x \ud83d", "\udc00", "\ud83d\ud83d\ude00"]"#,
            &json!(["x \u{fffd}", "\u{fffd}", "\u{fffd}\u{1f600}"]),
        );
        check(
            b"[\"caf\xE9\", \"caf\xC3\xA9\"]",
            &json!(["caf\u{fffd}", "caf\u{e9}"]),
        );
        check(
            b"[\"quote \\\" and \\\\\", NaN]",
            &json!(["quote \" and \\", null]),
        );
    }

    #[test]
    fn json_as_it_stands_is_told_apart() {
        assert_eq!(read(b" {\"a\": [1]}\n"), Ok((json!({"a": [1]}), true)));
    }

    #[test]
    fn the_byte_that_is_wrong_is_counted_in_what_was_sent() {
        for (body, at) in [
            (&b"{\"a\": 1,}"[..], 8),
            (b"\xEF\xBB\xBF{\"a\": x}", 9),
            (b"[NaN,\n\"\\ud83d\",\n y]", 17),
            (b"{\"a\": ", 6),
            (b"", 0),
            (b"nothing", 1),
        ] {
            let fault = read(body).unwrap_err();
            assert_eq!(
                fault.at,
                at,
                "{fault:?} in {}",
                String::from_utf8_lossy(body)
            );
        }
        let fault = read(b"{\"choices\": [1, 2,, 3]}").unwrap_err();
        assert_eq!(
            fault.reason,
            "expected value, near `choices\": [1, 2,, 3]}`"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = (read(&body), read_first(&body));
        }

        #[test]
        fn whatever_follows_the_first_value_is_ignored(text in "[a-z\"\\\\ ]{0,16}", rest in ".{0,8}") {
            let body = format!("{} {rest}", Value::String(text.clone()));
            proptest::prop_assert_eq!(read_first(body.as_bytes()), Some(Value::String(text)));
        }
    }
}
