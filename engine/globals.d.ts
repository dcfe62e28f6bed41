// What the compiler cannot know: WGSL files are text, and Node's library lacks the DOM's BufferSource.
declare module "*.wgsl" {
  const source: string;
  export default source;
}
type BufferSource = ArrayBufferView | ArrayBuffer;
