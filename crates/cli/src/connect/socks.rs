//! SOCKS5 (RFC 1928, RFC 1929): asks a proxy for a connection to the broker. The proxy looks the name up.

use super::ConnectError;
use crate::options::settings::Proxy;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

/// How long the proxy may take for each answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Has the proxy at the other end of `stream` connect to `host` and `port`.
///
/// # Errors
/// [`ConnectError::Proxy`] with what the proxy says.
pub(super) fn ask(stream: &mut TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<(), ConnectError> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    talk(stream, proxy, host, port).map_err(|error| match error {
        Talk::Io(error) => ConnectError::Proxy(format!("{error}")),
        Talk::Said(text) => ConnectError::Proxy(text.to_owned()),
    })?;
    stream.set_read_timeout(None)?;
    Ok(())
}

enum Talk {
    Io(io::Error),
    Said(&'static str),
}

impl From<io::Error> for Talk {
    fn from(error: io::Error) -> Self {
        Talk::Io(error)
    }
}

fn talk(stream: &mut (impl Read + Write), proxy: &Proxy, host: &str, port: u16) -> Result<(), Talk> {
    let method = if proxy.username.is_some() { USER_PASSWORD } else { NO_AUTHENTICATION };
    stream.write_all(&[VERSION, 1, method])?;
    let [version, chosen] = read(stream)?;
    if version != VERSION {
        return Err(Talk::Said("it does not speak SOCKS 5"));
    }
    if chosen != method {
        return Err(Talk::Said("it wants another kind of authentication"));
    }
    if let Some(username) = &proxy.username {
        let mut request = vec![1];
        push_short(&mut request, username)?;
        push_short(&mut request, proxy.password.as_deref().unwrap_or(""))?;
        stream.write_all(&request)?;
        let [_, status] = read(stream)?;
        if status != 0 {
            return Err(Talk::Said("it does not take the user name and password"));
        }
    }
    let mut request = vec![VERSION, CONNECT, 0, ADDRESS_NAME];
    push_short(&mut request, host)?;
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request)?;
    read_reply(stream)
}

fn read_reply(stream: &mut impl Read) -> Result<(), Talk> {
    let [_, status, _, kind] = read(stream)?;
    if status != 0 {
        return Err(Talk::Said(refusal(status)));
    }
    // The address that the proxy connects from, which says nothing to us.
    let len = match kind {
        ADDRESS_V4 => 4,
        ADDRESS_V6 => 16,
        ADDRESS_NAME => usize::from(read::<1>(stream)?[0]),
        _ => return Err(Talk::Said("its answer makes no sense")),
    };
    stream.read_exact(&mut vec![0; len + 2])?;
    Ok(())
}

fn read<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn push_short(request: &mut Vec<u8>, text: &str) -> Result<(), Talk> {
    let len =
        u8::try_from(text.len()).map_err(|_| Talk::Said("host, user name or password too long for it"))?;
    request.push(len);
    request.extend_from_slice(text.as_bytes());
    Ok(())
}

fn refusal(status: u8) -> &'static str {
    match status {
        1 => "general failure",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A proxy that says `answers` whatever it hears.
    struct Script {
        answers: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(username: Option<&str>, answers: &[u8]) -> (Result<(), String>, Vec<u8>) {
        let proxy = Proxy {
            host: String::new(),
            port: 0,
            username: username.map(str::to_owned),
            password: Some("pw".to_owned()),
        };
        let mut script = Script { answers: Cursor::new(answers.to_vec()), heard: Vec::new() };
        let outcome = talk(&mut script, &proxy, "host", 1883).map_err(|talk| match talk {
            Talk::Io(error) => error.kind().to_string(),
            Talk::Said(text) => text.to_owned(),
        });
        (outcome, script.heard)
    }

    #[test]
    fn without_a_user() {
        let (outcome, heard) = run(None, b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x01");
        assert_eq!(outcome, Ok(()));
        assert_eq!(heard, b"\x05\x01\x00\x05\x01\x00\x03\x04host\x07\x5b");
    }

    #[test]
    fn with_a_user() {
        let (outcome, heard) = run(Some("me"), b"\x05\x02\x01\x00\x05\x00\x00\x03\x01x\x00\x01");
        assert_eq!(outcome, Ok(()));
        assert!(heard.starts_with(b"\x05\x01\x02\x01\x02me\x02pw\x05\x01"));
    }

    #[test]
    fn refusals() {
        for (answers, text) in [
            (&b"\x04\x00"[..], "it does not speak SOCKS 5"),
            (b"\x05\xff", "it wants another kind of authentication"),
            (b"\x05\x00\x05\x05\x00\x01", "connection refused"),
            (b"\x05\x00\x05\x00\x00\x09", "its answer makes no sense"),
            (b"\x05", "unexpected end of file"),
        ] {
            assert_eq!(run(None, answers).0, Err(text.to_owned()));
        }
        assert_eq!(
            run(Some("me"), b"\x05\x02\x01\x01").0,
            Err("it does not take the user name and password".to_owned())
        );
    }
}
