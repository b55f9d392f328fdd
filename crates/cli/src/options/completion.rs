//! Completions for bash, zsh and fish, from the table of flags: of the tools, and of `pondhawk`, whose
//! subcommands take the tools' flags.

use super::flag::{Action, Flag};
use super::table::FLAGS;
use crate::tool::Tool;
use std::fmt::Write as _;

/// The shells that have completions.
pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The subcommands of `pondhawk`.
pub(crate) const SUBCOMMANDS: [&str; 12] = [
    "broker",
    "pub",
    "sub",
    "rr",
    "passwd",
    "conform",
    "store",
    "import",
    "install-names",
    "completions",
    "man",
    "help",
];

/// The completions for a shell, if it is one that we know.
pub(crate) fn completion(shell: &str) -> Option<String> {
    let one = match shell {
        "bash" => bash,
        "zsh" => zsh,
        "fish" => fish,
        _ => return None,
    };
    let header = match shell {
        "zsh" => "#compdef mosquitto_pub mosquitto_sub mosquitto_rr pondhawk\n",
        _ => "# Completions of pondhawk, mosquitto_pub, mosquitto_sub and mosquitto_rr.\n",
    };
    let mut script = header.to_owned();
    for tool in Tool::ALL {
        script.push_str(&one(tool));
    }
    let list = SUBCOMMANDS.join(" ");
    match shell {
        "bash" => script.push_str(&BASH_PONDHAWK.replace("{list}", &list)),
        "zsh" => script.push_str(&ZSH_PONDHAWK.replace("{list}", &list)),
        _ => add(&mut script, format_args!("complete -c pondhawk -n __fish_use_subcommand -f -a '{list}'")),
    }
    Some(script)
}

const BASH_PONDHAWK: &str = "\
_pondhawk() {
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{list}' -- \"${COMP_WORDS[1]}\"))
    return
  fi
  case ${COMP_WORDS[1]} in
    pub|sub|rr) _mosquitto_${COMP_WORDS[1]};;
    *) COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"));;
  esac
}
complete -F _pondhawk pondhawk
";

const ZSH_PONDHAWK: &str = "\
_pondhawk() {
  if ((CURRENT == 2)); then
    compadd {list}
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
    pub|sub|rr) _mosquitto_$command;;
    *) _files;;
  esac
}
_$service \"$@\"
";

fn flags(tool: Tool) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| flag.is_for(tool))
}

/// True if a file name is what the flag takes.
fn takes_path(flag: &Flag) -> bool {
    matches!(flag.argument(), "FILE" | "PATH" | "DIRECTORY")
}

/// The words that the flag takes, where they are few.
fn choices(flag: &Flag) -> &'static [&'static str] {
    match flag.argument() {
        "QOS" => &["0", "1", "2"],
        "VERSION" if flag.names.contains(&"-V") => &["mqttv31", "mqttv311", "mqttv5"],
        "VERSION" => &["tlsv1.2", "tlsv1.3"],
        "WHEN" => &["always", "new", "never"],
        "COMMAND NAME VALUE" => &["connect", "publish", "subscribe", "unsubscribe", "disconnect", "will"],
        _ => &[],
    }
}

fn bash(tool: Tool) -> String {
    let names: Vec<&str> = flags(tool).flat_map(|flag| flag.names).copied().collect();
    let mut script = format!(
        "_{name}() {{\n  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n  \
         COMPREPLY=()\n  case $before in\n",
        name = tool.name()
    );
    for flag in flags(tool).filter(|flag| !flag.argument().is_empty()) {
        let words = choices(flag);
        let reply = match (takes_path(flag), words.is_empty()) {
            (true, _) => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
            (false, false) => format!("COMPREPLY=($(compgen -W '{}' -- \"$word\"))", words.join(" ")),
            (false, true) => ":".to_owned(),
        };
        add(&mut script, format_args!("    {}) {reply}; return;;", flag.names.join("|")));
    }
    add(
        &mut script,
        format_args!("  esac\n  COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n}}", names.join(" ")),
    );
    add(&mut script, format_args!("complete -F _{0} {0}", tool.name()));
    script
}

fn zsh(tool: Tool) -> String {
    let mut script = format!("_{}() {{\n  _arguments \\\n", tool.name());
    for flag in flags(tool) {
        let help =
            flag.help.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
        let argument = match (flag.argument(), choices(flag)) {
            ("", _) => String::new(),
            (_, _) if takes_path(flag) => ":file:_files".to_owned(),
            (name, []) => format!(":{}:", name.to_lowercase()),
            (name, words) => format!(":{}:({})", name.to_lowercase(), words.join(" ")),
        };
        let more = match flag.action {
            Action::Property => ":name::value:",
            _ => "",
        };
        for name in flag.names {
            add(&mut script, format_args!("    '*{name}[{help}]{argument}{more}' \\"));
        }
    }
    script.push_str("    && return 0\n}\n");
    script
}

fn fish(tool: Tool) -> String {
    let mut script = String::new();
    for flag in flags(tool) {
        let mut line = String::new();
        for name in flag.names {
            let option = match name.strip_prefix("--") {
                Some(long) => format!(" -l {long}"),
                None => format!(" -s {}", name.trim_start_matches('-')),
            };
            line.push_str(&option);
        }
        match (flag.argument(), choices(flag)) {
            ("", _) => {}
            (_, _) if takes_path(flag) => line.push_str(" -r -F"),
            (_, []) => line.push_str(" -x"),
            (_, words) => line.push_str(&format!(" -x -a '{}'", words.join(" "))),
        }
        line.push_str(&format!(" -d '{}'", flag.help.replace('\'', "\\'")));
        let (name, subcommand) = (tool.name(), tool.subcommand());
        add(&mut script, format_args!("complete -c {name}{line}"));
        let condition = format!("'__fish_seen_subcommand_from {subcommand}'");
        add(&mut script, format_args!("complete -c pondhawk -n {condition}{line}"));
    }
    script
}

fn add(script: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(script, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_in_every_shells_completions() {
        for shell in SHELLS {
            let script = completion(shell).expect("known");
            for flag in FLAGS {
                for name in flag.names {
                    let written = match (shell, name.strip_prefix("--")) {
                        ("fish", Some(long)) => format!("-l {long}"),
                        ("fish", None) => format!("-s {}", &name[1..]),
                        _ => (*name).to_owned(),
                    };
                    assert!(script.contains(&written), "{shell} {name}");
                }
            }
        }
        assert_eq!(completion("tcsh"), None);
    }
}
