//! `log_dest` and `log_type`: lines that add up, the first of which replaces the default.

use super::{Args, Draft};
use crate::error::Fault;
use crate::model::{LogDestinations, LogTypes};

/// `log_dest stdout|stderr|syslog|topic|file PATH|dlt|android|none`.
pub(crate) fn log_dest(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let word = args.word()?;
    if !draft.log_dest_given {
        draft.log_dest_given = true;
        draft.config.logging.destinations = LogDestinations::default();
    }
    let destinations = &mut draft.config.logging.destinations;
    match word {
        "stdout" => destinations.stdout = true,
        "stderr" => destinations.stderr = true,
        "syslog" => destinations.syslog = true,
        "topic" => destinations.topic = true,
        "none" => *destinations = LogDestinations::default(),
        "file" => {
            let text = args.text()?;
            let path = text.strip_prefix("file").unwrap_or_default().trim_start();
            if path.is_empty() {
                return Err(Fault::empty("log_dest file").hint("write 'log_dest file PATH'"));
            }
            if destinations.file.is_some() {
                return Err(Fault::new("Duplicate 'log_dest file' value.").hint("one log file is possible"));
            }
            destinations.file = Some(path.into());
        }
        "dlt" | "android" => {
            let warning = format!("Warning: 'log_dest {word}' is not available and is ignored.");
            draft.warn(warning);
        }
        _ => {
            let hint = "one of stdout, stderr, syslog, topic, file PATH, none";
            return Err(Fault::invalid(args.name, word).hint(hint));
        }
    }
    Ok(())
}

/// `log_type debug|error|…|all|none`.
pub(crate) fn log_type(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let words = args.words()?;
    if words.is_empty() {
        return Err(Fault::empty(args.name));
    }
    for word in words {
        let Some(types) = LogTypes::named(word) else {
            let hint = "one of debug, error, warning, notice, information, subscribe, unsubscribe, \
                        websockets, internal, all, none";
            return Err(Fault::invalid(args.name, word).hint(hint));
        };
        if !draft.log_type_given || types == LogTypes::NONE {
            draft.config.logging.types = LogTypes::NONE;
        }
        draft.log_type_given = true;
        draft.config.logging.types = draft.config.logging.types | types;
    }
    Ok(())
}
