//! The usage text, from the table of flags.

use super::flag::{Flag, Group};
use super::table::FLAGS;
use crate::tool::Tool;
use std::fmt::Write as _;

const WIDTH: usize = 80;
const INDENT: usize = 8;

/// What `--version` prints.
pub(crate) fn version(tool: Tool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{} version {version} running on Pondhawk {version}.\n", tool.name())
}

/// The first lines: how the tool is called.
pub(crate) fn synopsis(tool: Tool) -> &'static str {
    match tool {
        Tool::Pub => {
            "mosquitto_pub {[-h host] [--unix path] [-p port] [-u username] [-P password] -t topic | -L URL}\n\
             \x20                    {-f file | -l | -n | -m message | -s} [options]"
        }
        Tool::Sub => {
            "mosquitto_sub {[-h host] [--unix path] [-p port] [-u username] [-P password] -t topic | -L URL}\n\
             \x20                    [options]"
        }
        Tool::Rr => {
            "mosquitto_rr {[-h host] [--unix path] [-p port] [-u username] [-P password] -t topic | -L URL}\n\
             \x20                   {-f file | -n | -m message | -s} -e response-topic [options]"
        }
    }
}

/// What `--help` prints.
pub(crate) fn usage(tool: Tool) -> String {
    let mut text =
        format!("{}: {}.\n{}\nUsage: {}\n", tool.name(), tool.purpose(), version(tool), synopsis(tool));
    for group in Group::ALL {
        let flags: Vec<&Flag> = in_group(tool, group).collect();
        if flags.is_empty() {
            continue;
        }
        write_line(&mut text, format_args!("\n{}:", group.title()));
        for flag in flags {
            write_line(&mut text, format_args!("  {}", head(flag)));
            for line in wrap(flag.help, WIDTH - INDENT) {
                write_line(&mut text, format_args!("{:INDENT$}{line}", ""));
            }
        }
    }
    text
}

/// The flags of a tool under one heading.
pub(crate) fn in_group(tool: Tool, group: Group) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| flag.is_for(tool) && flag.group == group)
}

/// `-h, --host HOST`.
fn head(flag: &Flag) -> String {
    let names = flag.names.join(", ");
    match flag.argument() {
        "" => names,
        argument => format!("{names} {argument}"),
    }
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_names_every_flag_once() {
        for tool in Tool::ALL {
            let text = usage(tool);
            for flag in FLAGS {
                let line = format!("  {}\n", head(flag));
                assert_eq!(text.matches(&line).count(), usize::from(flag.is_for(tool)), "{line}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
        }
    }

    #[test]
    fn names_are_unique_in_each_tool() {
        for tool in Tool::ALL {
            let mut names: Vec<&str> =
                FLAGS.iter().filter(|flag| flag.is_for(tool)).flat_map(|flag| flag.names).copied().collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
