//! `-w`: one line for each topic, updated in place.

use crate::console::Console;
use crate::options::settings::Output;
use crate::printer;
use pondhawk_session::client::Message;
use std::io;

/// A terminal that does not say how large it is.
const ROWS: usize = 24;
const COLUMNS: usize = 80;

/// The lines on the screen.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Topics in the order in which they came, with their lines.
    entries: Vec<(String, String)>,
    changed: bool,
    drawn: bool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Watch::default()
    }

    /// Takes a message for the next drawing.
    pub(super) fn update(&mut self, message: &Message, output: &Output) {
        let mut bytes = Vec::new();
        let plain = output.format.is_none() && !output.verbose;
        if plain {
            bytes.extend_from_slice(format!("{}: ", message.topic).as_bytes());
        }
        // A payload that is not JSON shows as an empty line.
        let _ = printer::render_line(message, output, &mut bytes);
        let line = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
        match self.entries.iter_mut().find(|(topic, _)| *topic == message.topic) {
            Some((_, old)) => *old = line,
            None => self.entries.push((message.topic.clone(), line)),
        }
        self.changed = true;
    }

    /// Draws the lines if any has changed; the newest topics if not all fit.
    pub(super) fn draw(&mut self, console: &mut Console) {
        if !self.changed {
            return;
        }
        let (rows, columns) = size();
        console.bytes(self.screen(rows, columns).as_bytes());
        self.changed = false;
        self.drawn = true;
    }

    fn screen(&self, rows: usize, columns: usize) -> String {
        const CLEAR: &str = "\x1b[2J";
        const HOME: &str = "\x1b[H";
        const CLEAR_LINE: &str = "\x1b[K";
        const CLEAR_BELOW: &str = "\x1b[J";
        let mut screen = if self.drawn { String::from(HOME) } else { format!("{CLEAR}{HOME}") };
        let skipped = self.entries.len().saturating_sub(rows.saturating_sub(1).max(1));
        for (_, line) in &self.entries[skipped..] {
            screen.extend(line.chars().take(columns));
            screen.push_str(CLEAR_LINE);
            screen.push('\n');
        }
        screen.push_str(CLEAR_BELOW);
        screen
    }
}

fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (ROWS, COLUMNS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{PropertiesBuf, Qos};

    fn message(topic: &str, payload: &str) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: payload.as_bytes().to_vec(),
            qos: Qos::AtMostOnce,
            retain: false,
            dup: false,
            id: None,
            properties: PropertiesBuf::new(),
        }
    }

    #[test]
    fn topics_keep_their_lines() {
        let mut watch = Watch::new();
        for (topic, payload) in [("a", "1"), ("b", "2"), ("a", "3\n\x1b[2J4")] {
            watch.update(&message(topic, payload), &Output::default());
        }
        assert_eq!(watch.screen(24, 80), "\x1b[2J\x1b[Ha: 3[2J4\x1b[K\nb: 2\x1b[K\n\x1b[J");
        watch.drawn = true;
        assert_eq!(watch.screen(2, 2), "\x1b[Hb:\x1b[K\n\x1b[J");
    }
}
