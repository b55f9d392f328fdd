//! From words to settings: the options file first, then the command line.

use super::file;
use super::flag::{Action, Arg};
use super::property;
use super::settings::Settings;
use super::table;
use crate::failure::{Failure, USAGE};
use crate::tool::Tool;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// To run with these settings.
    Run(Box<Settings>),
    /// The usage text.
    Help,
    /// The version.
    Version,
}

/// What words say besides settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Help,
    Version,
}

/// The environment, for finding the options file.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads the options file and the words behind the program's name.
///
/// # Errors
/// The first mistake, in Mosquitto's words.
pub(crate) fn parse(tool: Tool, args: Vec<OsString>, env: Lookup<'_>) -> Result<Parsed, Failure> {
    let words: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    let mut settings = Settings::new(tool);
    let in_file = match explicit_file(&words) {
        Some(path) => file::read(&path)?,
        None => default_file(tool, env).map_or(Ok(Vec::new()), |path| file::read_if_there(&path))?,
    };
    for line in in_file {
        apply(&mut settings, &line).map_err(|text| usage_failure(tool, &text))?;
    }
    match apply(&mut settings, &words).map_err(|text| usage_failure(tool, &text))? {
        Asked::Help => return Ok(Parsed::Help),
        Asked::Version => return Ok(Parsed::Version),
        Asked::Nothing => {}
    }
    super::check::check(&mut settings).map_err(|text| usage_failure(tool, &text))?;
    Ok(Parsed::Run(Box::new(settings)))
}

/// `text`, and where to learn more.
pub(crate) fn usage_failure(tool: Tool, text: &str) -> Failure {
    let name = tool.name();
    Failure::new(USAGE, format!("{text}\n\nUse '{name} --help' to see usage."))
}

fn apply(settings: &mut Settings, words: &[Vec<u8>]) -> Result<Asked, String> {
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        let flag = table::find(word, settings.tool)
            .ok_or_else(|| format!("Error: Unknown option '{}'.", String::from_utf8_lossy(word)))?;
        let canonical = flag.names[0];
        rest = behind;
        match &flag.action {
            Action::Switch(set) => set(settings)?,
            Action::Value { missing, set, .. } => {
                let (value, behind) = rest
                    .split_first()
                    .ok_or_else(|| format!("Error: {canonical} argument given but {missing}.\n"))?;
                rest = behind;
                let arg = Arg { flag: canonical, bytes: value };
                set(settings, &arg)?;
            }
            Action::Property => rest = &rest[property::take(settings, rest)?..],
            // It was read before everything else.
            Action::OptionsFile => rest = rest.get(1..).ok_or(NO_OPTIONS_FILE)?,
            Action::Help => return Ok(Asked::Help),
            Action::Version => return Ok(Asked::Version),
        }
    }
    Ok(Asked::Nothing)
}

const NO_OPTIONS_FILE: &str = "Error: -o argument given but no options file specified.\n";

/// The argument of `-o`, which must be known before the other flags are looked at.
fn explicit_file(words: &[Vec<u8>]) -> Option<PathBuf> {
    let at = words.iter().position(|word| word == b"-o")?;
    words.get(at + 1).map(|path| PathBuf::from(OsString::from_vec(path.clone())))
}

/// `$XDG_CONFIG_HOME/NAME`, else `$HOME/.config/NAME`.
fn default_file(tool: Tool, env: Lookup<'_>) -> Option<PathBuf> {
    let directory = match env("XDG_CONFIG_HOME") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(&env("HOME")?).join(".config"),
    };
    Some(directory.join(tool.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::Version;
    use std::fs;

    fn run_in(tool: Tool, words: &[&str], home: Option<&Path>) -> Result<Settings, String> {
        let args = words.iter().map(OsString::from).collect();
        let env = |name: &str| home.filter(|_| name == "XDG_CONFIG_HOME").map(|home| home.as_os_str().into());
        match parse(tool, args, &env) {
            Ok(Parsed::Run(settings)) => Ok(*settings),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.text),
        }
    }

    fn run(tool: Tool, words: &[&str]) -> Result<Settings, String> {
        run_in(tool, words, None)
    }

    #[test]
    fn every_flag_without_its_argument_says_so() {
        for tool in Tool::ALL {
            for flag in table::FLAGS.iter().filter(|flag| flag.is_for(tool)) {
                let wanted = match flag.action {
                    Action::Value { missing, .. } => {
                        format!("{} argument given but {missing}.", flag.names[0])
                    }
                    Action::Property => "--property argument given but not enough arguments".to_owned(),
                    Action::OptionsFile => "-o argument given but no options file".to_owned(),
                    _ => continue,
                };
                for name in flag.names {
                    let error = run(tool, &[name]).expect_err(name);
                    assert!(error.contains(&wanted), "{name}: {error}");
                    assert!(error.ends_with(&format!("Use '{} --help' to see usage.", tool.name())));
                }
            }
        }
    }

    #[test]
    fn flags_of_other_tools_are_unknown() {
        for (tool, flag) in [(Tool::Pub, "-C"), (Tool::Sub, "-m"), (Tool::Rr, "-l"), (Tool::Sub, "--foo")] {
            let error = run(tool, &[flag]).expect_err(flag);
            assert!(error.starts_with(&format!("Error: Unknown option '{flag}'.\n\nUse '")), "{error}");
        }
    }

    #[test]
    fn a_full_command_line() {
        let words = "-h ::1 -p 1884 -t a -q 2 -m hi -r -i me -k 5 -M 3 -u u -P p --will-topic w --repeat 3 \
                     --repeat-delay 0.5 -D publish content-type x";
        let settings = run(Tool::Pub, &words.split_whitespace().collect::<Vec<_>>()).expect("legal");
        assert_eq!((settings.broker.host.as_deref(), settings.port()), (Some("::1"), 1884));
        assert_eq!((settings.message.qos.as_u8(), settings.message.retain), (2, true));
        assert_eq!((settings.message.repeat, settings.message.repeat_delay_ms), (3, 500));
        assert_eq!((settings.client.keep_alive, settings.client.inflight_max), (5, 3));
        assert_eq!(settings.client.version, Version::V5);
    }

    #[test]
    fn the_options_file_comes_first() {
        let home = tempfile::tempdir().expect("a directory");
        let text = "# comment\n-h from file\n\n-q 1\n-D connect user-property key some value\r\n--quiet\n";
        fs::write(home.path().join("mosquitto_sub"), text).expect("written");
        let settings = run_in(Tool::Sub, &["-t", "a", "-q", "2"], Some(home.path())).expect("legal");
        assert_eq!(settings.broker.host.as_deref(), Some("from file"));
        assert_eq!(settings.message.qos.as_u8(), 2);
        assert!(settings.output.quiet && !settings.properties.connect.is_empty());

        let other = home.path().join("other");
        fs::write(&other, "-t b\n").expect("written");
        let words = ["-o", other.to_str().expect("plain")];
        let settings = run_in(Tool::Sub, &words, Some(home.path())).expect("legal");
        assert_eq!((settings.subscription.topics, settings.broker.host), (vec!["b".to_owned()], None));
        let error = run_in(Tool::Sub, &["-o", "/nonexistent"], None).expect_err("no file");
        assert!(error.contains("/nonexistent"), "{error}");
    }

    #[test]
    fn help_and_version() {
        for (word, help) in [("--help", true), ("--version", false)] {
            let parsed = parse(Tool::Pub, vec![OsString::from(word)], &|_| None).expect("legal");
            assert_eq!(matches!(parsed, Parsed::Help), help);
            assert_eq!(matches!(parsed, Parsed::Version), !help);
        }
    }
}
