// The public names for measuring: what the device in use can do at best, beside which the rows of a Profiler are read.
export { measureRoofline } from "./roofline.ts";
