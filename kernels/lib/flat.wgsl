// Flat arrays read as vec4s: one workgroup owns a contiguous chunk of WG · STEPS vec4s, its lanes neighbouring ones.
// Chunks are long on narrow machines (CPU rasterisers pay for every workgroup) and short on wide ones.
override WG: u32 = 64;
const STEPS: u32 = 256u / SG;

/// First vec4 of this workgroup's chunk; the engine may have folded the launch into two dimensions.
fn chunk_start(wid: vec3u, nwg: vec3u) -> u32 { return (wid.x + wid.y * nwg.x) * (WG * STEPS); }

/// End of the chunk in an array of n elements; the last vec4 may hold padding, which every tensor has.
fn chunk_end(start: u32, n: u32) -> u32 { return min(start + WG * STEPS, (n + 3) / 4); }
