//! The pages that come from the table.

use pondhawk_config::{directives, man_page, reference_markdown};

#[test]
fn every_directive_is_on_both_pages() {
    let (page, man) = (reference_markdown(), man_page());
    for row in directives() {
        let name = row.name();
        assert!(page.contains(&format!("\n### `{name}")), "{name} in the reference");
        assert!(man.contains(&format!("\n.B {name}")), "{name} in the man page");
        for alias in row.aliases() {
            assert!(page.contains(alias) && man.contains(alias), "{alias}");
        }
    }
}

#[test]
fn an_entry_of_the_reference() {
    let page = reference_markdown();
    let start = page.find("### `max_qos").expect("the entry");
    let entry: String = page[start..].lines().take(9).collect::<Vec<_>>().join("\n");
    assert_eq!(
        entry,
        "### `max_qos 0 | 1 | 2`\n\n\
         The highest quality of service on the listener. MQTT 5 clients are told when they connect; a client \
         that publishes with a higher one is disconnected.\n\n\
         * Also called: `maximum_qos`\n\
         * About: a listener, or the default listener before the first\n\
         * Without it: 2\n\
         * At SIGHUP: applied\n"
    );
}

#[test]
fn the_man_page_is_roff() {
    let man = man_page();
    assert!(man.lines().nth(1).is_some_and(|line| line.starts_with(".TH MOSQUITTO.CONF 5 ")));
    let requests = [".TH", ".SH", ".TP", ".B", ".BR", ".PP", ".IP", ".\\\""];
    for line in man.lines().filter(|line| line.starts_with('.')) {
        let request = line.split(' ').next().unwrap_or_default();
        assert!(requests.contains(&request), "{line}");
    }
    assert!(!man.contains('`'), "every backquote became bold");
}

#[test]
fn the_pages_in_the_repository_are_current() {
    let reference = include_str!("../../../../docs/reference/mosquitto.conf.md");
    let man = include_str!("../../../../docs/man/mosquitto.conf.5");
    assert!(reference == reference_markdown(), "run `cargo xtask docs`");
    assert!(man == man_page(), "run `cargo xtask docs`");
}
