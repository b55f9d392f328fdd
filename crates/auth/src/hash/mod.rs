//! One stored password: parsed from its text, checked against a password, made from one.
//!
//! Before: the part after the colon of a password file's line. After: [`crate::PasswordFile`] keeps it. Three kinds
//! exist in the field: `$6$` (Mosquitto before 2.0), `$7$` (Mosquitto 2) and `$argon2id$`.
//!
//! A stored hash decides how much work each login attempt is, so a hostile or mistyped one could stop the broker.
//! The caps [`ITERATIONS_MAX`], [`MEMORY_KIB_MAX`] and [`MEMORY_PASSES_KIB_MAX`] are checked when the text is parsed.

mod argon2id;
mod pbkdf2;
mod sha512;

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use argon2id::Argon2idHash;
use pbkdf2::Pbkdf2Hash;
use pondhawk_plants::planted;
use sha512::Sha512Hash;

/// Most PBKDF2 iterations of a stored hash: one to two seconds of work on a server core.
pub const ITERATIONS_MAX: u32 = 2_000_000;
/// PBKDF2 iterations of a new hash, as Mosquitto 2.1 has it.
pub const ITERATIONS_DEFAULT: u32 = 1000;
/// Most memory that checking one argon2id hash may take, in KiB.
pub const MEMORY_KIB_MAX: u32 = 256 << 10;
/// Most memory times passes of an argon2id hash, in KiB.
pub const MEMORY_PASSES_KIB_MAX: u64 = 1 << 20;
/// Bytes of salt in a new hash, as Mosquitto 2.1 has it.
const SALT_BYTES: usize = 64;
/// Bytes of salt in a new `$6$` hash: that kind is made for old brokers, and they accept no other length.
const SALT_BYTES_SHA512: usize = 12;
/// Longest salt accepted in a stored hash, in bytes.
const SALT_BYTES_MAX: usize = 1024;
/// Bytes of a SHA-512 digest.
const DIGEST_BYTES: usize = 64;

/// Why a text is not a usable hash, or why one could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The text starts with none of `$6$`, `$7$`, `$argon2id$`.
    #[error("unknown hash type (known are $6$, $7$ and $argon2id$)")]
    UnknownType,
    /// A part is missing or there is one too many.
    #[error("it has not the form {0}")]
    Form(&'static str),
    /// The named part is not base64, or has a wrong length.
    #[error("its {0} is not valid base64 of a valid length")]
    Encoding(&'static str),
    /// The named number is missing, malformed or zero.
    #[error("its {0} is not a valid number")]
    Number(&'static str),
    /// Checking this hash would take more work or memory than is allowed.
    #[error("its {name} is {value}, more than the {max} that one login may cost")]
    TooCostly {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The most that is accepted.
        max: u64,
    },
    /// The argon2 parameters contradict each other.
    #[error("its argon2 parameters are invalid")]
    Argon2,
    /// The operating system gave no random bytes for the salt.
    #[error("no random bytes for the salt")]
    Entropy,
}

/// How to make a new hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// argon2id, version 19.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes, computed one after the other.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2 {
        /// Iterations, at least 1.
        iterations: u32,
    },
    /// One SHA-512 over password and salt. Only for old brokers: it is cheap to guess against.
    Sha512,
}

impl Default for Scheme {
    /// argon2id with Mosquitto's parameters (46 MiB, one pass).
    fn default() -> Scheme {
        Scheme::Argon2id { memory_kib: 47104, passes: 1, lanes: 1 }
    }
}

impl Scheme {
    /// The scheme that `mosquitto_passwd -H NAME` selects, or `None` for an unknown name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Scheme> {
        match name {
            "argon2id" => Some(Scheme::default()),
            "sha512-pbkdf2" => Some(Scheme::Pbkdf2 { iterations: ITERATIONS_DEFAULT }),
            "sha512" => Some(Scheme::Sha512),
            _ => None,
        }
    }
}

