//! Model files, unchanged and with a corrected checksum.
#![no_main]

use gm_core::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    gm_fuzz::model(Format::Gm, bytes);
    if let Some(sealed) = gm_fuzz::sealed(bytes) {
        gm_fuzz::model(Format::Gm, &sealed);
    }
});
