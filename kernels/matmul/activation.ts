// Names of the activations a product may end in; the formulas are in kernels/lib/activation.wgsl.

/** exact GELU, its tanh form, x·sigmoid(1.702x) (CLIP), or none. */
export type Activation = "none" | "gelu" | "geluTanh" | "quickGelu";
