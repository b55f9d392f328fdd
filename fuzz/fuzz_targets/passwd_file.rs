//! A password file. It loads whole or is refused with lines that exist; no hash of it is computed, because the cost
//! of one is what its caps allow, and that is far from what a fuzzer should spend on an input.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pondhawk_auth::PasswordFile;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    match PasswordFile::parse(data, Path::new("passwords")) {
        Ok(file) => {
            assert_eq!(file.is_empty(), file.len() == 0);
            assert!(!file.is_empty() || !file.verify("nobody", b"nothing"));
            assert_eq!(file.len(), users(data).count());
            assert!(users(data).all(|user| file.contains(user)));
            for warning in file.warnings() {
                assert!(!warning.to_string().contains('\n'), "a warning is one line of the log");
            }
        }
        Err(error) => {
            assert!(!error.lines().is_empty());
            for bad in error.lines() {
                assert!((1..=lines.len()).contains(&bad.line), "{bad:?}");
                assert!(!bad.to_string().contains('\n'), "each is one line of the log");
            }
        }
    }
});

/// The names in front of the colons, as one reads them in a file that is good.
fn users(data: &[u8]) -> impl Iterator<Item = &str> {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let text = data.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    let text = text.filter_map(|line| std::str::from_utf8(line).ok());
    text.filter_map(|line| line.split_once(':').map(|(user, _)| user.trim_ascii()))
}
