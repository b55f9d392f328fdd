//! The first words of a broker that was started without a listener of its own: who can reach it, and what to
//! type next.
//!
//! Before: the listeners are open. After: the log has these lines, in Mosquitto's words where it has some.

use pondhawk_config::{Address, Config, Protocol};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The lines; none when the configuration says where to listen.
#[must_use]
pub fn lines(config: &Config) -> Vec<String> {
    if !config.local_only {
        return Vec::new();
    }
    let mqtt = ports(config, Protocol::Mqtt);
    let websockets = ports(config, Protocol::Websockets);
    let mut open = format!("Open on this machine: MQTT on port {}", joined(&mqtt));
    if !websockets.is_empty() {
        // A String takes everything.
        let _written = write!(open, ", MQTT over WebSockets on port {}", joined(&websockets));
    }
    open.push_str(match who(config) {
        Who::Anyone => ". Whoever can run a program here may read and write every topic.",
        Who::Ruled => ". The configuration says who may do what.",
        Who::Nobody => ". Nobody can connect: allow_anonymous is false and there is no password_file.",
    });
    let option = match mqtt.first() {
        Some(1883) | None => String::new(),
        Some(port) => format!(" -p {port}"),
    };
    vec![
        "Starting in local only mode. Connections will only be possible from clients running on this machine."
            .to_owned(),
        open,
        format!("Try it: pondhawk sub{option} -v -t '#'    and elsewhere: pondhawk pub{option} -t hello -m world"),
        "To let other machines in: pondhawk passwd -c users.pw NAME; put the lines 'listener 1883' and \
         'password_file users.pw' into a file, and start with -c FILE."
            .to_owned(),
    ]
}

/// Who gets in.
enum Who {
    Anyone,
    Ruled,
    Nobody,
}

fn who(config: &Config) -> Who {
    let access = config.listeners.iter().map(|listener| &listener.access);
    let mut all = access.map(|access| (access.allow_anonymous, &access.password_file, &access.acl_file));
    if all.clone().all(|(anonymous, _, acl)| anonymous && acl.is_none()) {
        Who::Anyone
    } else if all.all(|(anonymous, passwords, _)| !anonymous && passwords.is_none()) {
        Who::Nobody
    } else {
        Who::Ruled
    }
}

fn ports(config: &Config, protocol: Protocol) -> BTreeSet<u16> {
    let speaking = config.listeners.iter().filter(|listener| listener.protocol == protocol);
    let port = |address: &Address| match address {
        Address::Tcp { port, .. } => Some(*port),
        Address::Unix(_) => None,
    };
    speaking.filter_map(|listener| port(&listener.address)).collect()
}

fn joined(ports: &BTreeSet<u16>) -> String {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    ports.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_config::{BrokerArgs, EmptyHost};

    fn text(args: &BrokerArgs) -> String {
        lines(&pondhawk_config::load(args, &EmptyHost).unwrap()).join("\n")
    }

    #[test]
    fn without_anything_both_ports_are_named() {
        let text = text(&BrokerArgs::default());
        assert!(text.starts_with("Starting in local only mode. "), "{text}");
        assert!(text.contains("MQTT on port 1883, MQTT over WebSockets on port 9001. Whoever"), "{text}");
        assert!(text.contains("pondhawk sub -v"), "{text}");
    }

    #[test]
    fn commands_name_the_port() {
        let text = text(&BrokerArgs { ports: vec![2000], ..BrokerArgs::default() });
        assert!(text.contains("MQTT on port 2000. ") && text.contains("pondhawk sub -p 2000 -v"), "{text}");
    }

    #[test]
    fn who_is_let_in_is_said() {
        let config = |text: &str| lines(&Config::from_text(text, "a.conf").unwrap()).join("\n");
        assert!(config("allow_anonymous false\n").contains("Nobody can connect"));
        assert!(config("acl_file /x\n").contains("The configuration says"));
        assert_eq!(config("listener 1883\n"), "");
    }
}
