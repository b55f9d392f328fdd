//! TLS options: they are checked as far as they go, then refused, because this build cannot encrypt.

use crate::failure::{Failure, USAGE};
use crate::options::settings::Tls;

const MISSING: &str = "Error: This build of Pondhawk has no TLS yet. Connect to a listener without TLS, and leave \
                       out the TLS options.";

/// # Errors
/// The first mistake, or that there is no TLS.
pub(super) fn check(tls: &Tls) -> Result<(), Failure> {
    if let Some(text) = mistake(tls) {
        return Err(Failure::new(USAGE, text));
    }
    if tls.wanted() {
        return Err(Failure::new(USAGE, MISSING));
    }
    Ok(())
}

fn mistake(tls: &Tls) -> Option<&'static str> {
    let there = |path: &Option<std::path::PathBuf>| path.as_ref().is_none_or(|path| path.exists());
    let version = tls.version.as_deref().unwrap_or("tlsv1.2");
    let key_form = tls.key_form.as_deref().unwrap_or("pem");
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    if ![&tls.ca_file, &tls.ca_path, &tls.cert, &tls.key].into_iter().all(there) {
        Some("Error: Problem setting TLS options: File not found.")
    } else if !matches!(version, "tlsv1.1" | "tlsv1.2" | "tlsv1.3") {
        Some("Error: Problem setting TLS options, check the options are valid.")
    } else if !matches!(key_form, "pem" | "engine") {
        Some("Error: Problem setting key form, it must be one of 'pem' or 'engine'.")
    } else if tls.engine_key_sha1.as_deref().is_some_and(|sha1| sha1.len() != 40 || !is_hex(sha1)) {
        Some("Error: Problem setting TLS engine key pass sha, is it a 40 character hex string?")
    } else if tls.psk.as_deref().is_some_and(|key| !is_hex(key)) {
        Some("Error: Problem setting TLS-PSK options.")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_come_before_the_missing_capability() {
        let text = |tls: Tls| check(&tls).map_err(|failure| failure.text);
        assert_eq!(text(Tls::default()), Ok(()));
        let os_certs = Tls { os_certs: true, ..Tls::default() };
        assert_eq!(text(os_certs.clone()), Err(MISSING.to_owned()));
        assert_eq!(text(Tls { off: true, ..os_certs }), Ok(()));
        for (tls, part) in [
            (Tls { ca_file: Some("/nonexistent".into()), ..Tls::default() }, "File not found."),
            (Tls { version: Some("x".to_owned()), ..Tls::default() }, "check the options are valid."),
            (Tls { key_form: Some("x".to_owned()), ..Tls::default() }, "'pem' or 'engine'."),
            (Tls { psk: Some("xyz".to_owned()), ..Tls::default() }, "TLS-PSK options."),
            (Tls { engine_key_sha1: Some("ab".to_owned()), ..Tls::default() }, "40 character hex"),
        ] {
            assert!(text(tls).expect_err(part).contains(part));
        }
    }
}
