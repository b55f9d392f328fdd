//! Security settings that are more than one value in one place.

use super::{Args, Draft};
use crate::directive::Scope;
use crate::error::Fault;
use crate::model::{Durability, OnFailure};
use crate::value;
use std::time::Duration;

/// `per_listener_settings BOOL`: decides where later security lines go, so none may have come before.
pub(crate) fn per_listener_settings(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let on = value::boolean(args.name, args.word()?)?;
    let earlier = draft.config.settings.iter().find(|setting| setting.directive.scope() == Scope::Security);
    if on != draft.config.per_listener_settings
        && let Some(earlier) = earlier
    {
        let text = "per_listener_settings must be set before any other security settings.";
        let hint = format!("move it above '{}' at {}", earlier.directive.name(), earlier.place);
        return Err(Fault::new(text).hint(hint));
    }
    draft.config.per_listener_settings = on;
    Ok(())
}

/// `refuse_subscribe FILTER`: one more filter that SUBSCRIBE may not name.
pub(crate) fn refuse_subscribe(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let filter = args.text()?;
    if !draft.config.mqtt.refuse_subscribe.contains(&filter) {
        draft.config.mqtt.refuse_subscribe.push(filter);
    }
    Ok(())
}

/// `persistence_durability group|interval MS|none`.
pub(crate) fn durability(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let words = args.words()?;
    draft.config.persistence.durability = match words.as_slice() {
        [] => return Err(Fault::empty(args.name)),
        ["group"] => Durability::Group,
        ["none"] => Durability::None,
        ["interval", ms] => match value::integer(args.name, ms)? {
            ms @ 1..=3_600_000 => Durability::Interval(Duration::from_millis(ms.unsigned_abs())),
            ms => return Err(Fault::invalid(args.name, ms).hint("the interval is 1 to 3600000 milliseconds")),
        },
        _ => {
            let fault = Fault::invalid(args.name, words.join(" "));
            return Err(fault.hint("the value is 'group', 'interval MILLISECONDS' or 'none'"));
        }
    };
    Ok(())
}

/// `persistence_on_failure refuse|exit`.
pub(crate) fn on_failure(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.config.persistence.on_failure = match args.word()? {
        "refuse" => OnFailure::Refuse,
        "exit" => OnFailure::Exit,
        word => return Err(Fault::invalid(args.name, word).hint("the value is 'refuse' or 'exit'")),
    };
    Ok(())
}
