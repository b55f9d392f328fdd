//! The man pages of the tools, from the table of flags.

use super::flag::{Flag, Group};
use super::usage::{in_group, synopsis};
use crate::tool::Tool;
use std::fmt::Write as _;

/// The man page of a tool, as roff.
pub(crate) fn man_page(tool: Tool) -> String {
    let name = tool.name();
    let mut page = format!(
        ".TH {} 1 \"\" \"Pondhawk {}\" \"Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.nf\n{}\n.fi\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        escape(name),
        escape(tool.purpose()),
        escape(synopsis(tool)),
    );
    page.push_str(".SH OPTIONS\n");
    for group in Group::ALL {
        let mut flags = in_group(tool, group).peekable();
        if flags.peek().is_none() {
            continue;
        }
        add(&mut page, format_args!(".SS {}", escape(group.title())));
        for flag in flags {
            add(&mut page, format_args!(".TP\n{}\n{}", head(flag), escape(flag.help)));
        }
    }
    if tool != Tool::Pub {
        page.push_str(FORMAT);
    }
    page.push_str(FILES);
    page.push_str(match tool {
        Tool::Pub => EXIT_PUB,
        Tool::Sub | Tool::Rr => EXIT_SUB,
    });
    page
}

const FORMAT: &str = r".SH OUTPUT FORMAT
A format is text with conversions. \fB%\fR begins one about the message, \fB@\fR one about the time at which it
came, and a backslash one of the characters \fB\e\e \e0 \ea \ee \en \er \et \ev\fR.
.PP
\fB%[\-][0][width][.precision][separator]X\fR: \fB\-\fR aligns to the left, \fB0\fR pads with zeros, the
precision cuts strings. A separator, one punctuation character, stands between groups of bytes of %x and %X;
the precision is then the length of a group.
.TP
\fB%t %p %l %m %q %r\fR
Topic, payload, payload length, message id, QoS, retain flag.
.TP
\fB%x %X %f %d\fR
The payload in hexadecimal, as a 4-byte float, as an 8-byte double.
.TP
\fB%j %J\fR
JSON with the payload as a string, or with the payload's own JSON.
.TP
\fB%A %C %D %E %F %P %R %S\fR
Topic alias, content type, correlation data, message expiry, payload format, user properties, response topic,
subscription identifier.
.TP
\fB%I %U\fR
The time as ISO 8601, and in seconds since 1970.
.TP
\fB@X @N @@\fR
A conversion X of
.BR strftime (3),
the nanoseconds, the character @.
";

const FILES: &str = r".SH FILES
\fB$XDG_CONFIG_HOME/NAME\fR, or \fB$HOME/.config/NAME\fR, where NAME is the name of the program: options, one a
line, that hold before those of the command line. A line that begins with # is a comment.
";

const EXIT_PUB: &str = r".SH EXIT STATUS
0 when all is sent and answered; 1 for a mistake on the command line, \-\-help, \-\-version, and a broker that
cannot be reached; the code in CONNACK when the broker refuses; 7 when the connection is lost.
";

const EXIT_SUB: &str = r".SH EXIT STATUS
0 when done; 1 for a mistake on the command line, \-\-help, \-\-version, and a broker that cannot be reached;
the code in CONNACK when the broker refuses; 27 when the time of \-W ran out.
";

fn head(flag: &Flag) -> String {
    let names: Vec<String> = flag.names.iter().map(|name| format!("\\fB{}\\fR", escape(name))).collect();
    match flag.argument() {
        "" => names.join(", "),
        argument => format!("{} \\fI{}\\fR", names.join(", "), escape(argument)),
    }
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\u{221e}', "\\(if")
}

fn add(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::table::FLAGS;
    use super::*;

    #[test]
    fn every_flag_has_its_paragraph() {
        for tool in Tool::ALL {
            let page = man_page(tool);
            for flag in FLAGS.iter().filter(|flag| flag.is_for(tool)) {
                assert!(page.contains(&format!(".TP\n{}\n", head(flag))), "{}", flag.names[0]);
            }
            assert!(page.is_ascii());
            assert!(page.starts_with(&format!(".TH {} 1 ", tool.name().to_uppercase())));
        }
    }
}
