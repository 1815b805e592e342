//! The words of many messages out of their blocks: rows become columns inside vectors, sixteen or eight at once.
//!
//! Written out one by one for the reason that `sha1` gives. A message of four blocks costs 27 ns to add and nothing more in
//! the run; put into its rows word by word it was 77 ns, and 19 ns to load them again (sampled in alternate runs on 2 busy
//! cores with AVX-512).

use std::arch::x86_64::{__m256i, __m512i};

use pulp::x86::{V3, V4};

use super::lanes::{Block, LANES};

/// Word `n` of every lane in vector `n`, read big-endian.
#[inline(always)]
pub(super) fn sixteen(machine: V4, lanes: &[Block; LANES]) -> [__m512i; 16] {
    let (vectors, order) = (machine.avx512f, pulp::cast::<[[u8; 16]; 4], __m512i>([BIG_ENDIAN; 4]));
    macro_rules! row {
        ($lane:literal) => {
            machine.avx512bw._mm512_shuffle_epi8(pulp::cast(lanes[$lane].0), order)
        };
    }
    // Four lanes: in each quarter of vector `n` the word `n` of that quarter of their rows.
    macro_rules! four {
        ($a:literal $b:literal $c:literal $d:literal) => {{
            let (a, b, c, d) = (row!($a), row!($b), row!($c), row!($d));
            let (ab, cd) = (vectors._mm512_unpacklo_epi32(a, b), vectors._mm512_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (vectors._mm512_unpackhi_epi32(a, b), vectors._mm512_unpackhi_epi32(c, d));
            [
                vectors._mm512_unpacklo_epi64(ab, cd),
                vectors._mm512_unpackhi_epi64(ab, cd),
                vectors._mm512_unpacklo_epi64(ab_high, cd_high),
                vectors._mm512_unpackhi_epi64(ab_high, cd_high),
            ]
        }};
    }
    let (a, b, c, d) = (four!(0 1 2 3), four!(4 5 6 7), four!(8 9 10 11), four!(12 13 14 15));
    // The quarters of four vectors side by side: words `n`, `n + 4`, `n + 8`, `n + 12` of all lanes.
    macro_rules! words {
        ($n:literal) => {{
            let even_ab = vectors._mm512_shuffle_i32x4::<0x88>(a[$n], b[$n]);
            let even_cd = vectors._mm512_shuffle_i32x4::<0x88>(c[$n], d[$n]);
            let odd_ab = vectors._mm512_shuffle_i32x4::<0xdd>(a[$n], b[$n]);
            let odd_cd = vectors._mm512_shuffle_i32x4::<0xdd>(c[$n], d[$n]);
            [
                vectors._mm512_shuffle_i32x4::<0x88>(even_ab, even_cd),
                vectors._mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd),
                vectors._mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd),
                vectors._mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd),
            ]
        }};
    }
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (words!(0), words!(1));
    let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (words!(2), words!(3));
    [a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2, a3, b3, c3, d3]
}

/// The same for lanes `8 * part` and on.
#[inline(always)]
pub(super) fn eight(machine: V3, lanes: &[Block; LANES], part: usize) -> [__m256i; 16] {
    let (vectors, order) = (machine.avx2, pulp::cast::<[[u8; 16]; 2], __m256i>([BIG_ENDIAN; 2]));
    let lanes = &lanes.as_chunks::<8>().0[part];
    macro_rules! row {
        ($lane:literal $half:literal) => {
            vectors._mm256_shuffle_epi8(pulp::cast(lanes[$lane].0.as_chunks::<32>().0[$half]), order)
        };
    }
    macro_rules! four {
        ($half:literal: $a:literal $b:literal $c:literal $d:literal) => {{
            let (a, b, c, d) = (row!($a $half), row!($b $half), row!($c $half), row!($d $half));
            let (ab, cd) = (vectors._mm256_unpacklo_epi32(a, b), vectors._mm256_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (vectors._mm256_unpackhi_epi32(a, b), vectors._mm256_unpackhi_epi32(c, d));
            [
                vectors._mm256_unpacklo_epi64(ab, cd),
                vectors._mm256_unpackhi_epi64(ab, cd),
                vectors._mm256_unpacklo_epi64(ab_high, cd_high),
                vectors._mm256_unpackhi_epi64(ab_high, cd_high),
            ]
        }};
    }
    macro_rules! half {
        ($half:literal) => {{
            let (a, b) = (four!($half: 0 1 2 3), four!($half: 4 5 6 7));
            [
                vectors._mm256_permute2x128_si256::<0x20>(a[0], b[0]),
                vectors._mm256_permute2x128_si256::<0x20>(a[1], b[1]),
                vectors._mm256_permute2x128_si256::<0x20>(a[2], b[2]),
                vectors._mm256_permute2x128_si256::<0x20>(a[3], b[3]),
                vectors._mm256_permute2x128_si256::<0x31>(a[0], b[0]),
                vectors._mm256_permute2x128_si256::<0x31>(a[1], b[1]),
                vectors._mm256_permute2x128_si256::<0x31>(a[2], b[2]),
                vectors._mm256_permute2x128_si256::<0x31>(a[3], b[3]),
            ]
        }};
    }
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (half!(0), half!(1));
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Octets of four words, each the other way round.
const BIG_ENDIAN: [u8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];

#[cfg(test)]
mod tests {
    use pulp::NullaryFnOnce;

    use super::*;

    struct Sixteen<'l>(V4, &'l [Block; LANES]);
    impl NullaryFnOnce for Sixteen<'_> {
        type Output = [[u32; 16]; 16];

        #[inline(always)]
        fn call(self) -> Self::Output {
            pulp::cast(sixteen(self.0, self.1))
        }
    }

    struct Eight<'l>(V3, &'l [Block; LANES], usize);
    impl NullaryFnOnce for Eight<'_> {
        type Output = [[u32; 8]; 16];

        #[inline(always)]
        fn call(self) -> Self::Output {
            pulp::cast(eight(self.0, self.1, self.2))
        }
    }

    #[test]
    fn every_word_of_every_lane_finds_its_place() {
        let lanes: [Block; LANES] =
            std::array::from_fn(|lane| Block(std::array::from_fn(|at| (lane * 16 + at / 4 + 61 * (at % 4)) as u8)));
        let word = |lane: usize, word: usize| u32::from_be_bytes(lanes[lane].0.as_chunks().0[word]);
        if let Some(machine) = V4::try_new() {
            let rows = machine.vectorize(Sixteen(machine, &lanes));
            assert!((0..256).all(|at| rows[at / 16][at % 16] == word(at % 16, at / 16)));
        }
        if let Some(machine) = V3::try_new() {
            for part in 0..2 {
                let rows = machine.vectorize(Eight(machine, &lanes, part));
                assert!((0..128).all(|at| rows[at / 8][at % 8] == word(8 * part + at % 8, at / 8)));
            }
        }
    }
}
