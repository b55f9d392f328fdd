//! CONNECT: who the client is and what it wants of the session.

use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::{Frame, PacketType};
use crate::property::{Place, Properties};
use crate::qos::Qos;
use crate::read::Reader;
use crate::topic;
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;
use pondhawk_plants::planted;

const USERNAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL_QOS_SHIFT: u8 = 3;
const WILL: u8 = 0x04;
const CLEAN_START: u8 = 0x02;
const RESERVED: u8 = 0x01;
/// Mosquitto's bridges set this bit of the protocol level.
const BRIDGE: u8 = 0x80;

/// A CONNECT packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The protocol version that the connection speaks from here on.
    pub version: Version,
    /// True if the client says that it is a bridge (bit 7 of the protocol level, Mosquitto's extension). Nobody needs
    /// to. [MQTT3-7.0.0-2]
    pub bridge: bool,
    /// Clean Start, which was Clean Session before MQTT 5.0.
    pub clean_start: bool,
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The client identifier, which may be empty.
    pub client_id: &'a str,
    /// The will, if there is one.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub username: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

/// The will of a CONNECT packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Its properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The topic that it is published to.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its QoS.
    pub qos: Qos,
    /// Whether it is retained.
    pub retain: bool,
}

/// Why a CONNECT was not understood, with what is needed to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectRefused {
    /// The protocol name is none that MQTT ever had. [MQTT-3.1.2-1] [MQTT3-3.1.2-1]
    ProtocolName,
    /// The protocol level is not 3 (`MQIsdp`), 4 or 5 (`MQTT`). [MQTT-3.1.2-2] [MQTT3-3.1.2-2]
    ProtocolLevel {
        /// The name that stood in front of it was `MQTT`.
        named_mqtt: bool,
        /// The level.
        level: u8,
    },
    /// The rest breaks a rule. The version is known by then, if the bytes got so far.
    Malformed(Option<Version>, Malformed),
}

impl core::fmt::Display for ConnectRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ConnectRefused::ProtocolName => f.write_str("unknown protocol name"),
            ConnectRefused::ProtocolLevel { level, .. } => write!(f, "unsupported protocol level {level}"),
            ConnectRefused::Malformed(_, malformed) => malformed.fmt(f),
        }
    }
}

impl core::error::Error for ConnectRefused {}

