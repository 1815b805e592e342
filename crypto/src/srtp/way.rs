//! Which vectors of the processor hash many messages at once, chosen when it is known what it has.

#[cfg(target_arch = "x86_64")]
use pulp::{
    NullaryFnOnce,
    x86::{V3, V4},
};

use super::lanes::Table;
#[cfg(target_arch = "x86_64")]
use super::sha1::{Machine, compress};

/// The vectors that are used; there is none but on x86-64.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Eight(V3),
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Sixteen(V4),
}

#[cfg(target_arch = "x86_64")]
impl Way {
    /// The fastest one here; `None` with SHA extensions, or without vectors that are wide enough.
    pub(super) fn best() -> Option<Self> {
        if std::arch::is_x86_feature_detected!("sha") {
            return None;
        }
        Self::all().pop()
    }

    /// Those of this processor, slowest first.
    pub(super) fn all() -> Vec<Self> {
        let (narrow, wide) = (V3::try_new().map(Self::Eight), V4::try_new().map(Self::Sixteen));
        narrow.into_iter().chain(wide).collect()
    }

    /// Messages from which on a run is faster than one by one (the table in `lanes`).
    pub(super) fn least(self) -> usize {
        match self {
            Self::Eight(_) => 4,
            Self::Sixteen(_) => 2,
        }
    }

    /// Puts the tags of the first `filled` lanes where the outer keys were.
    pub(super) fn run(self, table: &mut Table, filled: usize) {
        match self {
            Self::Eight(machine) => {
                let parts = filled.div_ceil(V3::WIDTH);
                (0..parts).for_each(|part| machine.vectorize(Pass { machine, table, part }));
            }
            Self::Sixteen(machine) => machine.vectorize(Pass { machine, table, part: 0 }),
        }
    }
}

/// A run over as many lanes as a vector has.
#[cfg(target_arch = "x86_64")]
struct Pass<'t, M> {
    machine: M,
    table: &'t mut Table,
    part: usize,
}

#[cfg(target_arch = "x86_64")]
impl<M: Machine> NullaryFnOnce for Pass<'_, M> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { machine, table, part } = self;
        let mut state = table.inner.each_ref().map(|row| machine.load(row, part));
        let counts = machine.load(&table.counts, part);
        for (number, lanes) in table.blocks[..table.longest].iter().enumerate() {
            let next = compress(machine, state, machine.words(lanes, part));
            state = std::array::from_fn(|at| machine.above(counts, number as u32, next[at], state[at]));
        }
        let outer = table.outer.each_ref().map(|row| machine.load(row, part));
        let tags = compress(machine, outer, digest(machine, state));
        table.outer.iter_mut().zip(tags).for_each(|(row, words)| machine.store(words, row, part));
    }
}

/// The digests as the last block of the outer hash: 20 octets behind the block of the key.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn digest<M: Machine>(machine: M, state: [M::Words; 5]) -> [M::Words; 16] {
    let mut block = [machine.splat(0); 16];
    block[..5].copy_from_slice(&state);
    block[5] = machine.splat(0x8000_0000);
    block[15] = machine.splat(8 * (64 + 20));
    block
}

#[cfg(not(target_arch = "x86_64"))]
impl Way {
    pub(super) fn best() -> Option<Self> {
        None
    }

    pub(super) fn least(self) -> usize {
        match self {}
    }

    pub(super) fn run(self, _: &mut Table, _: usize) {
        match self {}
    }
}
