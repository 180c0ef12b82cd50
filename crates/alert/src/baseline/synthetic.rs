//! Made-up series, the same at each run, to measure methods with.

use std::f64::consts::TAU;

/// Numbers that look random (SplitMix64).
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// From 0 to 1, evenly distributed.
    pub fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed around 0 with a standard deviation of 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let length = (-2.0 * (1.0 - self.even()).ln()).sqrt();
        length * (TAU * self.even()).cos()
    }
}

/// Hourly minima of a memory with an allocator's sawtooth of 300 MB and a leak by the hour; where it `is_spoilt`, one
/// hour near an end is wrong by 3 GB. As (hours, bytes).
pub fn sawtooth_floors(seed: u64, hours: u32, leak: f64, is_spoilt: bool) -> Vec<(f64, f64)> {
    let mut noise = Noise::new(seed);
    let (mut phase, base) = (noise.even(), 8e9 + 4e9 * noise.even());
    let mut floors = Vec::new();
    for hour in 0..hours {
        let mut least = f64::INFINITY;
        for minute in 0..60 {
            // A tooth takes from 20 to 60 minutes.
            phase = (phase + 1.0 / (20.0 + 40.0 * noise.even())) % 1.0;
            let leaked = leak * (f64::from(hour) + f64::from(minute) / 60.0);
            least = least.min(base + leaked + 300e6 * phase + 5e6 * noise.normal());
        }
        floors.push((f64::from(hour), least));
    }
    if is_spoilt {
        let near = (noise.even() * 5.0) as usize;
        let place = if noise.even() < 0.5 { near } else { floors.len().saturating_sub(near + 1) };
        let wrong = if noise.even() < 0.5 { 3e9 } else { -3e9 };
        if let Some((_, value)) = floors.get_mut(place) {
            *value += wrong;
        }
    }
    floors
}
