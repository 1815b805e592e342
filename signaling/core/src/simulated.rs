//! Time and randomness for tests: an origin that nothing waits on, and octets that repeat from run to run.
#[cfg(test)]
use std::time::Instant;

/// The beginning of simulated time.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for simulated time; nothing waits")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Octets that differ from each other and not from run to run.
#[cfg(test)]
pub(crate) struct Noise(pub(crate) u64);

#[cfg(test)]
impl Noise {
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (self.0 >> 56) as u8;
        }
    }
}
