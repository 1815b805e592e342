//! Each shared vector cut short, with headers doubled and dropped, with bits turned over, through the pure stack:
//! `make fuzz` does it at every octet.

use fuzz_targets::shaken::{Shaking, all};

fn quarter(share: usize) {
    let mut last = (String::new(), 0);
    let tried =
        all(Shaking { stride: 31, flips: 12, share: (share, 4) }, |name, number| last = (name.to_owned(), number));
    assert!(tried > 2_000, "{tried} variants, the last of {}", last.0);
}

#[test]
fn shaken_vectors_are_answered_or_dropped_and_leave_nothing_1() {
    quarter(0);
}

#[test]
fn shaken_vectors_are_answered_or_dropped_and_leave_nothing_2() {
    quarter(1);
}

#[test]
fn shaken_vectors_are_answered_or_dropped_and_leave_nothing_3() {
    quarter(2);
}

#[test]
fn shaken_vectors_are_answered_or_dropped_and_leave_nothing_4() {
    quarter(3);
}
