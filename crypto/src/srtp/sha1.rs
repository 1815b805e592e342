//! The compression of SHA-1 (FIPS 180-4 6.1.2) over vectors: each operation works on one word of many messages.
//!
//! The rounds are written out one by one, and the vectors are the processor's own types: as loops over arrays the compiler
//! made code three to ten times slower of it, differently with each width.

use std::arch::x86_64::{__m256i, __m512i};

use pulp::x86::{V3, V4};

use super::{
    lanes::{Block, LANES, Row},
    transpose,
};

/// A processor's vectors of 32-bit words, and what SHA-1 does with them. A value of it proves that the processor has them.
pub(super) trait Machine: Copy {
    /// One word of each of some messages.
    type Words: Copy;
    /// Words of a vector; it divides [`LANES`].
    const WIDTH: usize;

    /// The words of lanes `part * WIDTH` and on.
    fn load(self, row: &Row, part: usize) -> Self::Words;
    /// Word `n` of a block of each of those lanes in vector `n`.
    fn words(self, lanes: &[Block; LANES], part: usize) -> [Self::Words; 16];
    fn store(self, words: Self::Words, row: &mut Row, part: usize);
    fn splat(self, word: u32) -> Self::Words;
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words;
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// To the left by `LEFT`; `RIGHT` is the rest to 32.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: Self::Words) -> Self::Words;
    /// `Ch`: where `a` has a bit that of `b`, otherwise that of `c`.
    fn choose(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;
    /// `Parity`.
    fn parity(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;
    /// `Maj`.
    fn majority(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;
    /// `new` in the lanes whose count is above `than` (both below 2^31), `old` in the others.
    fn above(self, counts: Self::Words, than: u32, new: Self::Words, old: Self::Words) -> Self::Words;
}

/// The states after one more block.
#[inline(always)]
pub(super) fn compress<M: Machine>(machine: M, states: [M::Words; 5], block: [M::Words; 16]) -> [M::Words; 5] {
    let (mut words, mut state) = (block, states);
    macro_rules! rounds {
        ($constant:literal $function:ident: $($round:literal)*) => {
            let constant = machine.splat($constant);
            $(
                let word = if $round < 16 { words[$round % 16] } else { schedule(machine, &mut words, $round) };
                let mixed = machine.$function(state[1], state[2], state[3]);
                state = round(machine, state, mixed, machine.add(word, constant));
            )*
        };
    }
    rounds!(0x5a82_7999 choose: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    rounds!(0x6ed9_eba1 parity: 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
    rounds!(0x8f1b_bcdc majority: 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
    rounds!(0xca62_c1d6 parity: 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
    std::array::from_fn(|at| machine.add(states[at], state[at]))
}

#[inline(always)]
fn round<M: Machine>(machine: M, state: [M::Words; 5], mixed: M::Words, word: M::Words) -> [M::Words; 5] {
    let [a, b, c, d, e] = state;
    let next = machine.add(machine.add(machine.rotate::<5, 27>(a), mixed), machine.add(e, word));
    [next, a, machine.rotate::<30, 2>(b), c, d]
}

/// The word of a round from the sixteenth on, which takes the place of the one sixteen rounds before.
#[inline(always)]
fn schedule<M: Machine>(machine: M, words: &mut [M::Words; 16], round: usize) -> M::Words {
    let before = |rounds: usize| words[(round - rounds) % 16];
    let mixed = machine.xor(machine.parity(before(3), before(8), before(14)), before(16));
    let word = machine.rotate::<1, 31>(mixed);
    words[round % 16] = word;
    word
}

/// AVX-512: a word of sixteen messages.
impl Machine for V4 {
    type Words = __m512i;
    const WIDTH: usize = 16;

    #[inline(always)]
    fn load(self, row: &Row, _: usize) -> __m512i {
        pulp::cast(row.0)
    }

    #[inline(always)]
    fn words(self, lanes: &[Block; LANES], _: usize) -> [__m512i; 16] {
        transpose::sixteen(self, lanes)
    }

    #[inline(always)]
    fn store(self, words: __m512i, row: &mut Row, _: usize) {
        row.0 = pulp::cast(words);
    }

    #[inline(always)]
    fn splat(self, word: u32) -> __m512i {
        self.avx512f._mm512_set1_epi32(word.cast_signed())
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        self.avx512f._mm512_add_epi32(a, b)
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        self.avx512f._mm512_xor_si512(a, b)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: __m512i) -> __m512i {
        self.avx512f._mm512_rol_epi32::<LEFT>(a)
    }

    // The constants of the next three are the truth tables of the functions.
    #[inline(always)]
    fn choose(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f._mm512_ternarylogic_epi32::<0xca>(a, b, c)
    }

    #[inline(always)]
    fn parity(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f._mm512_ternarylogic_epi32::<0x96>(a, b, c)
    }

    #[inline(always)]
    fn majority(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f._mm512_ternarylogic_epi32::<0xe8>(a, b, c)
    }

    #[inline(always)]
    fn above(self, counts: __m512i, than: u32, new: __m512i, old: __m512i) -> __m512i {
        let is_above = self.avx512f._mm512_cmpgt_epi32_mask(counts, self.splat(than));
        self.avx512f._mm512_mask_blend_epi32(is_above, old, new)
    }
}

/// AVX2: a word of eight messages.
impl Machine for V3 {
    type Words = __m256i;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn load(self, row: &Row, part: usize) -> __m256i {
        pulp::cast(row.0.as_chunks::<8>().0[part])
    }

    #[inline(always)]
    fn words(self, lanes: &[Block; LANES], part: usize) -> [__m256i; 16] {
        transpose::eight(self, lanes, part)
    }

    #[inline(always)]
    fn store(self, words: __m256i, row: &mut Row, part: usize) {
        row.0.as_chunks_mut::<8>().0[part] = pulp::cast(words);
    }

    #[inline(always)]
    fn splat(self, word: u32) -> __m256i {
        self.avx._mm256_set1_epi32(word.cast_signed())
    }

    #[inline(always)]
    fn add(self, a: __m256i, b: __m256i) -> __m256i {
        self.avx2._mm256_add_epi32(a, b)
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        self.avx2._mm256_xor_si256(a, b)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: __m256i) -> __m256i {
        let (left, right) = (self.avx2._mm256_slli_epi32::<LEFT>(a), self.avx2._mm256_srli_epi32::<RIGHT>(a));
        self.avx2._mm256_or_si256(left, right)
    }

    #[inline(always)]
    fn choose(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(c, self.avx2._mm256_and_si256(a, self.xor(b, c)))
    }

    #[inline(always)]
    fn parity(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(self.xor(a, b), c)
    }

    #[inline(always)]
    fn majority(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(self.avx2._mm256_and_si256(self.xor(a, b), self.xor(b, c)), b)
    }

    #[inline(always)]
    fn above(self, counts: __m256i, than: u32, new: __m256i, old: __m256i) -> __m256i {
        let is_above = self.avx2._mm256_cmpgt_epi32(counts, self.splat(than));
        self.avx2._mm256_blendv_epi8(old, new, is_above)
    }
}

const _: () = assert!(LANES.is_multiple_of(V3::WIDTH) && LANES == V4::WIDTH);
