//! Reads files that people write: secrets, keys, certificates, key sets, configurations.
//! Editors put a byte order mark before a text, which no parser expects, so it is
//! removed.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The maximum size of a file in bytes.
pub const MAX_LEN: u64 = 4 << 20;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The text in the file at `path`, without a byte order mark.
pub fn read_text(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// The bytes of the file at `path`, for keys that are not text.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, MAX_LEN)
}

/// The bytes of `source`; an error if there are more than `most`.
pub fn read_from(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(invalid(format!("longer than {most} bytes")));
    }
    Ok(bytes)
}

/// `bytes` as UTF-8 text, without a byte order mark.
pub fn text(mut bytes: Vec<u8>) -> io::Result<String> {
    strip_mark(&mut bytes);
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(invalid("it is UTF-16; save the file as UTF-8"));
    }
    // The standard library's error contains the bytes, which may be a secret.
    String::from_utf8(bytes).map_err(|error| invalid(format!("not UTF-8: {}", error.utf8_error())))
}

/// The text of a file without the end of its last line, as secrets are read.
pub fn line(mut text: String) -> String {
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    text
}

/// Removes a UTF-8 byte order mark from the start of `bytes` (RFC 3629 §6, RFC 8259 §8.1).
pub fn strip_mark(bytes: &mut Vec<u8>) {
    if bytes.starts_with(UTF8_MARK) {
        bytes.drain(..UTF8_MARK.len());
    }
}

fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(content: &[u8]) -> io::Result<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read_text(file.path())
    }

    #[test]
    fn rfc3629_6_a_byte_order_mark_is_stripped_once_and_only_at_the_start() {
        assert_eq!(read_back(b"\xef\xbb\xbfx\r\ny").unwrap(), "x\r\ny");
        assert_eq!(read_back(b"x").unwrap(), "x");
        assert_eq!(read_back(b"").unwrap(), "");
        let twice = "\u{feff}\u{feff}x\u{feff}";
        assert_eq!(read_back(twice.as_bytes()).unwrap(), "\u{feff}x\u{feff}");
    }

    #[test]
    fn another_encoding_is_named_and_nothing_of_the_file_is_said() {
        for utf16 in [&b"\xff\xfes\0e\0"[..], b"\xfe\xff\0s\0e"] {
            let said = read_back(utf16).unwrap_err().to_string();
            assert!(said.contains("UTF-16"), "{said}");
        }
        let said = read_back(b"secret\xe9").unwrap_err();
        let said = format!("{said} {said:?}");
        assert!(said.contains("UTF-8") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn a_file_is_bounded_and_binary_keys_keep_each_byte() {
        assert_eq!(read_from(&b"abc"[..], 3).unwrap(), b"abc");
        let said = read_from(&b"abcd"[..], 3).unwrap_err().to_string();
        assert_eq!(said, "longer than 3 bytes");
        assert!(read_from(io::repeat(b'x'), MAX_LEN).is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xef\xbb\xbf\r\n").unwrap();
        assert_eq!(read(file.path()).unwrap(), b"\xef\xbb\xbf\r\n");
        assert!(read(file.path().parent().unwrap()).is_err(), "a directory");
    }

    #[test]
    fn a_secret_is_a_line_without_its_end() {
        for end in ["", "\n", "\r\n", "\r\n\r\n"] {
            assert_eq!(line(format!(" tea pot {end}")), " tea pot ");
        }
    }

    #[test]
    fn fuzz_files_that_people_write() {
        let seeds: [&[u8]; 4] = [
            b"secret\r\n",
            b"\xef\xbb\xbfsecret\n",
            b"\xff\xfes\0e\0",
            b"\xef\xbb\xbf\xef\xbb\xbf",
        ];
        fuzz::run(&seeds, |bytes| {
            assert_eq!(read_from(bytes, 40).is_ok(), bytes.len() <= 40);
            let content = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
            match text(bytes.to_vec()) {
                Ok(read) => {
                    assert_eq!(read.as_bytes(), content);
                    let secret = line(read.clone());
                    assert!(read.starts_with(&secret) && !secret.ends_with(['\r', '\n']));
                    assert!(read[secret.len()..].chars().all(|c| "\r\n".contains(c)));
                }
                Err(error) => {
                    assert!(std::str::from_utf8(content).is_err());
                    // The file may be a secret.
                    assert!(!error.to_string().contains("secret"), "{error}");
                }
            }
        });
    }
}
