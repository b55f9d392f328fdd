//! Reading a format.

use super::{Field, Format, Layout, Piece};

/// No terminal is wider, and nothing is padded beyond it.
const WIDTH_MAX: usize = 10_000;

/// What may stand between groups of bytes in hexadecimal.
const SEPARATORS: &[u8] = b" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~";

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// What is wrong with it, in Mosquitto's words.
    pub(crate) fn parse(format: &[u8]) -> Result<Format, String> {
        let mut reader = Reader { rest: format };
        let mut pieces = Vec::new();
        while let Some(byte) = reader.next() {
            match byte {
                b'%' => pieces.push(reader.field()?),
                b'@' => pieces.push(reader.time()?),
                b'\\' => push_byte(&mut pieces, reader.escape()?),
                byte => push_byte(&mut pieces, byte),
            }
        }
        Ok(Format { pieces })
    }
}

fn push_byte(pieces: &mut Vec<Piece>, byte: u8) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(byte),
        _ => pieces.push(Piece::Text(vec![byte])),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn skip(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.rest.first().filter(|b| b.is_ascii_digit()) {
            number = Some((number.unwrap_or(0) * 10 + usize::from(digit - b'0')).min(WIDTH_MAX));
            self.rest = &self.rest[1..];
        }
        number
    }

    fn field(&mut self) -> Result<Piece, String> {
        let mut layout = Layout { left: self.skip(b'-'), zero: self.skip(b'0'), ..Layout::default() };
        layout.width = self.number().unwrap_or(0);
        let dot_is_separator = matches!(self.rest, [b'.', b'x' | b'X', ..]);
        if !dot_is_separator && self.skip(b'.') {
            layout.precision = self.number();
        }
        if let [separator, b'x' | b'X', ..] = self.rest
            && SEPARATORS.contains(separator)
        {
            layout.separator = self.next();
        }
        let letter = self.next().ok_or("Error: Incomplete format specifier.")?;
        if letter == b'%' {
            return Ok(Piece::Text(b"%".to_vec()));
        }
        let field = field(letter)
            .ok_or_else(|| format!("Error: Invalid format specifier '{}'.", char::from(letter)))?;
        Ok(Piece::Field(field, layout))
    }

    fn time(&mut self) -> Result<Piece, String> {
        let letter = self.next().ok_or("Error: Incomplete format specifier.")?;
        Ok(match letter {
            b'@' => Piece::Text(b"@".to_vec()),
            b'N' => Piece::Nanoseconds,
            letter => Piece::Time(format!("%{}", char::from(letter))),
        })
    }

    fn escape(&mut self) -> Result<u8, String> {
        let letter = self.next().ok_or("Error: Incomplete escape specifier.")?;
        Ok(match letter {
            b'\\' => b'\\',
            b'0' => 0,
            b'a' => 0x07,
            b'e' => 0x1b,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => {
                return Err(format!("Error: Invalid escape specifier '{}'.", char::from(other)));
            }
        })
    }
}

fn field(letter: u8) -> Option<Field> {
    Some(match letter {
        b'A' => Field::TopicAlias,
        b'C' => Field::ContentType,
        b'D' => Field::CorrelationData,
        b'd' => Field::Double,
        b'E' => Field::MessageExpiry,
        b'F' => Field::PayloadFormat,
        b'f' => Field::Float,
        b'I' => Field::IsoTime,
        b'j' => Field::JsonText,
        b'J' => Field::JsonPayload,
        b'l' => Field::Length,
        b'm' => Field::MessageId,
        b'P' => Field::UserProperties,
        b'p' => Field::Payload,
        b'q' => Field::Qos,
        b'R' => Field::ResponseTopic,
        b'r' => Field::Retain,
        b'S' => Field::SubscriptionId,
        b't' => Field::Topic,
        b'U' => Field::UnixTime,
        b'x' => Field::HexLower,
        b'X' => Field::HexUpper,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(format: &str) -> Piece {
        let mut pieces = Format::parse(format.as_bytes()).expect(format).pieces;
        assert_eq!(pieces.len(), 1, "{format}");
        pieces.remove(0)
    }

    #[test]
    fn layouts() {
        let layout = |format: &str| match one(format) {
            Piece::Field(_, layout) => layout,
            other => panic!("{other:?}"),
        };
        let all = Layout { left: true, zero: true, width: 12, precision: Some(3), separator: Some(b':') };
        assert_eq!(layout("%-012.3:x"), all);
        assert_eq!(layout("%.x"), Layout { separator: Some(b'.'), ..Layout::default() });
        assert_eq!(layout("%--X"), Layout { left: true, separator: Some(b'-'), ..Layout::default() });
        assert_eq!(layout("%.2t"), Layout { precision: Some(2), ..Layout::default() });
        assert_eq!(layout("%99999999999999999999t").width, WIDTH_MAX);
    }

    #[test]
    fn text_is_one_piece() {
        assert_eq!(one("a\\\\b\\0c\\a\\e\\v\\r"), Piece::Text(b"a\\b\0c\x07\x1b\x0b\r".to_vec()));
        assert_eq!(one("@Y"), Piece::Time("%Y".to_owned()));
        assert_eq!(one("@N"), Piece::Nanoseconds);
        assert_eq!(one("%5%"), Piece::Text(b"%".to_vec()));
    }

    #[test]
    fn mistakes() {
        for (format, error) in [
            ("%", "Error: Incomplete format specifier."),
            ("%10", "Error: Incomplete format specifier."),
            ("@", "Error: Incomplete format specifier."),
            ("%z", "Error: Invalid format specifier 'z'."),
            ("%:t", "Error: Invalid format specifier ':'."),
            ("\\", "Error: Incomplete escape specifier."),
            ("\\q", "Error: Invalid escape specifier 'q'."),
        ] {
            assert_eq!(Format::parse(format.as_bytes()), Err(error.to_owned()), "{format}");
        }
    }
}
