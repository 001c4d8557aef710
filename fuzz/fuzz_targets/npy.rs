//! Data as NumPy arrays, alone and in archives.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gm_fuzz::table(if bytes.starts_with(b"PK") { "npz" } else { "npy" }, bytes));
