//! `$7$ITERATIONS$SALT$HASH`: PBKDF2 with HMAC-SHA-512 and 64 bytes of output, what Mosquitto 2 writes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha512;
use subtle::ConstantTimeEq;

use super::{DIGEST_BYTES, HashError, ITERATIONS_MAX, decode_digest, decode_salt};

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pbkdf2Hash {
    iterations: u32,
    salt: Box<[u8]>,
    digest: [u8; DIGEST_BYTES],
}

impl Pbkdf2Hash {
    pub(super) fn create(password: &[u8], iterations: u32, salt: Vec<u8>) -> Result<Pbkdf2Hash, HashError> {
        let iterations = checked(u64::from(iterations))?;
        Ok(Pbkdf2Hash { iterations, digest: digest(password, &salt, iterations), salt: salt.into() })
    }

    pub(super) fn parse(rest: &str) -> Result<Pbkdf2Hash, HashError> {
        let form = || HashError::Form("$7$ITERATIONS$SALT$HASH");
        let (iterations, rest) = rest.split_once('$').ok_or_else(form)?;
        let (salt, digest) = rest.split_once('$').ok_or_else(form)?;
        Ok(Pbkdf2Hash {
            iterations: checked(super::number(iterations, "number of iterations")?)?,
            salt: decode_salt(salt)?.into(),
            digest: decode_digest(digest)?,
        })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        digest(password, &self.salt, self.iterations).ct_eq(&self.digest).into()
    }

    /// Two SHA-512 blocks an iteration.
    pub(super) fn cost(&self) -> u64 {
        u64::from(self.iterations) * 600
    }

    pub(super) fn digest_mut(&mut self) -> &mut [u8] {
        &mut self.digest
    }
}

fn checked(iterations: u64) -> Result<u32, HashError> {
    let max = u64::from(ITERATIONS_MAX);
    match u32::try_from(iterations) {
        Ok(0) => Err(HashError::Number("number of iterations")),
        Ok(value) if value <= ITERATIONS_MAX => Ok(value),
        _ => Err(HashError::TooCostly { name: "number of iterations", value: iterations, max }),
    }
}

fn digest(password: &[u8], salt: &[u8], iterations: u32) -> [u8; DIGEST_BYTES] {
    pbkdf2::pbkdf2_hmac_array::<Sha512, DIGEST_BYTES>(password, salt, iterations)
}

impl fmt::Display for Pbkdf2Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$7${}${}${}", self.iterations, STANDARD.encode(&self.salt), STANDARD.encode(self.digest))
    }
}

#[cfg(test)]
mod tests {
    use crate::hash::{HashError, ITERATIONS_MAX, PasswordHash, Scheme};

    /// Made with Python's `hashlib.pbkdf2_hmac`: 12 and 64 bytes of salt, several counts.
    const VECTORS: [(&str, &str); 3] = [
        (
            "hello",
            "$7$101$AAECAwQFBgcICQoL$1fzohncNLczmOnNEziwT1/o0XDeuY5QH8IfgETI6a5NT1djEbpZqnLODch2vuMdiu48Aa32o/B0tmGiDP5dlDA==",
        ),
        (
            "päss",
            "$7$1000$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$InA1QvxvXpmqIX3qA3P05HqZsIWU7GZM7GMn/ew0GiBnxAmGNC5QBmUMKER1mk7/JuBr3EsQqF8eL4lk9pAKaQ==",
        ),
        (
            "",
            "$7$1$AAECAwQFBgcICQoL$bdH7l7sgPaNRIMTFx91Nx4T0QY+VinIGrPJB18LN9R6ZmC5BazhvngmmjGtmdtmEAdcVZkTZuqNZTnNujVrTKw==",
        ),
    ];

    #[test]
    fn foreign_entries_verify() {
        for (password, text) in VECTORS {
            let hash: PasswordHash = text.parse().unwrap();
            assert!(hash.verify(password.as_bytes()), "{password}");
            assert!(!hash.verify(b"other"));
            assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn hostile_iteration_counts_are_refused_unread() {
        let rest = VECTORS[0].1.strip_prefix("$7$101").unwrap();
        for count in ["4000000000", "2000001", "99999999999999999999999999"] {
            let error = format!("$7${count}{rest}").parse::<PasswordHash>().unwrap_err();
            assert!(matches!(error, HashError::TooCostly { .. }), "{count}: {error}");
        }
        for count in ["0", "", "-1", "+5", " 5", "1e3"] {
            let error = format!("$7${count}{rest}").parse::<PasswordHash>().unwrap_err();
            assert!(matches!(error, HashError::Number(_)), "{count}: {error}");
        }
        assert!(format!("$7${ITERATIONS_MAX}{rest}").parse::<PasswordHash>().is_ok());
        assert!(PasswordHash::create(b"p", Scheme::Pbkdf2 { iterations: 0 }).is_err());
        assert!(PasswordHash::create(b"p", Scheme::Pbkdf2 { iterations: ITERATIONS_MAX + 1 }).is_err());
    }

    #[test]
    fn missing_parts_are_refused() {
        for text in ["$7$", "$7$5", "$7$5$AAAA"] {
            assert!(matches!(text.parse::<PasswordHash>(), Err(HashError::Form(_))), "{text}");
        }
        assert_eq!("$7$5$AAAA$".parse::<PasswordHash>(), Err(HashError::Encoding("hash")));
    }
}
