// From the values of a pickle to the content of a file: a tree in which tensors have names. What a pickle shares by
// reference appears in the tree at every place where it is used; what contains itself is refused.
import { quoted } from "../json.ts";
import { type Content, Inert, TensorRef } from "../content.ts";
import { limits as fileLimits } from "../safetensors.ts";
import { type Fail, isPlaceholder, rebuilds, unknownNames } from "./globals.ts";
import {
  Dict,
  Foreign,
  Global,
  type List,
  Real,
  TorchStorage,
  TorchTensor,
  type Tuple,
  type PickleValue,
} from "./values.ts";

/** Values, nesting, letters of one name and of all names together. */
const limits = { nodes: 1_000_000, depth: 1000, name: 4096, names: 32 * 2 ** 20 } as const;

/** Where a checkpoint keeps what is no weight: its first key. Tensors in objects of classes that are not known stay unread there. */
const training =
  /^(optim|opt$|(lr_?)?sched|(grad_?)?scaler|criterion|loss|args$|config|cfg|hparams|hyper_?param|callbacks|loops|rng|metric|history)/i;

/**
 * The tree below `root`, and its tensors by name: the path of keys, list positions and attributes, joined by dots. Weights in
 * objects of classes that are not known are refused, with all such classes; other such objects are data, and none of it is run.
 */
export function treeOf(root: PickleValue, fail: Fail): { content: Content; tensors: Map<string, TorchTensor> } {
  const walk = new Walk(fail);
  const content = walk.visit(root, "", 0);
  const { wrapping, wrapped } = walk;
  if (wrapped.length > 0) {
    const where = ` and would make ${wrapped.length} weights, such as ${quoted(wrapped[0])}`;
    fail(`${unknownNames(wrapping, where, false)}; save the model's state_dict() instead, best as safetensors`);
  }
  return { content, tensors: walk.tensors };
}

class Walk {
  readonly tensors = new Map<string, TorchTensor>();
  /** Classes that are not known around weights, and the paths of those. */
  readonly wrapping = new Set<string>();
  readonly wrapped: string[] = [];
  /** Classes that are not known around what is visited. */
  private readonly around: string[] = [];
  private nodes = 0;
  private letters = 0;
  private readonly open = new Set<PickleValue>();
  constructor(private readonly fail: Fail) {}

  /** Depth is limited, so this may call itself. */
  visit(value: PickleValue, path: string, depth: number): Content {
    if (++this.nodes > limits.nodes)
      this.fail(`pickle: more than ${limits.nodes} values once what is shared is written out`);
    if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
    if (value instanceof Real) return value.value;
    if (value instanceof TorchTensor) return this.around.length ? this.unread(path) : this.tensor(value, path);
    if (value instanceof Global) return this.mention(value, path);
    if (value instanceof TorchStorage) return new Inert("storage", [value.key, value.count]);
    if (depth > limits.depth) this.fail(`pickle: nested more than ${limits.depth} deep`);
    if (this.open.has(value)) this.fail(`pickle: ${quoted(path)} contains itself`);
    this.open.add(value);
    const content = this.container(value, path, depth + 1);
    this.open.delete(value);
    return content;
  }

  private container(value: List | Tuple | Dict | Foreign, path: string, depth: number): Content {
    if (value instanceof Dict) {
      const map = new Map<string | number, Content>();
      for (const [key, item] of value.entries) map.set(key, this.visit(item, this.join(path, key), depth));
      return map;
    }
    if (isPlaceholder(value)) return this.placeholder(value, path, depth);
    if (value instanceof Foreign) {
      const args = value.args.map((item, i) => this.visit(item, this.join(path, i), depth));
      return new Inert(
        value.global.path,
        args,
        value.state === undefined ? null : this.visit(value.state, path, depth),
      );
    }
    return value.items.map((item, i) => this.visit(item, this.join(path, i), depth));
  }

  private mention(global: Global, path: string): Content {
    if (global.isKnown || !rebuilds(global)) return new Inert(global.path);
    return this.placeholder(new Foreign(global, [], true), path, 0);
  }

  /** An object of a class that is not known, as data. */
  private placeholder({ global, args, items, state, isWeight }: Foreign, path: string, depth: number): Content {
    this.around.push(global.path);
    if (isWeight) this.unread(path);
    const inner = [...args, ...items].map((item, i) => this.visit(item, this.join(path, i), depth));
    const kept = state === undefined ? null : this.visit(state, path, depth);
    this.around.pop();
    return new Inert(global.path, inner, kept);
  }

  /** A tensor inside an object of a class that is not known: a weight, unless the checkpoint keeps no weights there. */
  private unread(path: string): Content {
    if (!training.test(path)) {
      for (const name of this.around) this.wrapping.add(name);
      this.wrapped.push(path || "its top");
    }
    return new Inert("tensor");
  }

  private tensor(tensor: TorchTensor, path: string): TensorRef {
    const name = path || "tensor";
    if (this.tensors.has(name)) this.fail(`pickle: two tensors would be named ${quoted(name)}`);
    if (this.tensors.size === fileLimits.tensors) this.fail(`pickle: more than ${fileLimits.tensors} tensors`);
    if ((this.letters += name.length) > limits.names)
      this.fail(`pickle: names of tensors have more than ${limits.names} letters together`);
    this.tensors.set(name, tensor);
    return new TensorRef(name);
  }

  private join(path: string, key: string | number): string {
    const joined = path === "" ? String(key) : `${path}.${key}`;
    if (joined.length > limits.name)
      this.fail(`pickle: the path ${quoted(joined)} has more than ${limits.name} letters`);
    return joined;
  }
}
