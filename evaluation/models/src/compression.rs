//! Replies that a provider, or a proxy on the way, compresses unrequested.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// How the body of a reply is compressed; `None` where it is not.
pub(super) fn compression_of(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(CONTENT_ENCODING)?;
    let name = String::from_utf8_lossy(name.as_bytes());
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty() && name != "identity").then_some(name)
}

/// The body without its compression, if it has at most `most` bytes then.
///
/// # Errors
///
/// Says why it cannot be read.
pub(super) fn decompressed(body: &[u8], compression: &str, most: usize) -> Result<Vec<u8>, String> {
    let limit = most as u64 + 1;
    let mut plain = Vec::new();
    let read = match compression {
        "gzip" | "x-gzip" => MultiGzDecoder::new(body)
            .take(limit)
            .read_to_end(&mut plain),
        "deflate" => ZlibDecoder::new(body).take(limit).read_to_end(&mut plain),
        _ => {
            return Err(format!(
                "the reply is compressed as `{compression}`, which was not requested and is not read; let \
                 the proxy on the way send replies uncompressed or as `gzip`"
            ));
        }
    };
    match read {
        Err(error) => Err(format!(
            "the reply says that it is compressed as `{compression}` and cannot be read as that: {error}"
        )),
        Ok(_) if plain.len() > most => Err(format!(
            "the reply is compressed and has more than {most} bytes without that"
        )),
        Ok(_) => Ok(plain),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn compressed_bodies_are_read_up_to_their_limit() {
        let text = "pos ".repeat(1_000);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(text.as_bytes()).unwrap();
        let zlib = zlib.finish().unwrap();
        for (body, name) in [(&gzip, "gzip"), (&gzip, "x-gzip"), (&zlib, "deflate")] {
            assert_eq!(decompressed(body, name, 4_000).unwrap(), text.as_bytes());
            assert!(
                decompressed(body, name, 3_999)
                    .unwrap_err()
                    .contains("3999")
            );
        }
        let torn = decompressed(&gzip[..20], "gzip", 4_000).unwrap_err();
        assert!(torn.contains("cannot be read"), "{torn}");
        let other = decompressed(b"xx", "br", 4_000).unwrap_err();
        assert!(other.contains("compressed as `br`"), "{other}");
    }
}
