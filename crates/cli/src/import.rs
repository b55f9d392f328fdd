//! `pondhawk import`: what Mosquitto has kept goes into a new store.

use crate::store::{FAILED, print, refuse_foreign_root};
use pondhawk_config::{BrokerArgs, Config, SystemHost};
use pondhawk_import::Report;
use pondhawk_server::takeover;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What `--help` says.
pub(crate) const USAGE: &str = "\
Usage: pondhawk import [--json] [-c FILE] mosquitto.db [DIRECTORY]

Reads what Mosquitto 1.6 or 2 has kept (sessions, subscriptions, queued and unfinished messages, retained messages)
into a new store 'pondhawk-store' in DIRECTORY, which is the 'persistence_location' of the broker to come; without it,
the store is made beside the file. The file is not changed. The broker does the same by itself when it starts where a
mosquitto.db is and no store.

Options:
  -c FILE   The broker's configuration, which says where the store is and which listener clients came in by
  --json    one JSON object instead of text

Exit codes: 0 imported, 2 nothing was imported
";

/// Where to import to.
struct Target {
    folder: PathBuf,
    config: Option<Config>,
}

/// Runs the command with the arguments behind `import`.
pub(crate) fn main(args: Vec<OsString>) -> i32 {
    let mut json = false;
    let mut conf = None;
    let mut words = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return print(USAGE, 0),
            Some("--json") => json = true,
            Some("-c") => conf = args.next().map(PathBuf::from),
            Some(flag) if flag.starts_with('-') => return wrong(),
            _ => words.push(PathBuf::from(arg)),
        }
    }
    let (file, directory) = match words.as_slice() {
        [file] => (file, None),
        [file, directory] => (file, Some(directory.as_path())),
        _ => return wrong(),
    };
    match target(file, directory, conf).and_then(|target| import(file, &target)) {
        Ok((report, folder)) => tell(&report, &folder, json),
        Err(text) => {
            eprintln!("{text}");
            FAILED
        }
    }
}

fn wrong() -> i32 {
    eprint!("{USAGE}");
    FAILED
}

fn target(file: &Path, directory: Option<&Path>, conf: Option<PathBuf>) -> Result<Target, String> {
    let config = conf.map(|conf| {
        let args = BrokerArgs { config_file: Some(conf), ..BrokerArgs::default() };
        pondhawk_config::load(&args, &SystemHost).map_err(|error| error.lines().join("\n"))
    });
    let config = config.transpose()?;
    let beside = || file.parent().map(Path::to_owned).unwrap_or_default();
    let folder = match (directory, &config) {
        (Some(directory), _) => directory.join(takeover::FOLDER),
        (None, Some(config)) => takeover::places(config).0,
        (None, None) => beside().join(takeover::FOLDER),
    };
    Ok(Target { folder, config })
}

fn import(file: &Path, target: &Target) -> Result<(Report, PathBuf), String> {
    refuse_foreign_root(&target.folder)?;
    let listener_of = |port| target.config.as_ref().map_or(0, |config| takeover::listener_of(config, port));
    let report = takeover::import(file, &target.folder, &listener_of);
    let report = report.map_err(|error| format!("Error: {error}."))?;
    Ok((report, target.folder.clone()))
}

fn tell(report: &Report, folder: &Path, json: bool) -> i32 {
    if json {
        let left_out = report.left_out.iter();
        let left_out: Vec<_> = left_out
            .map(
                |(why, left_out)| json!({ "why": why, "count": left_out.count, "example": left_out.example }),
            )
            .collect();
        let object = json!({
            "store": folder.display().to_string(),
            "format": report.format,
            "sessions": report.sessions,
            "subscriptions": report.subscriptions,
            "queued": report.queued,
            "in_flight": report.in_flight,
            "received": report.received,
            "retained": report.retained,
            "left_out": left_out,
        });
        return print(&format!("{object}\n"), 0);
    }
    let mut text = format!("{}: {report}\n", folder.display());
    text.extend(report.left_out_lines().map(|line| line + "\n"));
    print(&text, 0)
}
