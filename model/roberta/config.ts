// What a RoBERTa classifier is made of, as config.json of Hugging Face's transformers tells it.
import * as v from "valibot";
import type { Json } from "../../data/formats/json.ts";
import { FormatError } from "../../engine/errors.ts";
import { issueText, size, wholeBetween } from "../clip/config.ts";

/** Sizes of a RoBERTa classifier. DistilRoBERTa has 6 layers of width 768 with 12 heads. */
export interface RobertaConfig {
  /** V, ids of its tokenizer. */
  readonly vocabulary: number;
  /** Rows of the table of positions, of which the first two belong to no token. */
  readonly positions: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width between the two matrices of a layer's MLP. */
  readonly hidden: number;
  /** Names of its classes, in the order of its logits. */
  readonly labels: readonly string[];
}

/** Positions of tokens begin behind that of the padding, whose id is 1. */
export const firstPosition = 2;

const only = <const T extends string | number>(value: T) => v.literal(value, `${value}`);

const schema = v.object({
  model_type: only("roberta"),
  vocab_size: wholeBetween(2 ** 24),
  hidden_size: size.width,
  num_hidden_layers: size.layers,
  num_attention_heads: size.heads,
  intermediate_size: size.hidden,
  max_position_embeddings: wholeBetween(65536, firstPosition + 3),
  type_vocab_size: wholeBetween(16),
  layer_norm_eps: only(1e-5),
  hidden_act: only("gelu"),
  pad_token_id: only(1),
  position_embedding_type: v.optional(only("absolute")),
  id2label: v.record(v.string(), v.string("a name")),
});

/** Reads a config.json. Errors: FormatError that names the field, what it is and what is expected. */
export function parseRoberta(json: Json, where: string): RobertaConfig {
  const { success, output, issues } = v.safeParse(schema, json);
  if (!success) throw new FormatError(`${where}: ${issueText(issues[0]).slice(0, 200)}`);
  const labels = Object.keys(output.id2label).map((_, i) => output.id2label[i]);
  if (labels.includes(undefined as never) || labels.length < 2)
    throw new FormatError(
      `${where}: id2label names ${labels.length} classes, expected each of 0, 1, … once, two at least`,
    );
  if (output.hidden_size % output.num_attention_heads !== 0)
    throw new FormatError(
      `${where}: hidden_size is ${output.hidden_size}, expected a multiple of its ${output.num_attention_heads} heads`,
    );
  return {
    vocabulary: output.vocab_size,
    positions: output.max_position_embeddings,
    width: output.hidden_size,
    layers: output.num_hidden_layers,
    heads: output.num_attention_heads,
    hidden: output.intermediate_size,
    labels,
  };
}
