// Sums of many terms. A chain of f32 additions of n terms of one sign may be wrong by n/4 of an ulp, all in one direction:
// the mean of 500,000 equal numbers by 0.7 %. So terms are added PANEL at a time, those sums PANEL at a time again (a
// STRETCH), and then the stretches, always in the same order. Longer sums come in parts (panels.ts); with them 2²³ terms
// pass through chains of 100 in all, and the error stays below 1e-6. A sum that one lane or one subgroup has to itself
// knows a fourth level.
const PANEL: u32 = 16;
const STRETCH: u32 = PANEL * PANEL;
