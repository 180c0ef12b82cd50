//! Random numbers that are the same in every run with the same seed, whatever the version of whatever
//! library: SplitMix64 (Steele, Lea, Flood 2014). Good enough to spread requests; no secret depends on it.

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one purpose (`stream`) and one request (`index`), which depend on nothing else: the
    /// hundredth request is the same, whoever sends it and whenever.
    pub(crate) fn of(seed: u64, stream: u64, index: u64) -> Self {
        let mut mixed = Self(seed);
        mixed.0 = mixed.next() ^ stream;
        mixed.0 = mixed.next() ^ index;
        mixed.0 = mixed.next();
        mixed
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to `end`, without `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: off from even by less than one in 2^32 for what is asked here.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// Exponential with mean 1: the pause between arrivals of a Poisson process.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_is_the_published_one() {
        let mut random = Random(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(first, published);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        const COUNT: u32 = 100_000;
        let mut random = Random::of(1, 2, 3);
        let mut moments = |draw: &dyn Fn(&mut Random) -> f64| {
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..COUNT {
                let value = draw(&mut random);
                sum += value;
                squares += value * value;
            }
            let mean = sum / f64::from(COUNT);
            (mean, squares / f64::from(COUNT) - mean * mean)
        };
        let near = |found: (f64, f64), mean: f64, variance: f64| {
            assert!((found.0 - mean).abs() < 0.02, "{found:?}");
            assert!((found.1 - variance).abs() < 0.04, "{found:?}");
        };
        near(moments(&|random| random.unit()), 0.5, 1.0 / 12.0);
        near(moments(&|random| random.exponential()), 1.0, 1.0);
        near(moments(&|random| random.normal()), 0.0, 1.0);
        near(moments(&|random| random.below(2) as f64), 0.5, 0.25);
        assert_eq!(random.below(0), 0);
    }
}
