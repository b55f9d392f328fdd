//! What a shard reports, in the words of Mosquitto's log.
//!
//! Before: the broker makes a [`Note`]. After: each line with its class goes to [`super::Log::write`]. The texts
//! are those that scripts look for: of 2.1 where its tests fix them, of 2.0 otherwise.

use super::class::Class;
use super::shown::Shown;
use pondhawk_broker::{Ended, Note};
use pondhawk_codec::{Qos, Version};
use std::fmt;

/// Takes a line and its class.
type Out<'o> = &'o mut dyn FnMut(Class, fmt::Arguments<'_>);

/// The lines of a note, in order.
pub(super) fn lines(note: &Note<'_>, out: Out<'_>) {
    match note {
        Note::Connected { .. } => connected(note, out),
        Note::Will { will: None } => out(Class::Debug, format_args!("No will message specified.")),
        Note::Will { will: Some((topic, len, retain, qos)) } => {
            let (retain, qos) = (u8::from(*retain), qos.as_u8());
            out(Class::Debug, format_args!("Will message specified ({len} bytes) (r{retain}, q{qos})."));
            out(Class::Debug, format_args!("\t{}", Shown(topic)));
        }
        Note::Refused { peer, client, why, .. } => ended((client, peer), why, out),
        Note::Ended { peer, client, how } => end((client, peer), how, out),
        Note::Connack { client, session_present, code } => {
            let present = u8::from(*session_present);
            out(Class::Debug, format_args!("Sending CONNACK to {} ({present}, {code})", Shown(client)));
        }
        Note::Publish { .. } => publish(note, out),
        Note::Ack { .. } => ack(note, out),
        Note::Packet { client, sent, name } => {
            let (verb, to) = direction(*sent);
            out(Class::Debug, format_args!("{verb} {name} {to} {}", Shown(client)));
        }
        Note::SubscribeFilter { client, filter, qos, granted } => {
            out(Class::Debug, format_args!("\t{} (QoS {})", Shown(filter), qos.as_u8()));
            if let Some(granted) = granted {
                let (client, filter) = (Shown(client), Shown(filter));
                out(Class::Subscribe, format_args!("{client} {} {filter}", granted.as_u8()));
            }
        }
        Note::UnsubscribeFilter { client, filter } => {
            out(Class::Debug, format_args!("\t{}", Shown(filter)));
            out(Class::Unsubscribe, format_args!("{} {}", Shown(client), Shown(filter)));
        }
        Note::Lost { client, messages } => out(
            Class::Error,
            format_args!("Error: The store has lost {messages} messages that waited for {}.", named(client)),
        ),
    }
}

fn connected(note: &Note<'_>, out: Out<'_>) {
    let Note::Connected { peer, client, version, clean_start, keep_alive_s, username } = note else {
        return;
    };
    // Mosquitto's numbers of the versions, which are not the protocol levels.
    let version = match version {
        Version::V31 => 1,
        Version::V311 => 2,
        Version::V5 => 5,
    };
    let (peer, client, clean) = (Shown(peer), Shown(client), u8::from(*clean_start));
    let line =
        format_args!("New client connected from {peer} as {client} (p{version}, c{clean}, k{keep_alive_s}");
    match username {
        None => out(Class::Notice, format_args!("{line}).")),
        Some(name) => out(Class::Notice, format_args!("{line}, u'{}').", Shown(name))),
    }
}

fn end(who: (&str, &str), how: &Ended<'_>, out: Out<'_>) {
    let client = named(who.0);
    match how {
        Ended::Disconnected => out(Class::Notice, format_args!("Client {client} disconnected.")),
        Ended::Closed => out(Class::Notice, format_args!("Client {client} closed its connection.")),
        Ended::Timeout => {
            out(Class::Notice, format_args!("Client {client} has exceeded timeout, disconnecting."));
        }
        Ended::TakenOver => {
            out(Class::Notice, format_args!("Client {client} already connected, closing old connection."));
        }
        Ended::NotAuthorized => ended(who, "not authorised", out),
        Ended::Error(why) => ended(who, why, out),
        // The broker's own last lines say it for all of them.
        Ended::Shutdown => {}
    }
}

fn ended((client, peer): (&str, &str), why: &str, out: Out<'_>) {
    let (client, peer, why) = (named(client), Shown(peer), Shown(why));
    out(Class::Notice, format_args!("Client {client} [{peer}] disconnected: {why}."));
}

/// A client that has not said its name yet has none.
fn named(client: &str) -> Shown<'_> {
    Shown(if client.is_empty() { "<unknown>" } else { client })
}

fn direction(sent: bool) -> (&'static str, &'static str) {
    if sent { ("Sending", "to") } else { ("Received", "from") }
}

fn publish(note: &Note<'_>, out: Out<'_>) {
    let Note::Publish { client, sent, denied, dup, qos, retain, id, topic, len } = note else {
        return;
    };
    let (verb, to) = direction(*sent);
    let verb = if *denied { "Denied" } else { verb };
    let (client, topic) = (Shown(client), Shown(topic));
    let (dup, retain, qos) = (u8::from(*dup), u8::from(*retain), Qos::as_u8(*qos));
    let id = id.map_or(0, |id| id.get());
    out(
        Class::Debug,
        format_args!(
            "{verb} PUBLISH {to} {client} (d{dup}, q{qos}, r{retain}, m{id}, '{topic}', ... ({len} bytes))"
        ),
    );
}

