//! Configurations. An accepted one is written and read again, and must not change.
#![no_main]

use gm_train::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::parse(text) else { return };
    if config.check().is_ok() {
        let written = config.to_toml();
        assert_eq!(Config::parse(&written).expect("what was written can be read").to_toml(), written);
    }
});