/// A stored password hash whose cost is known to be bounded.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Sha512(Sha512Hash),
    Pbkdf2(Pbkdf2Hash),
    Argon2id(Argon2idHash),
}

impl PasswordHash {
    /// Hashes a password with a fresh random salt: 12 bytes for [`Scheme::Sha512`], 64 for the others.
    ///
    /// # Errors
    /// [`HashError`] when the scheme's parameters are invalid or too costly, or there are no random bytes.
    pub fn create(password: &[u8], scheme: Scheme) -> Result<PasswordHash, HashError> {
        let bytes = if scheme == Scheme::Sha512 { SALT_BYTES_SHA512 } else { SALT_BYTES };
        let mut salt = vec![0; bytes];
        getrandom::fill(&mut salt).map_err(|_| HashError::Entropy)?;
        PasswordHash::with_salt(password, scheme, salt)
    }

    fn with_salt(password: &[u8], scheme: Scheme, salt: Vec<u8>) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash(match scheme {
            Scheme::Sha512 => Kind::Sha512(Sha512Hash::create(password, salt)),
            Scheme::Pbkdf2 { iterations } => Kind::Pbkdf2(Pbkdf2Hash::create(password, iterations, salt)?),
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                Kind::Argon2id(Argon2idHash::create(password, [memory_kib, passes, lanes], salt)?)
            }
        }))
    }

    /// Whether this is the hash of the password. The digests are compared in constant time.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        if planted!(PasswordUnchecked) {
            return true;
        }
        match &self.0 {
            Kind::Sha512(hash) => hash.verify(password),
            Kind::Pbkdf2(hash) => hash.verify(password),
            Kind::Argon2id(hash) => hash.verify(password),
        }
    }

    /// How long a check takes, in rough nanoseconds: good enough to say which of two hashes is the dearer one.
    #[must_use]
    pub fn cost(&self) -> u64 {
        match &self.0 {
            Kind::Sha512(_) => 500,
            Kind::Pbkdf2(hash) => hash.cost(),
            Kind::Argon2id(hash) => hash.cost(),
        }
    }

    /// A hash of equal kind and cost that no known password has.
    pub(crate) fn decoy(&self) -> PasswordHash {
        let mut decoy = self.clone();
        let digest = match &mut decoy.0 {
            Kind::Sha512(hash) => hash.digest_mut(),
            Kind::Pbkdf2(hash) => hash.digest_mut(),
            Kind::Argon2id(hash) => hash.digest_mut(),
        };
        digest.fill(0);
        decoy
    }
}

impl FromStr for PasswordHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<PasswordHash, HashError> {
        if let Some(rest) = text.strip_prefix("$6$") {
            return Sha512Hash::parse(rest).map(|hash| PasswordHash(Kind::Sha512(hash)));
        }
        if let Some(rest) = text.strip_prefix("$7$") {
            return Pbkdf2Hash::parse(rest).map(|hash| PasswordHash(Kind::Pbkdf2(hash)));
        }
        if let Some(rest) = text.strip_prefix("$argon2id$") {
            return Argon2idHash::parse(rest).map(|hash| PasswordHash(Kind::Argon2id(hash)));
        }
        Err(HashError::UnknownType)
    }
}

impl fmt::Display for PasswordHash {
    /// The text of a password file's entry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Sha512(hash) => hash.fmt(f),
            Kind::Pbkdf2(hash) => hash.fmt(f),
            Kind::Argon2id(hash) => hash.fmt(f),
        }
    }
}

impl fmt::Debug for PasswordHash {
    /// Only the kind: a debug print in a log must not hand out what can be guessed against.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Sha512(_) => "PasswordHash($6$…)",
            Kind::Pbkdf2(_) => "PasswordHash($7$…)",
            Kind::Argon2id(_) => "PasswordHash($argon2id$…)",
        })
    }
}

