//! An options file of the tools, their arguments and a message, parted by NUL bytes. The first byte chooses the tool.
//!
//! The tools are one binary and no library, so their sources are compiled into this target. A line of options is
//! understood or refused with a line for stderr; a format prints any message, twice the same.

#![no_main]
#![allow(dead_code, unused_imports, reason = "the tools' sources are taken whole")]

#[path = "../../crates/cli/src/failure.rs"]
mod failure;
#[path = "../../crates/cli/src/format/mod.rs"]
mod format;
#[path = "../../crates/cli/src/options/mod.rs"]
mod options;
#[path = "../../crates/cli/src/tool.rs"]
mod tool;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use format::{Format, Received, render};
use libfuzzer_sys::fuzz_target;
use options::parse::{Parsed, parse};
use options::settings::Settings;
use pondhawk_codec::property::Place;
use pondhawk_codec::{PacketId, PacketType, Properties, PropertiesBuf, Qos, topic};
use pondhawk_session::client::Message;
use tool::Tool;

/// Where the tools look for their options file: a folder of this process, in memory where there is such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = parent.join(format!("pondhawk-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for options files");
    folder
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let tool = Tool::ALL[usize::from(*choice) % Tool::ALL.len()];
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let (file, words, message) = (parts.next(), parts.next(), parts.next());
    // Files that the input names are not opened.
    let words = words.unwrap_or_default().split(|byte| *byte == b'\n').filter(|word| *word != b"-o");
    let args: Vec<OsString> =
        words.filter(|word| !word.is_empty()).map(|word| OsString::from_vec(word.to_vec())).collect();
    std::fs::write(FOLDER.join(tool.name()), file.unwrap_or_default()).expect("the folder is ours");
    let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| FOLDER.clone().into_os_string());
    match parse(tool, args, &env) {
        Ok(Parsed::Run(settings)) => {
            check(&settings);
            if let Some(format) = &settings.output.format {
                print(format, message.unwrap_or_default());
            }
        }
        Ok(Parsed::Help | Parsed::Version) => {}
        Err(failure) => assert!(failure.code != 0 && !failure.text.is_empty(), "{failure:?}"),
    }
});

/// What is accepted can be said to a broker.
fn check(settings: &Settings) {
    let given = &settings.properties;
    for (block, place) in [
        (&given.connect, Place::Packet(PacketType::Connect)),
        (&given.publish, Place::Packet(PacketType::Publish)),
        (&given.subscribe, Place::Packet(PacketType::Subscribe)),
        (&given.unsubscribe, Place::Packet(PacketType::Unsubscribe)),
        (&given.disconnect, Place::Packet(PacketType::Disconnect)),
        (&given.will, Place::Will),
    ] {
        let checked = Properties::check(block.as_properties().as_bytes(), place);
        assert!(checked.is_ok(), "{place:?} {checked:?}");
    }
    let subscription = &settings.subscription;
    if settings.tool == Tool::Sub {
        let bad = subscription.topics.iter().find(|filter| topic::check_filter(filter).is_err());
        assert_eq!(bad, None);
    }
    let will = settings.will.topic.as_ref().filter(|name| topic::check_name(name).is_err());
    assert_eq!(will, None);
}

/// Prints a message whose payload is the input, and whose properties are if they are any.
fn print(format: &Format, input: &[u8]) {
    let place = Place::Packet(PacketType::Publish);
    let properties = Properties::check(input, place).map(PropertiesBuf::from).unwrap_or_default();
    let message = Message {
        topic: "some/topic".to_owned(),
        payload: input.to_vec(),
        qos: Qos::AtLeastOnce,
        retain: true,
        dup: false,
        id: PacketId::new(1),
        properties,
    };
    let at = chrono::DateTime::from_timestamp(1_700_000_000, 123_456_789).expect("a time").fixed_offset();
    let received = Received { message: &message, at, pretty: false };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let printed = render(format, &received, &mut first).is_ok();
    assert_eq!(printed, render(format, &received, &mut second).is_ok());
    assert_eq!(first, second);
}
