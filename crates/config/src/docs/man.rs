//! The man page mosquitto.conf(5), in roff.

use super::*;
use crate::directive::Section;
use crate::table::directives;
use std::fmt::Write;

/// The man page of the configuration file.
pub fn man_page() -> String {
    let mut page = String::from(
        ".\\\" Generated from the table in crates/config; change it there.\n\
         .TH MOSQUITTO.CONF 5 \"\" Pondhawk \"File formats\"\n\
         .SH NAME\nmosquitto.conf \\- the configuration file of the Pondhawk MQTT broker\n\
         .SH SYNOPSIS\n.B mosquitto.conf\n\
         .SH DESCRIPTION\n\
         The broker reads this file when it is named with\n.BR \\-c .\n",
    );
    for text in SYNTAX {
        paragraph(&mut page, ".PP", text);
    }
    for section in Section::ALL {
        line(&mut page, &format!(".SH {}", section.title().to_ascii_uppercase()));
        directives().filter(|row| row.section() == section).for_each(|row| entry(&mut page, row));
    }
    line(&mut page, ".SH ENVIRONMENT");
    for (name, meaning) in ENVIRONMENT {
        line(&mut page, &format!(".TP\n.B {}", escaped(name)));
        line(&mut page, &text(meaning));
    }
    line(&mut page, ".SH EXIT STATUS\nA file that cannot be used ends the broker with 3.");
    line(&mut page, ".SH SEE ALSO\n.BR mosquitto (8),\n.BR mosquitto_passwd (1)");
    page
}

fn entry(page: &mut String, row: &Directive) {
    line(page, &format!(".TP\n.B {}", escaped(&format!("{} {}", shown_name(row), row.syntax()))));
    line(page, &text(row.documentation()));
    let mut facts = Vec::new();
    let aliases = shown_aliases(row);
    if !aliases.is_empty() {
        facts.push(format!("Also called {}.", aliases.join(", ")));
    }
    facts.push(format!("About {}.", scope_words(row.scope())));
    facts.push(format!("Without it: {}.", row.default_text()));
    if row.is_repeatable() {
        facts.push("Several lines add up.".to_owned());
    }
    facts.push(format!("At SIGHUP: {}.", reload_words(row)));
    facts.extend(status_sentence(row.status()));
    paragraph(page, ".IP", &facts.join(" "));
}

fn paragraph(page: &mut String, request: &str, words: &str) {
    line(page, request);
    line(page, &text(words));
}

/// Running text: what stands between backquotes becomes bold.
fn text(words: &str) -> String {
    let mut out = String::new();
    for (index, part) in words.split('`').enumerate() {
        let part = escaped(part);
        let piece = if index % 2 == 1 { format!("\\fB{part}\\fR") } else { part };
        out.push_str(&piece);
    }
    guarded(out)
}

/// Characters that roff would take for its own.
fn escaped(words: &str) -> String {
    words.replace('\\', "\\e").replace('-', "\\-")
}

/// A line may not start with a request's mark.
fn guarded(words: String) -> String {
    if words.starts_with(['.', '\'']) { format!("\\&{words}") } else { words }
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roff_marks_are_escaped() {
        assert_eq!(text("a `-v` \\ b"), "a \\fB\\-v\\fR \\e b");
        assert_eq!(text(".conf"), "\\&.conf");
    }
}
