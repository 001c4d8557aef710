//! Sweep files. An accepted one is written and read again, and must not change.
#![no_main]

use gm_sweep::Sweep;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(sweep) = Sweep::parse(text) else { return };
    let written = sweep.to_toml();
    assert_eq!(Sweep::parse(&written).expect("what was written can be read").to_toml(), written);
});
