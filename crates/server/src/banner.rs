pub fn show(_: &pondhawk_config::Config, _: u8) {}
