// A top is above 0 and finite, so that 0 has a part of 0, and ∞ one of ∞.
alias SUM = f32;
const LEAST: f32 = 1e-30;
