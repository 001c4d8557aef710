//! IDX data, plain and compressed, so that mutations reach the content of a compressed file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    gm_fuzz::table("idx", bytes);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        gm_fuzz::table("gz", &gm_fuzz::gzip(bytes));
    }
});
