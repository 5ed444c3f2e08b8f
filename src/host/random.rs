//! A small deterministic generator: the same seed gives the same numbers on every machine and in every version.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, period 2⁶⁴, no bad seeds. For test
/// matrices and right-hand sides, not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// What the state grows by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [low, high): 53 random bits, scaled.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.bits() >> 11) as f64 * 2f64.powi(-53))
    }

    /// Uniform in 0..n by multiplication (bias below n·2⁻⁶⁴); 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// `n` numbers uniform in [−1, 1).
    pub fn vector(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.uniform(-1.0, 1.0)).collect()
    }

    /// Leaves out the next `n` numbers.
    #[must_use]
    pub(crate) fn after(self, n: usize) -> Self {
        Self(self.0.wrapping_add((n as u64).wrapping_mul(STEP)))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn known_stream() {
        // The published test vector of SplitMix64 for seed 1234567.
        let mut r = Random::new(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| r.bits()).collect();
        assert_eq!(got, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn in_range() {
        let mut r = Random::new(7);
        assert!(r.vector(1000).iter().all(|v| (-1.0..1.0).contains(v)));
        assert!((0..1000).all(|_| r.below(3) < 3) && r.below(0) == 0);
    }
}
