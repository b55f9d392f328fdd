//! A password file. It loads whole or is refused with lines that exist; no hash of it is computed, because the cost
//! of one is what its caps allow, and that is far from what a fuzzer should spend on an input.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pondhawk_auth::PasswordFile;

fuzz_target!(|data: &[u8]| match PasswordFile::parse(data, Path::new("passwords")) {
    Ok(file) => {
        assert_eq!(file.is_empty(), file.len() == 0);
        assert!(!file.is_empty() || !file.verify("nobody", b"nothing"));
        for warning in file.warnings() {
            assert!(!warning.to_string().contains('\n'), "a warning is one line of the log");
        }
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
