//! The header fields of a parsed head: fields that may stand once, and fields that are lists.

use httparse::Header;

use super::WsError;

pub(super) struct Fields<'a>(pub(super) &'a [Header<'a>]);

impl<'a> Fields<'a> {
    /// The value of a field that must not be repeated; of two, peers and proxies may each believe another.
    pub(super) fn once(&self, name: &str) -> Result<Option<&'a [u8]>, WsError> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(WsError::BadHead("repeated header"));
        }
        Ok(first)
    }

    /// Whether the comma-separated list, over all its lines, has `token` in any case.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The items of a comma-separated list that may go over several lines.
    pub(super) fn tokens(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.values(name).flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }
}
