//! Models as safetensors files.
#![no_main]

use gm_core::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gm_fuzz::model(Format::Safetensors, bytes));
