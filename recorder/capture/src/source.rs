//! Who may feed a track (DESIGN section 4): the first authenticated (SRTP) or plausible (RTP) packet latches address
//! and port; afterwards nobody else gets in, until a renegotiated source may latch anew.

use std::net::{IpAddr, SocketAddr};

use model::MediaSource;

/// The source of one track.
#[derive(Debug)]
pub(crate) struct Source {
    offered: MediaSource,
    latched: Option<SocketAddr>,
    /// The offer changed: the latched source stays welcome until a new one proves itself.
    is_moving: bool,
}

/// What the source address alone says about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// From the latched source.
    Known,
    /// May latch, once it is authenticated or found plausible.
    Candidate,
    /// Turned away unread.
    Stranger,
}

impl Source {
    pub(crate) fn new(offered: MediaSource) -> Self {
        Self { offered, latched: None, is_moving: false }
    }

    pub(crate) fn judge(&self, from: SocketAddr) -> Verdict {
        match self.latched {
            Some(latched) if latched == from => Verdict::Known,
            Some(_) if !self.is_moving => Verdict::Stranger,
            _ => Verdict::Candidate,
        }
    }

    /// Whether an unauthenticated packet may latch from there. The offered port is never asked: it may be a
    /// placeholder.
    pub(crate) fn is_plausible(&self, from: IpAddr) -> bool {
        self.offered.address.is_none_or(|offered| offered == from)
    }

    /// A packet from there was accepted.
    pub(crate) fn latch(&mut self, from: SocketAddr) {
        self.latched = Some(from);
        self.is_moving = false;
    }

    /// Whether unauthenticated RTCP from there belongs to this line: it comes from another port, but the same host.
    pub(crate) fn is_host(&self, from: IpAddr) -> bool {
        let moved = self.is_moving && self.offered.address == Some(from);
        moved || self.latched.map_or_else(|| self.is_plausible(from), |latched| latched.ip() == from)
    }

    /// The session was renegotiated; whether the source changed.
    pub(crate) fn retune(&mut self, offered: MediaSource) -> bool {
        let changed = (offered.address, offered.port) != (self.offered.address, self.offered.port);
        self.is_moving |= changed;
        self.offered = offered;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(address: &str, port: u16) -> MediaSource {
        MediaSource { address: address.parse().ok(), port, rtcp: None }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_latches_and_then_it_is_strict() {
        let mut source = Source::new(offer("192.0.2.1", 4000));
        assert!(
            source.is_plausible("192.0.2.1".parse().unwrap()) && !source.is_plausible("192.0.2.2".parse().unwrap())
        );
        assert_eq!(source.judge(at("192.0.2.1:9")), Verdict::Candidate);
        source.latch(at("192.0.2.1:9"));
        assert_eq!(source.judge(at("192.0.2.1:9")), Verdict::Known);
        assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Stranger);
        assert!(source.is_host("192.0.2.1".parse().unwrap()) && !source.is_host("192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn an_unusable_offer_lets_anybody_be_first() {
        let source = Source::new(offer("none", 4000));
        assert!(source.is_plausible("198.51.100.9".parse().unwrap()));
    }

    #[test]
    fn a_changed_offer_latches_anew_and_an_unchanged_one_does_not() {
        let mut source = Source::new(offer("192.0.2.1", 4000));
        source.latch(at("192.0.2.1:4000"));
        assert!(!source.retune(offer("192.0.2.1", 4000)));
        assert_eq!(source.judge(at("192.0.2.7:5000")), Verdict::Stranger);
        assert!(source.retune(offer("192.0.2.7", 5000)));
        assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Known, "until the new one speaks");
        assert_eq!(source.judge(at("192.0.2.7:5000")), Verdict::Candidate);
        source.latch(at("192.0.2.7:5000"));
        assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Stranger);
    }
}
