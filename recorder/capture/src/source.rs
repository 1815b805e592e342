//! Who may feed a track (DESIGN section 4): the first authenticated (SRTP) or plausible (RTP) packet latches address
//! and port; afterwards nobody else gets in, until a renegotiated source may latch anew.
//!
//! One exception: who was only plausible and does not send from the offered port gives way to who does. A client whose call
//! was given up may go on sending where another call of the same host is recorded now.

use std::net::{IpAddr, SocketAddr};

use media::rtp::RtpView;
use model::MediaSource;

use crate::{metrics::Refusal, sweep::Sweep, track::Track};

/// The source of one track.
#[derive(Debug)]
pub(crate) struct Source {
    /// As offered; no address is any.
    address: Option<IpAddr>,
    port: u16,
    latched: Option<SocketAddr>,
    /// Who latched has keys, or is where the offer says.
    is_certain: bool,
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
        let MediaSource { address, port, rtcp: _ } = offered;
        Self { address, port, latched: None, is_certain: false, is_moving: false }
    }

    pub(crate) fn judge(&self, from: SocketAddr) -> Verdict {
        match self.latched {
            Some(latched) if latched == from => Verdict::Known,
            Some(_) if self.is_moving || !self.is_certain && self.is_offered(from) => Verdict::Candidate,
            Some(_) => Verdict::Stranger,
            None => Verdict::Candidate,
        }
    }

    /// Whether it is exactly where the offer says; where that names no usable address, on the host that was latched.
    fn is_offered(&self, from: SocketAddr) -> bool {
        let host = self.address.or(self.latched.map(|latched| latched.ip()));
        from.port() == self.port && host == Some(from.ip())
    }

    /// Whether an unauthenticated packet may latch from there. The offered port is never asked: it may be a
    /// placeholder.
    pub(crate) fn is_plausible(&self, from: IpAddr) -> bool {
        self.address.is_none_or(|offered| offered == from)
    }

    /// A packet from there was accepted, by its keys if `has_keys`; whether somebody else has to give way who was never
    /// meant.
    pub(crate) fn latch(&mut self, from: SocketAddr, has_keys: bool) -> bool {
        let is_another = self.latched.is_some() && !self.is_moving;
        self.latched = Some(from);
        self.is_certain = has_keys || self.is_offered(from);
        self.is_moving = false;
        is_another
    }

    /// Whether unauthenticated RTCP from there belongs to this line: it comes from another port, but the same host.
    pub(crate) fn is_host(&self, from: IpAddr) -> bool {
        let moved = self.is_moving && self.address == Some(from);
        moved || self.latched.map_or_else(|| self.is_plausible(from), |latched| latched.ip() == from)
    }

    /// The session was renegotiated; whether the source changed.
    pub(crate) fn retune(&mut self, offered: MediaSource) -> bool {
        let changed = (offered.address, offered.port) != (self.address, self.port);
        self.is_moving |= changed;
        (self.address, self.port) = (offered.address, offered.port);
        changed
    }
}

impl Track {
    /// Latches a source: an authenticated packet is proof enough, a plain one has to be plausible.
    pub(crate) fn admit(&mut self, from: SocketAddr, view: &RtpView<'_>, sweep: &mut Sweep<'_>) -> Result<(), Refusal> {
        let has_keys = self.srtp.is_some();
        if !has_keys {
            if !self.source.is_plausible(from.ip()) {
                return Err(Refusal::Source);
            }
            if self.payload_types >> view.payload_type() & 1 == 0 {
                return Err(Refusal::Malformed);
            }
        }
        if self.source.latch(from, has_keys) && self.progress.ssrc != Some(view.ssrc()) {
            self.disown(sweep);
        }
        Ok(())
    }

    /// Forgets what somebody else said, unless some of it is sealed.
    fn disown(&mut self, sweep: &mut Sweep<'_>) {
        if self.progress.chunks > 0 {
            return;
        }
        let counted = self.counter.begin_again();
        self.progress.refused += counted;
        (0..counted).for_each(|_| sweep.tally.refuse(Refusal::Source));
        if let Some(body) = self.chunk.take() {
            sweep.lent.bodies.give_back(body.plain);
        }
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
        assert!(!source.latch(at("192.0.2.1:9"), true));
        assert_eq!(source.judge(at("192.0.2.1:9")), Verdict::Known);
        assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Stranger);
        assert!(source.is_host("192.0.2.1".parse().unwrap()) && !source.is_host("192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn who_is_only_plausible_gives_way_to_who_is_where_the_offer_says() {
        for address in ["192.0.2.1", "none"] {
            let mut source = Source::new(offer(address, 4000));
            source.latch(at("192.0.2.1:9"), false);
            assert_eq!(source.judge(at("192.0.2.1:4002")), Verdict::Stranger);
            assert_eq!(source.judge(at("198.51.100.9:4000")), Verdict::Stranger);
            assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Candidate);
            assert!(source.latch(at("192.0.2.1:4000"), false));
            assert_eq!(source.judge(at("192.0.2.1:9")), Verdict::Stranger, "there is no way back");
            assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Known);
        }
        let mut proven = Source::new(offer("192.0.2.1", 4000));
        proven.latch(at("192.0.2.1:9"), true);
        assert_eq!(proven.judge(at("192.0.2.1:4000")), Verdict::Stranger);
    }

    #[test]
    fn an_unusable_offer_lets_anybody_be_first() {
        let source = Source::new(offer("none", 4000));
        assert!(source.is_plausible("198.51.100.9".parse().unwrap()));
    }

    #[test]
    fn a_changed_offer_latches_anew_and_an_unchanged_one_does_not() {
        let mut source = Source::new(offer("192.0.2.1", 4000));
        source.latch(at("192.0.2.1:4000"), false);
        assert!(!source.retune(offer("192.0.2.1", 4000)));
        assert_eq!(source.judge(at("192.0.2.7:5000")), Verdict::Stranger);
        assert!(source.retune(offer("192.0.2.7", 5000)));
        assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Known, "until the new one speaks");
        assert_eq!(source.judge(at("192.0.2.7:5000")), Verdict::Candidate);
        assert!(!source.latch(at("192.0.2.7:5000"), false));
        assert_eq!(source.judge(at("192.0.2.1:4000")), Verdict::Stranger);
    }
}