impl<'a> Connect<'a> {
    /// Decodes a frame of type CONNECT.
    ///
    /// # Errors
    /// See [`ConnectRefused`].
    pub fn decode(frame: &Frame<'a>) -> Result<Self, ConnectRefused> {
        let mut reader = Reader::new(frame.body);
        let (version, bridge) = read_protocol(&mut reader)?;
        let malformed = |error| ConnectRefused::Malformed(Some(version), error);
        if version.has_properties() && !frame.minimal && !planted!(LongVarint) {
            return Err(malformed(Malformed::new(Kind::VarintNotMinimal, 0)));
        }
        read_rest(&mut reader, version, bridge).map_err(malformed)
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`] if a field or the frame is too long for MQTT; `out` is unchanged then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Connect.first_byte(), |out| {
            write::string(out, self.version.protocol_name())?;
            out.push(self.version.level() | if self.bridge { BRIDGE } else { 0 });
            out.push(self.flags());
            out.extend_from_slice(&self.keep_alive.to_be_bytes());
            if self.version.has_properties() {
                self.properties.write(out);
            }
            // The order of the payload [MQTT-3.1.3-1] [MQTT3-3.1.3-1]: the client id, which is always there
            // [MQTT-3.1.3-3] [MQTT3-3.1.3-3], then what the flags announce. [MQTT-3.1.2-9] [MQTT3-3.1.2-9]
            write::string(out, self.client_id)?;
            if let Some(will) = &self.will {
                if self.version.has_properties() {
                    will.properties.write(out);
                }
                write::string(out, will.topic)?;
                write::binary(out, will.payload)?;
            }
            // [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.3-12] [MQTT3-3.1.2-18] [MQTT3-3.1.2-19]
            if let Some(username) = self.username {
                write::string(out, username)?;
            }
            // [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT3-3.1.2-20] [MQTT3-3.1.2-21]
            if let Some(password) = self.password {
                write::binary(out, password)?;
            }
            Ok(())
        })
    }

    /// Without a will its bits are 0. [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT3-3.1.2-11] [MQTT3-3.1.2-13]
    /// [MQTT3-3.1.2-15]
    fn flags(&self) -> u8 {
        let mut flags = 0;
        let mut set = |on: bool, bit: u8| flags |= if on { bit } else { 0 };
        set(self.clean_start, CLEAN_START);
        set(self.username.is_some(), USERNAME);
        set(self.password.is_some(), PASSWORD);
        if let Some(will) = &self.will {
            set(true, WILL);
            set(will.retain, WILL_RETAIN);
            set(true, will.qos.as_u8() << WILL_QOS_SHIFT);
        }
        flags
    }
}

/// Protocol name and level. [MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT3-3.1.2-1] [MQTT3-3.1.2-2]
fn read_protocol(reader: &mut Reader<'_>) -> Result<(Version, bool), ConnectRefused> {
    let unknown = |error| ConnectRefused::Malformed(None, error);
    let name = reader.binary().map_err(unknown)?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(ConnectRefused::ProtocolName);
    }
    let named_mqtt = name == b"MQTT";
    let level = reader.u8().map_err(unknown)?;
    let version = match (named_mqtt, level & !BRIDGE) {
        (false, 3) => Version::V31,
        (true, 4) => Version::V311,
        (true, 5) if level & BRIDGE == 0 => Version::V5,
        _ => return Err(ConnectRefused::ProtocolLevel { named_mqtt, level }),
    };
    Ok((version, level & BRIDGE != 0))
}

fn read_rest<'a>(reader: &mut Reader<'a>, version: Version, bridge: bool) -> Result<Connect<'a>, Malformed> {
    let flags_at = *reader;
    let flags = reader.u8()?;
    check_flags(flags, version).map_err(|kind| flags_at.fail(kind))?;
    let keep_alive = reader.u16()?;
    let properties = read_properties(reader, version, Place::Packet(PacketType::Connect))?;
    // [MQTT-3.1.3-4] [MQTT3-3.1.3-4]
    let client_id = reader.string()?;
    let will = if flags & WILL != 0 { Some(read_will(reader, flags, version)?) } else { None };
    // [MQTT-3.1.3-12] [MQTT3-3.1.3-11]
    let username = if flags & USERNAME != 0 { Some(reader.string()?) } else { None };
    let password = if flags & PASSWORD != 0 { Some(reader.binary()?) } else { None };
    reader.end()?;
    Ok(Connect {
        version,
        bridge,
        clean_start: flags & CLEAN_START != 0,
        keep_alive,
        properties,
        client_id,
        will,
        username,
        password,
    })
}

/// The reserved bit is 0 [MQTT-3.1.2-3] [MQTT3-3.1.2-3], and so are the bits of a will that is not there
/// [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT3-3.1.2-11] [MQTT3-3.1.2-13] [MQTT3-3.1.2-15]; there is no QoS 3
/// [MQTT-3.1.2-12] [MQTT3-3.1.2-14], and before MQTT 5.0 no password without a user name [MQTT3-3.1.2-22].
fn check_flags(flags: u8, version: Version) -> Result<(), Kind> {
    let will_bits_alone = flags & WILL == 0 && flags & (WILL_RETAIN | 3 << WILL_QOS_SHIFT) != 0;
    let will_qos_3 = flags >> WILL_QOS_SHIFT & 3 == 3;
    let password_alone = !version.has_properties() && flags & PASSWORD != 0 && flags & USERNAME == 0;
    if flags & RESERVED != 0 || will_bits_alone || will_qos_3 || password_alone {
        return Err(Kind::ConnectFlags);
    }
    Ok(())
}

fn read_will<'a>(reader: &mut Reader<'a>, flags: u8, version: Version) -> Result<Will<'a>, Malformed> {
    let properties = read_properties(reader, version, Place::Will)?;
    let topic_at = *reader;
    // [MQTT-3.1.3-11] [MQTT3-3.1.3-10]
    let topic = reader.string()?;
    topic::check_name(topic).map_err(|kind| topic_at.fail(kind))?;
    Ok(Will {
        properties,
        topic,
        payload: reader.binary()?,
        qos: Qos::from_u8(flags >> WILL_QOS_SHIFT & 3).ok_or_else(|| topic_at.fail(Kind::Qos))?,
        retain: flags & WILL_RETAIN != 0,
    })
}

fn read_properties<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    place: Place,
) -> Result<Properties<'a>, Malformed> {
    if version.has_properties() { Properties::read(reader, place) } else { Ok(Properties::EMPTY) }
}
