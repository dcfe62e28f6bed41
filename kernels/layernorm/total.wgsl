// dgain = Σ_r gainPart_r, dbias = Σ_r biasPart_r, in the order of the chunks               one invocation per column
struct Dims { D: u32, R: u32 }

@group(0) @binding(0) var<storage, read> gainPart: array<f32>;         // [R, D]
@group(0) @binding(1) var<storage, read> biasPart: array<f32>;         // [R, D]
@group(0) @binding(2) var<storage, read_write> dgain: array<f32>;      // [D]
@group(0) @binding(3) var<storage, read_write> dbias: array<f32>;      // [D]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let j = id.x;
  if (j >= dim.D) { return; }
  var gains = Levels();
  var biases = Levels();
  for (var near = 0u; near < dim.R; near += PANEL) {
    var gain = 0.0;
    var bias = 0.0;
    let nearEnd = min(near + PANEL, dim.R);
    for (var r = near; r < nearEnd; r++) {
      gain += gainPart[r * dim.D + j];
      bias += biasPart[r * dim.D + j];
    }
    gains = with_panel(gains, gain);
    biases = with_panel(biases, bias);
  }
  dgain[j] = whole(gains);
  dbias[j] = whole(biases);
}
