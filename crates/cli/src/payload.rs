//! Where a message's payload comes from: the command line, a file, standard input.

use crate::failure::{Failure, USAGE};
use crate::options::settings::Source;
use std::fs::File;
use std::io::{self, Read};

/// The largest payload that MQTT can carry, as Mosquitto counts it.
pub(crate) const PAYLOAD_MAX: usize = pondhawk_codec::REMAINING_LENGTH_MAX;

/// Loads a payload that is known before the connection is made; `None` for one that comes line by line.
///
/// # Errors
/// A file that cannot be read, or is too large; nothing on standard input.
pub(crate) fn load(source: &Source) -> Result<Option<Vec<u8>>, Failure> {
    match source {
        Source::Text(text) => Ok(Some(text.clone())),
        Source::Null => Ok(Some(Vec::new())),
        Source::StdinLines => Ok(None),
        Source::Stdin => load_stdin(&mut io::stdin().lock()).map(Some),
        Source::File(path) => {
            let shown = path.display();
            let failed = |text: &str| {
                Failure::new(USAGE, format!("Error: {text}\nError loading input file \"{shown}\"."))
            };
            let mut file =
                File::open(path).map_err(|_| failed(&format!("Unable to open file \"{shown}\".")))?;
            let bytes =
                read_all(&mut file).map_err(|_| failed(&format!("Unable to read file \"{shown}\".")))?;
            let too_long = || failed(&format!("File must be less than {PAYLOAD_MAX} bytes.\n"));
            bytes.map(Some).ok_or_else(too_long)
        }
    }
}

fn load_stdin(stdin: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let failed =
        |text: String| Failure::new(USAGE, format!("Error: {text}\nError loading input from stdin."));
    let bytes = read_all(stdin).map_err(|error| failed(format!("{error}.")))?;
    let bytes =
        bytes.ok_or_else(|| failed(format!("Message length must be less than {PAYLOAD_MAX} bytes.\n")))?;
    if bytes.is_empty() {
        return Err(failed("Zero length input.".to_owned()));
    }
    Ok(bytes)
}

/// Everything, or `None` if it is too much for a message.
fn read_all(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(PAYLOAD_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= PAYLOAD_MAX).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn sources() {
        assert_eq!(load(&Source::Text(b"hi".to_vec())), Ok(Some(b"hi".to_vec())));
        assert_eq!(load(&Source::Null), Ok(Some(Vec::new())));
        assert_eq!(load(&Source::StdinLines), Ok(None));
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("payload");
        std::fs::write(&path, b"\0\xff").expect("written");
        assert_eq!(load(&Source::File(path.into_os_string())), Ok(Some(vec![0, 0xff])));
        let missing = load(&Source::File(OsString::from("/nonexistent"))).expect_err("no file");
        let text = "Error: Unable to open file \"/nonexistent\".\nError loading input file \"/nonexistent\".";
        assert_eq!(missing.text, text);
        assert_eq!(load_stdin(&mut &b"x"[..]), Ok(b"x".to_vec()));
        let empty = load_stdin(&mut io::empty()).expect_err("nothing");
        assert_eq!(empty.text, "Error: Zero length input.\nError loading input from stdin.");
    }
}
