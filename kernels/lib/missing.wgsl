/// What stands where a number chooses nothing: NaN, and 0 in tensors of integers, which have none.
fn missing(bits: u32) -> T { return T(select(Num(0), bitcast<Num>(bits | 0x7fc00000u), Num(0.5) > Num(0))); }
