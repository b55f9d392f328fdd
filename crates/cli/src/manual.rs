//! Which manual pages there are. The tools' come from their table of flags, the configuration's from its table
//! of directives, and those of the broker, of `mosquitto_passwd`, `conform`, `store` and `import` from their usage texts.

use crate::options::man::{escape, man_page};
use crate::tool::Tool;
use crate::{conform, import, passwd, store};

/// The names of the pages.
pub(crate) const PAGES: [&str; 9] = [
    "mosquitto",
    "mosquitto_pub",
    "mosquitto_sub",
    "mosquitto_rr",
    "mosquitto_passwd",
    "mosquitto.conf",
    "pondhawk-conform",
    "pondhawk-store",
    "pondhawk-import",
];

/// The page of this name, or of the subcommand of this name, as roff.
pub(crate) fn page(name: &str) -> Option<String> {
    let tool = Tool::ALL.into_iter().find(|tool| name == tool.name() || name == tool.subcommand());
    if let Some(tool) = tool {
        return Some(man_page(tool));
    }
    let version = env!("CARGO_PKG_VERSION");
    match name {
        "mosquitto.conf" => Some(pondhawk_config::man_page()),
        "mosquitto" | "broker" => {
            let usage = pondhawk_config::usage("mosquitto", version);
            Some(from_usage(("mosquitto", 8), "an MQTT broker", &usage))
        }
        "mosquitto_passwd" | "passwd" => {
            Some(from_usage(("mosquitto_passwd", 1), "keep a password file of an MQTT broker", passwd::USAGE))
        }
        "pondhawk-conform" | "conform" => Some(from_usage(
            ("pondhawk-conform", 1),
            "say where an MQTT broker differs from the standard",
            conform::USAGE,
        )),
        "pondhawk-store" | "store" => {
            Some(from_usage(("pondhawk-store", 1), "look into what an MQTT broker has stored", store::USAGE))
        }
        "pondhawk-import" | "import" => {
            Some(from_usage(("pondhawk-import", 1), "take over what Mosquitto has stored", import::USAGE))
        }
        _ => None,
    }
}

fn from_usage((name, section): (&str, u8), purpose: &str, usage: &str) -> String {
    format!(
        ".TH {} {section} \"\" \"Pondhawk {}\" \"Commands\"\n.SH NAME\n{} \\- {purpose}\n.SH DESCRIPTION\n.nf\n{}\n.fi\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        escape(name),
        escape(usage.trim_end()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_there_and_names_itself() {
        for name in PAGES {
            let page = page(name).expect(name);
            assert!(page.starts_with(".TH ") || page.contains("\n.TH "), "{name}");
            assert!(page.to_lowercase().contains(name.trim_start_matches("mosquitto")), "{name}");
        }
        assert_eq!(page("nothing"), None);
    }
}
