//! `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH`: the standard PHC string, base64 without padding.
//!
//! The string is taken apart here and not by the `password-hash` crate, whose salts end at 48 bytes: Mosquitto
//! writes 64.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

use super::{DIGEST_BYTES, HashError, MEMORY_KIB_MAX, MEMORY_PASSES_KIB_MAX, SALT_BYTES_MAX, number};

/// More lanes than this bring nothing: they are computed one after the other.
const LANES_MAX: u64 = 64;
/// Argon2's own shortest salt, in bytes.
const SALT_BYTES_MIN: usize = 8;
/// Shortest and longest digest accepted, in bytes.
const DIGEST_BYTES_RANGE: std::ops::RangeInclusive<usize> = 16..=128;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Argon2idHash {
    version: Version,
    params: Params,
    salt: Box<[u8]>,
    digest: Box<[u8]>,
}

impl Argon2idHash {
    /// Parameters are memory in KiB, passes and lanes.
    pub(super) fn create(
        password: &[u8],
        parameters: [u32; 3],
        salt: Vec<u8>,
    ) -> Result<Argon2idHash, HashError> {
        let params = checked(parameters.map(u64::from), DIGEST_BYTES)?;
        let mut hash = Argon2idHash {
            version: Version::V0x13,
            params,
            salt: salt.into(),
            digest: vec![0; DIGEST_BYTES].into(),
        };
        hash.digest = hash.compute(password).ok_or(HashError::Argon2)?.into();
        Ok(hash)
    }

    pub(super) fn parse(rest: &str) -> Result<Argon2idHash, HashError> {
        let form = || HashError::Form("$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH");
        let (version, rest) = match rest.strip_prefix("v=") {
            Some(rest) => rest.split_once('$').ok_or_else(form)?,
            // The strings of argon2 1.0 had no version field.
            None => ("16", rest),
        };
        let version = match version {
            "19" => Version::V0x13,
            "16" => Version::V0x10,
            _ => return Err(HashError::Number("version")),
        };
        let mut parts = rest.split('$');
        let (Some(parameters), Some(salt), Some(digest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        let parameters = parameters_of(parameters).ok_or_else(form)?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| HashError::Encoding("salt"))?;
        if !(SALT_BYTES_MIN..=SALT_BYTES_MAX).contains(&salt.len()) {
            return Err(HashError::Encoding("salt"));
        }
        let digest = STANDARD_NO_PAD.decode(digest).map_err(|_| HashError::Encoding("hash"))?;
        if !DIGEST_BYTES_RANGE.contains(&digest.len()) {
            return Err(HashError::Encoding("hash"));
        }
        let [memory, passes, lanes] = parameters;
        let parameters =
            [number(memory, "memory (m)")?, number(passes, "passes (t)")?, number(lanes, "lanes (p)")?];
        Ok(Argon2idHash {
            version,
            params: checked(parameters, digest.len())?,
            salt: salt.into(),
            digest: digest.into(),
        })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        self.compute(password).is_some_and(|digest| digest.ct_eq(&self.digest).into())
    }

    /// `None` when the memory is not to be had: then nobody is let in, but the broker lives.
    fn compute(&self, password: &[u8]) -> Option<Vec<u8>> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(self.params.block_count()).ok()?;
        memory.resize(self.params.block_count(), Block::default());
        let mut digest = vec![0; self.digest.len()];
        Argon2::new(Algorithm::Argon2id, self.version, self.params.clone())
            .hash_password_into_with_memory(password, &self.salt, &mut digest, &mut memory)
            .ok()?;
        Some(digest)
    }

    /// About a microsecond a KiB and pass, and the memory has to be had.
    pub(super) fn cost(&self) -> u64 {
        u64::from(self.params.m_cost()) * u64::from(self.params.t_cost()) * 1000
    }

    pub(super) fn digest_mut(&mut self) -> &mut [u8] {
        &mut self.digest
    }
}

