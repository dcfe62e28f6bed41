// Sums of any length that one lane has to itself, of type SUM, which the kernel declares: f32 or a vector. Sixteen panels
// (panels.wgsl) become one number of the next level, sixteen of these one of the level above, and so on: 2²³ terms pass
// through chains of 16 + 16 + 16 + 16 + 16 + 8 additions. The carries cost once per panel. For at most 4096 terms the bits
// are those of panels in stretches.
struct Levels { panels: u32, first: SUM, second: SUM, third: SUM, fourth: SUM, top: SUM }

/// One panel more.
fn with_panel(sums: Levels, panel: SUM) -> Levels {
  var next = sums;
  next.panels += 1;
  next.first += panel;
  if (next.panels % 16 == 0) {
    next.second += next.first;
    next.first = SUM();
    if (next.panels % 256 == 0) {
      next.third += next.second;
      next.second = SUM();
      if (next.panels % 4096 == 0) {
        next.fourth += next.third;
        next.third = SUM();
        if (next.panels % 65536 == 0) {
          next.top += next.fourth;
          next.fourth = SUM();
        }
      }
    }
  }
  return next;
}

fn whole(sums: Levels) -> SUM { return sums.top + (sums.fourth + (sums.third + (sums.second + sums.first))); }