/// A decimal number without sign or blanks.
fn number(text: &str, name: &'static str) -> Result<u64, HashError> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        // A number that does not fit 64 bits is a cost beyond every cap; it must not read as "malformed".
        if text.is_empty() { Err(HashError::Number(name)) } else { Ok(text.parse().unwrap_or(u64::MAX)) }
    } else {
        Err(HashError::Number(name))
    }
}

fn decode_salt(text: &str) -> Result<Vec<u8>, HashError> {
    let salt = STANDARD.decode(text).map_err(|_| HashError::Encoding("salt"))?;
    if salt.is_empty() || salt.len() > SALT_BYTES_MAX { Err(HashError::Encoding("salt")) } else { Ok(salt) }
}

fn decode_digest(text: &str) -> Result<[u8; DIGEST_BYTES], HashError> {
    let digest = STANDARD.decode(text).map_err(|_| HashError::Encoding("hash"))?;
    digest.try_into().map_err(|_| HashError::Encoding("hash"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parameters of tests: the real ones take seconds without optimization.
    pub(super) const CHEAP: [Scheme; 3] = [
        Scheme::Sha512,
        Scheme::Pbkdf2 { iterations: 3 },
        Scheme::Argon2id { memory_kib: 16, passes: 2, lanes: 1 },
    ];

    #[test]
    fn unknown_kinds_are_refused() {
        for text in ["", "plain", "$9$AAAA$AAAA", "$5$AAAA$AAAA", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$"]
        {
            assert_eq!(text.parse::<PasswordHash>(), Err(HashError::UnknownType), "{text}");
        }
    }

    #[test]
    fn scheme_names_are_mosquittos() {
        assert_eq!(Scheme::from_name("sha512"), Some(Scheme::Sha512));
        assert_eq!(Scheme::from_name("sha512-pbkdf2"), Some(Scheme::Pbkdf2 { iterations: 1000 }));
        assert_eq!(Scheme::from_name("argon2id"), Some(Scheme::default()));
        assert_eq!(Scheme::from_name("md5"), None);
    }

    #[test]
    fn costs_are_ordered_as_the_work_is() {
        let cost = |scheme| PasswordHash::create(b"p", scheme).unwrap().cost();
        let costs = CHEAP.map(cost);
        assert!(costs[0] < costs[1] && costs[1] < costs[2], "{costs:?}");
        assert!(cost(Scheme::Pbkdf2 { iterations: 100 }) > cost(Scheme::Pbkdf2 { iterations: 99 }));
    }

    #[test]
    fn a_decoy_costs_the_same_and_matches_nothing() {
        for scheme in CHEAP {
            let hash = PasswordHash::create(b"p", scheme).unwrap();
            let decoy = hash.decoy();
            assert_eq!(decoy.cost(), hash.cost());
            assert!(!decoy.verify(b"p") && !decoy.verify(b""));
        }
    }

    #[test]
    fn debug_does_not_show_the_hash() {
        let hash = PasswordHash::create(b"p", Scheme::Sha512).unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash($6$…)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_created_verifies_and_nothing_else(
            password in proptest::collection::vec(any::<u8>(), 0..80),
            other in proptest::collection::vec(any::<u8>(), 0..80),
            which in 0..3usize,
        ) {
            let hash = PasswordHash::create(&password, CHEAP[which]).unwrap();
            let again: PasswordHash = hash.to_string().parse().unwrap();
            prop_assert_eq!(&again, &hash);
            prop_assert!(again.verify(&password));
            prop_assert_eq!(again.verify(&other), password == other);
        }

        #[test]
        fn no_text_panics(kind in "(\\$6\\$|\\$7\\$|\\$argon2id\\$|)", rest in "[$=,a-zA-Z0-9+/]{0,60}") {
            let _ = format!("{kind}{rest}").parse::<PasswordHash>();
        }
    }
}
