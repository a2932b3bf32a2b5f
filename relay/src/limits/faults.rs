//! Faults of a connection, and when there are too many.

/// Counts faults. A good frame clears all counts.
#[derive(Default)]
pub struct FaultCounter {
    bad: u32,
    limited: u32,
}

impl FaultCounter {
    /// Bad frames in a row that close the connection.
    const MAX_BAD: u32 = 10;
    /// Frames refused by the rate limit in a row that close the connection.
    const MAX_LIMITED: u32 = 100;

    pub fn record_good(&mut self) {
        *self = FaultCounter::default();
    }

    /// Counts a bad frame. Returns whether it was one too many.
    pub fn record_bad(&mut self) -> bool {
        self.bad += 1;
        self.bad >= FaultCounter::MAX_BAD
    }

    /// Counts a frame refused by the rate limit. Returns whether it was one too many.
    pub fn record_limited(&mut self) -> bool {
        self.limited += 1;
        self.limited >= FaultCounter::MAX_LIMITED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_frame_clears_the_counts() {
        let mut faults = FaultCounter::default();
        assert!((1..10).all(|_| !faults.record_bad()));
        faults.record_good();
        assert!((1..10).all(|_| !faults.record_bad()) && faults.record_bad());
        faults.record_good();
        assert!((1..100).all(|_| !faults.record_limited()) && faults.record_limited());
    }
}
