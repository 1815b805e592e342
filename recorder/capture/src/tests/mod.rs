//! Capture against real loopback sockets, into a spool in memory whose chunks are opened again and compared: once for
//! every way to receive, which differ in what they cost and in nothing else.

/// The same scenarios under another way to receive.
macro_rules! suite {
    ($way:ident, $receive:ident) => {
        #[path = "."]
        mod $way {
            use crate::Receive;

            const RECEIVE: Receive = Receive::$receive;

            #[expect(clippy::duplicate_mod, reason = "the same scenarios for every way to receive")]
            #[path = "control.rs"]
            mod control;
            #[expect(clippy::duplicate_mod, reason = "the same scenarios for every way to receive")]
            #[path = "flood.rs"]
            mod flood;
            #[expect(clippy::duplicate_mod, reason = "the same scenarios for every way to receive")]
            #[path = "handshake.rs"]
            mod handshake;
            #[expect(clippy::duplicate_mod, reason = "the same scenarios for every way to receive")]
            #[path = "harness.rs"]
            mod harness;
            #[expect(clippy::duplicate_mod, reason = "the same scenarios for every way to receive")]
            #[path = "plain.rs"]
            mod plain;
            #[expect(clippy::duplicate_mod, reason = "the same scenarios for every way to receive")]
            #[path = "secure.rs"]
            mod secure;
        }
    };
}

suite!(sweep, Sweep);
suite!(io_uring, IoUring);
suite!(epoll, Epoll);
suite!(bpf, Bpf);

#[test]
fn a_track_at_rest_stays_small() {
    // Beside it stands its chunk buffer. A key before a re-key, and whatever else is seldom, is kept by pointer.
    let octets = size_of::<crate::track::Track>();
    assert!(octets <= 2_048, "{octets}");
}
