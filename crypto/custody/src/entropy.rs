//! The kernel's random source.

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl SystemEntropy {
    /// Fills `octets`. Panics when the kernel has no randomness: nothing may be encrypted without.
    pub fn fill(self, octets: &mut [u8]) {
        getrandom::fill(octets).expect("the kernel gives randomness");
    }

    /// `N` random octets.
    pub fn array<const N: usize>(self) -> [u8; N] {
        let mut octets = [0; N];
        self.fill(&mut octets);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(SystemEntropy.array::<32>(), SystemEntropy.array::<32>());
    }
}
