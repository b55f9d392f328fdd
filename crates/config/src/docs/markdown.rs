//! The reference page, `docs/reference/mosquitto.conf.md`.

use super::*;
use crate::directive::Section;
use crate::table::directives;
use std::fmt::Write;

/// The reference of the configuration file in Markdown.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "<!-- Generated from the table in crates/config; change it there. -->\n\n\
         # The configuration file\n\n\
         Pondhawk reads `mosquitto.conf`. This page lists every directive, with Mosquitto's names and \
         meanings and a few of Pondhawk's own.\n",
    );
    page.push_str("\n## Syntax\n");
    for paragraph in SYNTAX {
        paragraph_to(&mut page, paragraph);
    }
    page.push_str("\n## Directives\n\n");
    for section in Section::ALL {
        let title = section.title();
        let anchor = title.to_ascii_lowercase().replace(' ', "-");
        let names: Vec<_> = rows_of(section).map(|row| format!("`{}`", shown_name(row))).collect();
        line(&mut page, &format!("* [{title}](#{anchor}): {}", names.join(", ")));
    }
    for section in Section::ALL {
        line(&mut page, &format!("\n## {}", section.title()));
        rows_of(section).for_each(|row| entry(&mut page, row));
    }
    page.push_str("\n## Environment\n\n");
    for (name, meaning) in ENVIRONMENT {
        line(&mut page, &format!("* `{name}`: {meaning}"));
    }
    page
}

fn rows_of(section: Section) -> impl Iterator<Item = &'static Directive> {
    directives().filter(move |row| row.section() == section)
}

fn entry(page: &mut String, row: &Directive) {
    line(page, &format!("\n### `{} {}`", shown_name(row), row.syntax()));
    paragraph_to(page, row.documentation());
    page.push('\n');
    let aliases = shown_aliases(row);
    if !aliases.is_empty() {
        line(page, &format!("* Also called: `{}`", aliases.join("`, `")));
    }
    line(page, &format!("* About: {}", scope_words(row.scope())));
    line(page, &format!("* Without it: {}", row.default_text()));
    line(page, &format!("* At SIGHUP: {}", reload_words(row)));
    if row.is_repeatable() {
        line(page, "* Several lines add up");
    }
    if let Some(sentence) = status_sentence(row.status()) {
        line(page, &format!("* {sentence}"));
    }
}

fn paragraph_to(page: &mut String, text: &str) {
    line(page, &format!("\n{text}"));
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}
