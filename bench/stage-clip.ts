// What the preset clip-stage has trained, as the weights that come with the program: CLIP's names, half precision, and beside them words
// and the configuration of the model that begins with them.
//   npx emotionclip train --preset clip-stage --name clip-stage
//   npm run stage-clip -- runs/clip-stage data/stage/faces/clip.safetensors
import { replaceFile } from "../data/formats/disk.ts";
import { safetensorsBytes, type SafetensorsEntry } from "../data/formats/safetensors.ts";
import { WordTokenizer } from "../data/tokenizer/words.ts";
import { EngineError, UsageError } from "../engine/errors.ts";
import { toHalf } from "../engine/half.ts";
import { openModel } from "../model/checkpoint/open.ts";
import { wordsWith } from "../model/checkpoint/tokenizer.ts";
import { metadataOf, modelNamed } from "../model/families.ts";

async function main([from, to]: readonly string[]): Promise<void> {
  if (to === undefined) throw new UsageError("stage-clip: expected a run's folder and a file to write");
  const { file } = await openModel(from, {}, undefined);
  try {
    const words = await wordsWith(file);
    if (!words) throw new UsageError(`${from}: has no words`);
    const entries = [...file.tensors].map(([name, { shape }]): SafetensorsEntry => {
      const bytes = async () => new Uint8Array(Uint16Array.from(await file.floats(name), toHalf).buffer);
      return { name: name.replace(/^backbone\./, ""), dtype: "F16", shape, bytes };
    });
    const { family, sized } = modelNamed("emoclip-stage");
    const { vocabulary } = new WordTokenizer(words, 2); // as many for rows of any length
    const metadata = metadataOf({ family, config: sized!(vocabulary) });
    await replaceFile(to, safetensorsBytes(entries, { format: "pt", ...metadata, words: JSON.stringify(words) }));
  } finally {
    await file.close();
  }
}

await main(process.argv.slice(2)).catch((error) => {
  const isOurs = error instanceof EngineError;
  console.error(isOurs ? `error: ${error.message}` : error);
  process.exitCode = isOurs ? error.exitCode : 1;
});
