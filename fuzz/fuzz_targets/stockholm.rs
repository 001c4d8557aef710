//! Aligned sequences in Stockholm files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gm_fuzz::sequences("sto", bytes));
