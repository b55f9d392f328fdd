//! Printing messages: plain, with their topic, or in a format.

use crate::console::Console;
use crate::format::{Received, render};
use crate::options::settings::Output;
use pondhawk_session::client::Message;

/// Prints a message as the command line says.
pub(crate) fn print(message: &Message, output: &Output, console: &mut Console) {
    let mut line = Vec::new();
    let outcome = render_line(message, output, &mut line);
    console.bytes(&line);
    if let Err(NotJson) = outcome {
        console.error(&format!("Error: Message payload is not valid JSON on topic {}.", message.topic));
    }
}

/// The payload is not JSON though the format wants it to be.
pub(crate) struct NotJson;

/// Appends the message as the command line says, its line end included.
///
/// # Errors
/// [`NotJson`].
pub(crate) fn render_line(message: &Message, output: &Output, line: &mut Vec<u8>) -> Result<(), NotJson> {
    let mut outcome = Ok(());
    if let Some(format) = &output.format {
        let at = chrono::Local::now().fixed_offset();
        let pretty = output.pretty;
        let received = Received { message, at, pretty };
        outcome = render(format, &received, line).map_err(|_| NotJson);
    } else if output.verbose {
        line.extend_from_slice(message.topic.as_bytes());
        line.push(b' ');
        if message.payload.is_empty() {
            line.extend_from_slice(b"(null)\n");
            return Ok(());
        }
        line.extend_from_slice(&message.payload);
    } else {
        line.extend_from_slice(&message.payload);
        if message.payload.is_empty() {
            return Ok(());
        }
    }
    if !output.no_newline {
        line.push(b'\n');
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{PropertiesBuf, Qos};

    fn text(payload: &str, verbose: bool, no_newline: bool) -> String {
        let message = Message {
            topic: "t".to_owned(),
            payload: payload.as_bytes().to_vec(),
            qos: Qos::AtMostOnce,
            retain: false,
            dup: false,
            id: None,
            properties: PropertiesBuf::new(),
        };
        let output = Output { verbose, no_newline, ..Output::default() };
        let mut line = Vec::new();
        assert!(render_line(&message, &output, &mut line).is_ok());
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn lines() {
        assert_eq!(text("hi", false, false), "hi\n");
        assert_eq!(text("hi", false, true), "hi");
        assert_eq!(text("", false, false), "");
        assert_eq!(text("hi", true, false), "t hi\n");
        assert_eq!(text("hi", true, true), "t hi");
        assert_eq!(text("", true, true), "t (null)\n");
    }
}
