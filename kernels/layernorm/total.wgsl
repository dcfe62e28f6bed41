// dgain = Σ_r gainPart_r, dbias = Σ_r biasPart_r, in the order of the chunks               one invocation per column
struct Dims { D: u32, R: u32 }

@group(0) @binding(0) var<storage, read> gainPart: array<f32>;         // [R, D]
@group(0) @binding(1) var<storage, read> biasPart: array<f32>;         // [R, D]
@group(0) @binding(2) var<storage, read_write> dgain: array<f32>;      // [D]
@group(0) @binding(3) var<storage, read_write> dbias: array<f32>;      // [D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let j = id.x;
  if (j >= dim.D) { return; }
  var gain = 0.0;
  var bias = 0.0;
  for (var far = 0u; far < dim.R; far += STRETCH) {
    var gainStretch = 0.0;
    var biasStretch = 0.0;
    let farEnd = min(far + STRETCH, dim.R);
    for (var near = far; near < farEnd; near += PANEL) {
      var gainPanel = 0.0;
      var biasPanel = 0.0;
      let nearEnd = min(near + PANEL, farEnd);
      for (var r = near; r < nearEnd; r++) {
        gainPanel += gainPart[r * dim.D + j];
        biasPanel += biasPart[r * dim.D + j];
      }
      gainStretch += gainPanel;
      biasStretch += biasPanel;
    }
    gain += gainStretch;
    bias += biasStretch;
  }
  dgain[j] = gain;
  dbias[j] = bias;
}
