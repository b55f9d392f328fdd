//! The URLs of `-L` and `--proxy`.

use super::flag::Arg;
use super::number::leading_int;
use super::settings::{Proxy, Settings};
use super::table::add_topic;

const PROXY_PORT: u16 = 1080;

/// `-L mqtt://[user[:password]@]host[:port]/topic`.
pub(super) fn broker(settings: &mut Settings, arg: &Arg<'_>) -> Result<(), String> {
    let url = arg.text()?;
    let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
    let (port, websockets, encrypted) = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => (1883, false, false),
        "mqtts" => (8883, false, true),
        "ws" => (80, true, false),
        "wss" => (443, true, true),
        _ => return Err("Error: unsupported URL scheme.\n".to_owned()),
    };
    let (authority, topic) =
        rest.split_once('/').ok_or("Error: Invalid URL for -L argument specified - topic missing.")?;
    let place = Authority::parse(authority);
    settings.broker.websockets |= websockets;
    settings.tls.os_certs |= encrypted;
    settings.broker.port = Some(match place.port {
        None => port,
        Some(text) => checked_port(text).map_err(|number| format!("Error: Invalid port given: {number}"))?,
    });
    settings.broker.host = Some(place.host.to_owned());
    if let Some(username) = place.username {
        settings.client.username = Some(username.to_owned());
    }
    if let Some(password) = place.password {
        settings.client.password = Some(password.as_bytes().to_vec());
    }
    add_topic(settings, topic.to_owned())
}

/// `--proxy socks5h://[user[:password]@]host[:port]`, user and password with `%25`, `%3a` and `%40`.
pub(super) fn proxy(settings: &mut Settings, arg: &Arg<'_>) -> Result<(), String> {
    let url = arg.text()?;
    let rest =
        url.strip_prefix("socks5h://").ok_or_else(|| format!("Error: Unsupported proxy protocol: {url}"))?;
    let place = Authority::parse(rest.trim_end_matches('/'));
    if place.host.is_empty() {
        return Err("Error: Invalid proxy.".to_owned());
    }
    let decoded = |text: Option<&str>| {
        let text = text.map(|text| unescape(text).ok_or("Error: Invalid URL encoding in username/password."));
        text.transpose().map_err(str::to_owned)
    };
    settings.broker.proxy = Some(Proxy {
        host: place.host.to_owned(),
        port: match place.port {
            None => PROXY_PORT,
            Some(text) => {
                checked_port(text).map_err(|number| format!("Error: Invalid proxy port {number}"))?
            }
        },
        username: decoded(place.username)?,
        password: decoded(place.password)?,
    });
    Ok(())
}

/// `[user[:password]@]host[:port]`.
struct Authority<'a> {
    username: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Authority<'a> {
    /// The last `@` ends the password, so that a password may hold one.
    fn parse(text: &'a str) -> Self {
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (username, password) = match user.map(|user| user.split_once(':').ok_or(user)) {
            Some(Ok((username, password))) => (Some(username), Some(password)),
            Some(Err(username)) => (Some(username), None),
            None => (None, None),
        };
        let bracketed = place.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        Authority { username, password, host, port }
    }
}

fn checked_port(text: &str) -> Result<u16, i64> {
    let number = leading_int(text.as_bytes());
    u16::try_from(number).ok().filter(|port| *port != 0).ok_or(number)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((front, escape)) = rest.split_once('%') {
        out.push_str(front);
        let code = escape.get(..2)?.to_ascii_lowercase();
        out.push(match code.as_str() {
            "25" => '%',
            "3a" => ':',
            "40" => '@',
            _ => return None,
        });
        rest = &escape[2..];
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::Tool;

    fn parse(url: &str) -> Result<Settings, String> {
        let mut settings = Settings::new(Tool::Pub);
        let arg = Arg { flag: "-L", bytes: url.as_bytes() };
        broker(&mut settings, &arg).map(|()| settings)
    }

    fn parse_proxy(url: &str) -> Result<Option<Proxy>, String> {
        let mut settings = Settings::new(Tool::Pub);
        let arg = Arg { flag: "--proxy", bytes: url.as_bytes() };
        proxy(&mut settings, &arg).map(|()| settings.broker.proxy)
    }

    #[test]
    fn broker_urls() {
        let all = parse("mqtt://user:p:w@x@host:1884/a/b").expect("legal");
        assert_eq!(all.broker.host.as_deref(), Some("host"));
        assert_eq!(all.broker.port, Some(1884));
        assert_eq!(all.client.username.as_deref(), Some("user"));
        assert_eq!(all.client.password.as_deref(), Some(&b"p:w@x"[..]));
        assert_eq!(all.message.topic.as_deref(), Some("a/b"));
        let v6 = parse("mqtt://[::1]:99/t").expect("legal");
        assert_eq!((v6.broker.host.as_deref(), v6.broker.port), (Some("::1"), Some(99)));
        let ws = parse("WS://host/t").expect("legal");
        assert!(ws.broker.websockets && ws.broker.port == Some(80));
        assert!(parse("mqtts://host/t").expect("legal").tls.wanted());
    }

    #[test]
    fn bad_broker_urls() {
        for (url, error) in [
            ("http://host/t", "Error: unsupported URL scheme.\n"),
            ("host", "Error: unsupported URL scheme.\n"),
            ("mqtt://host", "Error: Invalid URL for -L argument specified - topic missing."),
            ("mqtt://host:0/t", "Error: Invalid port given: 0"),
            ("mqtt://host/#", "Error: Invalid publish topic '#', does it contain '+' or '#'?"),
        ] {
            assert_eq!(parse(url).map(drop), Err(error.to_owned()), "{url}");
        }
    }

    #[test]
    fn proxies() {
        let proxy = parse_proxy("socks5h://u%3a%40:p%25@host:99").expect("legal").expect("set");
        assert_eq!((proxy.host.as_str(), proxy.port), ("host", 99));
        assert_eq!((proxy.username.as_deref(), proxy.password.as_deref()), (Some("u:@"), Some("p%")));
        assert_eq!(parse_proxy("socks5h://host").expect("legal").map(|p| p.port), Some(1080));
        for (url, error) in [
            ("http://h", "Error: Unsupported proxy protocol: http://h"),
            ("socks5h://", "Error: Invalid proxy."),
            ("socks5h://h:99999", "Error: Invalid proxy port 99999"),
            ("socks5h://a%zz@h", "Error: Invalid URL encoding in username/password."),
        ] {
            assert_eq!(parse_proxy(url).map(drop), Err(error.to_owned()), "{url}");
        }
    }
}
