//! ITU-T G.722 decoder at 64 kbit/s (mode 1): each octet becomes two samples at 16 kHz.
//!
//! Written from the Recommendation; block names in comments are its own. The decoder has a memory: packets must come in
//! sequence, and what was lost leaves an audible but fading trace.

/// Decoder of one stream.
#[derive(Debug, Clone)]
pub struct Decoder {
    low: Band,
    high: Band,
    /// Sums and differences of the bands, newest pair last.
    history: [i32; 24],
}

/// Adaptive prediction of one band.
#[derive(Debug, Clone)]
struct Band {
    /// Quantiser scale factor (DET) and its logarithm (NB).
    scale: i32,
    log_scale: i32,
    /// Predicted signal, and the part of it from the zeros.
    predicted: i32,
    predicted_zeros: i32,
    /// Last two partially reconstructed and reconstructed signals.
    partial: [i32; 2],
    rebuilt: [i32; 2],
    poles: [i32; 2],
    differences: [i32; 6],
    zeros: [i32; 6],
}

impl Default for Decoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), history: [0; 24] }
    }
}

impl Decoder {
    /// Appends the samples of `payload`.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.reserve(payload.len() * 2);
        for &octet in payload {
            let low = self.low_band(usize::from(octet & 0x3f));
            let high = self.high_band(usize::from(octet >> 6));
            out.extend(self.join(low, high));
        }
    }

    fn low_band(&mut self, code: usize) -> i32 {
        let band = &mut self.low;
        let sound = (band.predicted + ((band.scale * QM6[code]) >> 15)).clamp(-16_384, 16_383);
        let coarse = code >> 2;
        let difference = (band.scale * QM4[coarse]) >> 15;
        band.log_scale = (((band.log_scale * 127) >> 7) + WL[RL42[coarse]]).clamp(0, 18_432);
        band.scale = scale(band.log_scale, 8);
        band.adapt(difference);
        sound
    }

    fn high_band(&mut self, code: usize) -> i32 {
        let band = &mut self.high;
        let difference = (band.scale * QM2[code]) >> 15;
        let sound = (band.predicted + difference).clamp(-16_384, 16_383);
        band.log_scale = (((band.log_scale * 127) >> 7) + WH[RH2[code]]).clamp(0, 22_528);
        band.scale = scale(band.log_scale, 10);
        band.adapt(difference);
        sound
    }

    /// Receive quadrature mirror filter.
    fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        self.history.copy_within(2.., 0);
        self.history[22] = low + high;
        self.history[23] = low - high;
        let (mut odd, mut even) = (0, 0);
        for (tap, &weight) in QMF.iter().enumerate() {
            even += self.history[2 * tap] * weight;
            odd += self.history[23 - 2 * tap] * weight;
        }
        [saturate(odd >> 11) as i16, saturate(even >> 11) as i16]
    }
}

impl Band {
    fn new(scale: i32) -> Self {
        Self {
            scale,
            log_scale: 0,
            predicted: 0,
            predicted_zeros: 0,
            partial: [0; 2],
            rebuilt: [0; 2],
            poles: [0; 2],
            differences: [0; 6],
            zeros: [0; 6],
        }
    }

    /// Block 4: predictor adaptation and the next prediction.
    fn adapt(&mut self, difference: i32) {
        let partial = saturate(self.predicted_zeros + difference);
        let rebuilt = saturate(self.predicted + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        self.partial = [partial, self.partial[0]];
        self.rebuilt = [rebuilt, self.rebuilt[0]];
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.predict();
    }

    /// UPPOL2 and UPPOL1.
    fn move_poles(&mut self, partial: i32) {
        let agrees = self.partial.map(|before| (before < 0) == (partial < 0));
        let first = saturate(self.poles[0] << 2);
        let pull = if agrees[0] { (-first).min(32_767) } else { first };
        let second = (pull >> 7) + if agrees[1] { 128 } else { -128 } + ((self.poles[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let limit = saturate(15_360 - second);
        let first = saturate(if agrees[0] { 192 } else { -192 } + ((self.poles[0] * 32_640) >> 15));
        self.poles = [first.clamp(-limit, limit), second];
    }

    /// UPZERO.
    fn move_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, &before) in self.zeros.iter_mut().zip(&self.differences) {
            let pull = if (before < 0) == (difference < 0) { step } else { -step };
            *zero = saturate(pull + ((*zero * 32_640) >> 15));
        }
    }

    /// FILTEP, FILTEZ and PREDIC.
    fn predict(&mut self) {
        let poles =
            self.poles.iter().zip(&self.rebuilt).map(|(pole, rebuilt)| (pole * saturate(rebuilt * 2)) >> 15).sum();
        let zeros =
            self.zeros.iter().zip(&self.differences).map(|(zero, before)| (zero * saturate(before * 2)) >> 15).sum();
        self.predicted_zeros = saturate(zeros);
        self.predicted = saturate(saturate(poles) + self.predicted_zeros);
    }
}

/// SCALEL and SCALEH: from logarithm to scale factor.
fn scale(log_scale: i32, shift: i32) -> i32 {
    let mantissa = ILB[(log_scale >> 6 & 31) as usize];
    let down = shift - (log_scale >> 11);
    (if down < 0 { mantissa << -down } else { mantissa >> down }) << 2
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

// Tables of the Recommendation.
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const WH: [i32; 3] = [0, -214, 798];
const RH2: [usize; 4] = [2, 1, 2, 1];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

#[cfg(test)]
mod tests {
    use super::*;

    /// Another implementation of the Recommendation, as the judge.
    fn judge(octets: &[u8]) -> Vec<i16> {
        use ezk_g722::libg722::{Bitrate, decoder::Decoder};
        Decoder::new(Bitrate::Mode1_64000, false, false).decode(octets)
    }

    #[test]
    fn any_octets_decode_as_another_implementation_does() {
        let mut state = 0x1234_5678_u32;
        for density in [1, 2, 7] {
            let octets: Vec<u8> = (0..40_000)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8 / density
                })
                .collect();
            let mut sound = Vec::new();
            // The judge begins with scale factors of 0, the Recommendation with 32 and 8.
            Decoder { low: Band::new(0), high: Band::new(0), ..Decoder::default() }.decode(&octets, &mut sound);
            let differs = sound.iter().zip(&judge(&octets)).position(|(ours, theirs)| ours != theirs);
            assert_eq!((differs, sound.len()), (None, 2 * octets.len()), "density {density}");
        }
    }

    #[test]
    fn a_tone_survives_and_packets_join_without_a_seam() {
        use ezk_g722::libg722::{Bitrate, encoder::Encoder};
        let tone: Vec<i16> = (0..16_000).map(|n| ((f64::from(n) * 0.2).sin() * 8_000.0) as i16).collect();
        let octets = Encoder::new(Bitrate::Mode1_64000, false, false).encode(&tone);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Decoder::default().decode(&octets, &mut whole);
        let mut decoder = Decoder::default();
        octets.chunks(160).for_each(|packet| decoder.decode(packet, &mut pieces));
        assert_eq!(whole, pieces);
        let peak = whole[4_000..].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((7_000..9_000).contains(&peak), "{peak}");
    }
}
