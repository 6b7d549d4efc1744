//! Files that a person names, read within bounds and without waiting for a writer that never comes.

use std::fs::{File, FileType};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Places of pipes that a shell made, as in `<(command)`. Their writer runs already.
const PIPES_OF_SHELLS: [&str; 4] = [
    "/dev/fd",
    "/dev/stdin",
    "/proc/self/fd",
    "/proc/thread-self",
];

/// Opens a file to read. A named pipe is refused: without a writer it would be waited for without end.
///
/// # Errors
/// The file is a named pipe, or the system cannot open it.
pub fn open_named(path: &Path) -> Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    let is_of_shell = PIPES_OF_SHELLS.iter().any(|place| path.starts_with(place));
    if is_pipe(kind) && !is_of_shell {
        let text = "it is a named pipe, which is not read; write its content to a file";
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    File::open(path)
}

/// The bytes of a file, at most `most` of them.
///
/// # Errors
/// As [`open_named`], or the file has more bytes.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_named(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let text = format!("it has more than the {most} bytes that are allowed");
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

/// The text of a file of at most `most` bytes.
///
/// # Errors
/// As [`read_bounded`], or the bytes are not UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read_bounded(path, most)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let refused = read_text(&path, 3).unwrap_err().to_string();
        assert_eq!(refused, "it has more than the 3 bytes that are allowed");
        std::fs::write(&path, b"\xff").unwrap();
        let refused = read_text(&path, 4).unwrap_err().to_string();
        assert_eq!(refused, "stream did not contain valid UTF-8");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_an_end_is_refused() {
        let refused = read_text(Path::new("/dev/zero"), 1_000).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
    }
}