/// Splits `m=…,t=…,p=…`.
fn parameters_of(text: &str) -> Option<[&str; 3]> {
    let (memory, rest) = text.strip_prefix("m=")?.split_once(",t=")?;
    let (passes, lanes) = rest.split_once(",p=")?;
    Some([memory, passes, lanes])
}

/// Memory in KiB, passes and lanes, within the caps.
fn checked([memory, passes, lanes]: [u64; 3], digest_bytes: usize) -> Result<Params, HashError> {
    let cap = |name, value, max| {
        if value > max { Err(HashError::TooCostly { name, value, max }) } else { Ok(()) }
    };
    cap("memory in KiB (m)", memory, u64::from(MEMORY_KIB_MAX))?;
    cap("memory in KiB times passes (m·t)", memory.saturating_mul(passes), MEMORY_PASSES_KIB_MAX)?;
    cap("lanes (p)", lanes, LANES_MAX)?;
    let small = |value: u64| u32::try_from(value).map_err(|_| HashError::Argon2);
    Params::new(small(memory)?, small(passes)?, small(lanes)?, Some(digest_bytes))
        .map_err(|_| HashError::Argon2)
}

impl fmt::Display for Argon2idHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let (salt, digest) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.digest));
        write!(f, "$argon2id$v={}$m={m},t={t},p={p}${salt}${digest}", u32::from(self.version))
    }
}

#[cfg(test)]
mod tests {
    use crate::hash::{HashError, PasswordHash, Scheme};

    /// From the reference implementation's own tests: `password` with the salt `somesalt`.
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn a_foreign_entry_verifies() {
        let hash: PasswordHash = REFERENCE.parse().unwrap();
        assert!(hash.verify(b"password"));
        assert!(!hash.verify(b"Password"));
        assert_eq!(hash.to_string(), REFERENCE);
    }

    #[test]
    fn a_new_entry_has_mosquittos_sizes() {
        let scheme = Scheme::Argon2id { memory_kib: 16, passes: 1, lanes: 2 };
        let text = PasswordHash::create(b"p", scheme).unwrap().to_string();
        let tail = text.strip_prefix("$argon2id$v=19$m=16,t=1,p=2$").unwrap();
        // 64 bytes are 86 characters of unpadded base64.
        assert_eq!(tail.split('$').map(str::len).collect::<Vec<_>>(), [86, 86]);
    }

    #[test]
    fn costs_are_capped() {
        let with = |parameters: &str| REFERENCE.replace("m=256,t=2,p=1", parameters).parse::<PasswordHash>();
        for costly in [
            "m=4194304,t=1,p=1",
            "m=262144,t=5,p=1",
            "m=256,t=4294967295,p=1",
            "m=99999999999999999999,t=1,p=1",
        ] {
            assert!(matches!(with(costly), Err(HashError::TooCostly { .. })), "{costly}");
        }
        assert!(matches!(with("m=1024,t=1,p=65"), Err(HashError::TooCostly { .. })));
        assert!(with("m=262144,t=4,p=1").is_ok());
        assert_eq!(with("m=7,t=1,p=1"), Err(HashError::Argon2));
        assert_eq!(with("m=256,t=0,p=1"), Err(HashError::Argon2));
        assert!(matches!(with("t=2,m=256,p=1"), Err(HashError::Form(_))));
        assert!(matches!(with("m=-1,t=1,p=1"), Err(HashError::Number(_))));
    }

    #[test]
    fn short_salts_and_digests_are_refused() {
        let parse = |text: String| text.parse::<PasswordHash>();
        assert_eq!(parse(REFERENCE.replace("c29tZXNhbHQ", "c29t")), Err(HashError::Encoding("salt")));
        let stub = REFERENCE.rsplit_once('$').unwrap().0;
        assert_eq!(parse(format!("{stub}$c29t")), Err(HashError::Encoding("hash")));
        assert!(matches!(parse(stub.to_owned()), Err(HashError::Form(_))));
    }
}
