//! `$6$SALT$HASH`: one SHA-512 over the password followed by the salt. This is not crypt(3)'s `$6$`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::{DIGEST_BYTES, HashError, decode_digest, decode_salt};

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sha512Hash {
    salt: Box<[u8]>,
    digest: [u8; DIGEST_BYTES],
}

impl Sha512Hash {
    pub(super) fn create(password: &[u8], salt: Vec<u8>) -> Sha512Hash {
        Sha512Hash { digest: digest(password, &salt), salt: salt.into() }
    }

    pub(super) fn parse(rest: &str) -> Result<Sha512Hash, HashError> {
        let (salt, digest) = rest.split_once('$').ok_or(HashError::Form("$6$SALT$HASH"))?;
        Ok(Sha512Hash { salt: decode_salt(salt)?.into(), digest: decode_digest(digest)? })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        digest(password, &self.salt).ct_eq(&self.digest).into()
    }

    pub(super) fn digest_mut(&mut self) -> &mut [u8] {
        &mut self.digest
    }
}

fn digest(password: &[u8], salt: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha512::new().chain_update(password).chain_update(salt).finalize().into()
}

impl fmt::Display for Sha512Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$6${}${}", STANDARD.encode(&self.salt), STANDARD.encode(self.digest))
    }
}

#[cfg(test)]
mod tests {
    use crate::hash::{HashError, PasswordHash};

    /// The entry of the notes' own password file; real Mosquitto 2.0.11 accepts `expert` for it.
    const EXPERT: &str = "$6$9vN5zCsnZVhlEXeq$Py+NyLqmpO6WcXgW2yuWo8oP9PhnLiVij+yzvskfcPGy0ZVwVXMymJAz/lNH66rhlFwFewzZ8wD3Ol4WwoLLLQ==";

    #[test]
    fn the_golden_entry_accepts_expert() {
        let hash: PasswordHash = EXPERT.parse().unwrap();
        assert!(hash.verify(b"expert"));
        assert!(!hash.verify(b"Expert") && !hash.verify(b"") && !hash.verify(b"expert\0"));
        assert_eq!(hash.to_string(), EXPERT);
    }

    #[test]
    fn broken_entries_are_refused() {
        let refused = |text: &str| text.parse::<PasswordHash>().unwrap_err();
        assert!(matches!(refused("$6$AAAA"), HashError::Form(_)));
        assert_eq!(refused("$6$$AAAA"), HashError::Encoding("salt"));
        assert_eq!(refused("$6$A*AA$AAAA"), HashError::Encoding("salt"));
        assert_eq!(refused("$6$AAAA$AAAA"), HashError::Encoding("hash"));
        assert_eq!(refused("$6$AAAA$"), HashError::Encoding("hash"));
        assert_eq!(refused(&format!("{EXPERT}$x")), HashError::Encoding("hash"));
    }
}