fn ack(note: &Note<'_>, out: Out<'_>) {
    let Note::Ack { client, sent, name, id, code } = note else {
        return;
    };
    let (client, code) = (Shown(client), code.0);
    match (*sent, *name) {
        (true, "PUBACK" | "PUBREC") => {
            out(Class::Debug, format_args!("Sending {name} to {client} (m{id}, rc{code})"));
        }
        (true, _) => out(Class::Debug, format_args!("Sending {name} to {client} (m{id})")),
        (false, "PUBACK" | "PUBCOMP") => {
            out(Class::Debug, format_args!("Received {name} from {client} (Mid: {id}, RC:{code})"));
        }
        (false, _) => out(Class::Debug, format_args!("Received {name} from {client} (Mid: {id})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{PacketId, reason};

    fn text(note: &Note<'_>) -> String {
        let mut all = Vec::new();
        lines(note, &mut |_, text| all.push(text.to_string()));
        all.join("\n")
    }

    #[test]
    fn connections_read_as_mosquittos() {
        let connected = |username| Note::Connected {
            peer: "127.0.0.1:53031",
            client: "Sub",
            version: Version::V311,
            clean_start: true,
            keep_alive_s: 60,
            username,
        };
        assert_eq!(text(&connected(None)), "New client connected from 127.0.0.1:53031 as Sub (p2, c1, k60).");
        assert_eq!(
            text(&connected(Some("me"))),
            "New client connected from 127.0.0.1:53031 as Sub (p2, c1, k60, u'me')."
        );
        assert_eq!(text(&Note::Will { will: None }), "No will message specified.");
        let will = Note::Will { will: Some(("w/t", 3, true, Qos::AtLeastOnce)) };
        assert_eq!(text(&will), "Will message specified (3 bytes) (r1, q1).\n\tw/t");
        let connack = Note::Connack { client: "Sub", session_present: false, code: 0 };
        assert_eq!(text(&connack), "Sending CONNACK to Sub (0, 0)");
    }

    #[test]
    fn ends_read_as_mosquittos() {
        let ended = |client, how| text(&Note::Ended { peer: "1.2.3.4:5", client, how });
        assert_eq!(ended("Me", Ended::Closed), "Client Me closed its connection.");
        assert_eq!(ended("Sub", Ended::Disconnected), "Client Sub disconnected.");
        assert_eq!(ended("ka", Ended::Timeout), "Client ka has exceeded timeout, disconnecting.");
        assert_eq!(ended("s2", Ended::TakenOver), "Client s2 already connected, closing old connection.");
        assert_eq!(ended("", Ended::Error("bad")), "Client <unknown> [1.2.3.4:5] disconnected: bad.");
        assert_eq!(ended("x", Ended::Shutdown), "");
        let refused = Note::Refused {
            peer: "1.2.3.4:5",
            client: "eve\n",
            code: reason::NOT_AUTHORIZED,
            why: "not authorised",
        };
        assert_eq!(text(&refused), "Client eve\\n [1.2.3.4:5] disconnected: not authorised.");
    }

    #[test]
    fn packets_read_as_mosquittos() {
        let publish = |sent, denied, id| {
            text(&Note::Publish {
                client: "Me",
                sent,
                denied,
                dup: false,
                qos: Qos::AtMostOnce,
                retain: false,
                id,
                topic: "xpert2018/demo/chal",
                len: 14,
            })
        };
        let rest = "Me (d0, q0, r0, m0, 'xpert2018/demo/chal', ... (14 bytes))";
        assert_eq!(publish(false, false, None), format!("Received PUBLISH from {rest}"));
        assert_eq!(publish(true, false, None), format!("Sending PUBLISH to {rest}"));
        assert_eq!(publish(false, true, None), format!("Denied PUBLISH from {rest}"));
        let id = PacketId::new(7).unwrap();
        assert!(publish(true, false, Some(id)).contains(", m7, "));
        let ack = |sent, name| {
            text(&Note::Ack { client: "p", sent, name, id: PacketId::new(1).unwrap(), code: reason::SUCCESS })
        };
        assert_eq!(ack(true, "PUBACK"), "Sending PUBACK to p (m1, rc0)");
        assert_eq!(ack(true, "PUBREL"), "Sending PUBREL to p (m1)");
        assert_eq!(ack(false, "PUBACK"), "Received PUBACK from p (Mid: 1, RC:0)");
        assert_eq!(ack(false, "PUBREC"), "Received PUBREC from p (Mid: 1)");
        let ping = Note::Packet { client: "p", sent: true, name: "PINGRESP" };
        assert_eq!(text(&ping), "Sending PINGRESP to p");
    }

    #[test]
    fn subscriptions_have_two_lines() {
        let subscribe = |granted| {
            text(&Note::SubscribeFilter { client: "s1", filter: "a/#", qos: Qos::ExactlyOnce, granted })
        };
        assert_eq!(subscribe(Some(Qos::AtLeastOnce)), "\ta/# (QoS 2)\ns1 1 a/#");
        assert_eq!(subscribe(None), "\ta/# (QoS 2)");
        let unsubscribe = Note::UnsubscribeFilter { client: "s1", filter: "zz" };
        assert_eq!(text(&unsubscribe), "\tzz\ns1 zz");
    }
}
