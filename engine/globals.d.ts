// What the compiler cannot know: WGSL and Python files are text, and Node's library lacks the DOM's BufferSource.
declare module "*.wgsl" {
  const source: string;
  export default source;
}
type BufferSource = ArrayBufferView | ArrayBuffer;
declare module "*.py" {
  const source: string;
  export default source;
}
