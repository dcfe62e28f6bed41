// Faults of the host side: what is wired to what in training, loading and evaluation. Data; on-host.ts applies them.

/** One fault in a source file, and the test file that has to notice. */
export interface HostMutation {
  readonly file: string;
  /** The text that is replaced; it stands in the file once. */
  readonly find: string;
  readonly replace: string;
  readonly why: string;
  /** A test file below test/. */
  readonly test: string;
}

type Row = readonly [test: string, find: string, replace: string, why: string];

const of = (file: string, ...rows: readonly Row[]): HostMutation[] =>
  rows.map(([test, find, replace, why]) => ({ file, test: `${test}.test.ts`, find, replace, why }));

export const hostMutations: readonly HostMutation[] = [
  ...of(
    "train/optimizers/adam.ts",
    ["train/optimizer", "{ step, beta1,", "{ step: step + 1, beta1,", "bias correction of the next step"],
    ["train/optimizer", "moments[0], moments[1]", "moments[1], moments[0]", "moments exchanged"],
    ["train/optimizer", "beta1, beta2, eps, ...of", "beta1: beta2, beta2: beta1, eps, ...of", "betas exchanged"],
    ["train/optimizer", "beta2, eps, ...of", "beta2, eps: 100 * eps, ...of", "another epsilon"],
    ["train/optimizers", '["exp_avg", "exp_avg_sq"]', '["exp_avg_sq", "exp_avg"]', "moments exchanged in the file"],
    ["train/optimizers", "adamUpdate(adam,", "adamUpdate(adamw as never,", "Adam decays as AdamW"],
  ),
  ...of(
    "train/optimizers/muon.ts",
    ["train/optimizers", "rows / columns", "columns / rows", "wide matrices step further, tall ones do not"],
    ["train/optimizers", "shard.freshMembers()", "shard.freshMembers().slice(1)", "first matrix left out"],
  ),
  ...of(
    "train/optimizers/optimizer.ts",
    ["train/optimizer", "&& !decays ? 0 :", "&& decays && false ? 0 :", "gains and biases decay"],
    ["train/optimizer", "found, this.settings.clip)", "found, 3e38)", "no clipping"],
    [
      "train/optimizer",
      "lr: ofGroup(lr, name)",
      "lr: ofGroup(lr, this.groups[0].name)",
      "every group at the first one's rate",
    ],
    ["train/optimizer", ", ...range }", " }", "logit scale not held in its range"],
    ["train/optimizer", "gradNorm(all.map", "gradNorm(all.slice(1).map", "first shard left out of the norm"],
    ["train/optimizer", "shard.spend();", "void shard;", "gradients of the last step stay"],
  ),
  ...of(
    "train/ramps.ts",
    ["train/ramps", "at < warmup", "at <= warmup", "warm-up one longer"],
    ["train/ramps", "1 - Math.sqrt(x)", "Math.sqrt(1 - x)", "another root"],
    ["train/ramps", "at >= steps", "at > 2 * steps", "beyond the end it goes on"],
  ),
  ...of(
    "model/module-file.ts",
    ["model/module-file", "await checkNumbers(file, name, tensors.get(name)!)", "void checkNumbers", "half loaded"],
    ["model/module-file", "shapes.push(", "void String(", "another shape is passed over"],
    [
      "model/module-file",
      "isFloat(to) ? isFloat(from) : from === own[to]",
      "true || isFloat(from) || from === own[to]",
      "any type is taken",
    ],
  ),
  ...of(
    "engine/device/check-gradient.ts",
    ["engine/check-gradient", "off > allowed + 5 * error", "off > 1e9 * allowed", "nothing is wrong"],
    ["engine/check-gradient", "error <= small ?", "error > 0 ?", "noise counts as right"],
    ["engine/check-gradient", "found.sides && found.isBetween", "found.sides", "any slope is right at a kink"],
  ),
  ...of(
    "engine/device/slope.ts",
    ["engine/check-gradient", "k > row ?", "k > 99 ?", "believes large steps over many kinks"],
    ["engine/check-gradient", "const factor = base ** j", "const factor = 2 * base ** j", "wrong powers of the step"],
  ),
  ...of(
    "train/shared-gradients.ts",
    ["train/micro-batch", "Math.ceil(count / micro)", "Math.floor(count / micro)", "last part dropped"],
    ["cli/train-ranks", "before.count > 0 ? 1 : 0", "0", "a rank starts from the slopes of another's clips"],
    ["cli/train-ranks", "else tape.accumulate([y]", "else tape.vjp([y]", "gradients of the last part only"],
  ),
  ...of("train/mpi/sum.ts", [
    "train/mpi/sum",
    "own, from > 0)",
    "own, false)",
    "the last rank's piece instead of the sum",
  ]),
  ...of(
    "train/learner.ts",
    ["train/micro-batch", "step * batch + from", "step * batch", "every part draws the masks of the first"],
    ["train/training", "step * batch + from", "batch + from", "the same dropout at every step"],
    ["train/micro-batch", "else tape.accumulate(", "else tape.vjp(", "gradients of the last part only"],
    [
      "train/micro-batch",
      "t: keep(gradients.get(t)) }",
      "t: keep(gradients.get(v)) }",
      "texts get the slope of the videos",
    ],
    ["model/family", "parameters.filter(([name]) => family.trains(name))", "parameters", "frozen parameters train"],
    ["train/training", "bad: later(bad)", "bad: later(norm)", "the norm is reported as bad"],
    [
      "train/training",
      "let values = (momentsFor(this.settings) + (this.average ? 1 : 0)) * this.parameters",
      "let values = this.parameters",
      "one moment in the space check",
    ],
    [
      "train/weight-average",
      "if (lr !== undefined) this.average?.follow(factor);",
      "if (lr !== undefined) this.average?.begin();",
      "the average is the weights",
    ],
  ),
  ...of(
    "train/loss.ts",
    ["train/loss", "{ beta, form }); //", "{ beta: 10, form }); //", "beta is not passed on"],
    ["train/loss", "{ beta, form }); //", "{ beta }); //", "form is not passed on"],
    ["train/loss", "exp(logitScale)), w_BB", "logitScale), w_BB", "logarithm of the scale"],
    ["train/loss", "sub(same_BB, eye(B))", "same_BB", "a pair with a twin loses itself"],
  ),
  ...of(
    "model/emotionclip/groups.ts",
    ["parity/parity", "shape.length < 2 || ", "", "class embedding decays"],
    ["train/optimizer", "/bn|ln|bias/", "/bn|bias/", "layernorms of two axes decay"],
    ["train/optimizer", '|| name.includes("saam_logit")', "", "SAAM's logits decay"],
    ["parity/parity", '"frame_gb", "frame_rest"', '"frame_rest", "frame_gb"', "order of the official groups"],
    [
      "train/optimizer",
      "range: { least: 0, most: logitScaleMost }",
      "range: { least: 0, most: 100 }",
      "limit of the scale, not of its logarithm",
    ],
  ),
  ...of(
    "train/schedule.ts",
    ["train/schedule", "passed >= warmup", "passed > warmup", "warm-up one longer"],
    ["train/schedule", "Math.floor(it / epochIterations)", "Math.ceil(it / epochIterations)", "epochs begin late"],
    ["train/schedule", "warmup: 10_000", "warmup: 1_000", "shorter warm-up than published"],
    ["train/schedule", "length: 25", "length: 30", "more epochs than published"],
    [
      "train/schedule",
      "(Math.PI * (at - begin)) / length",
      "(Math.PI * (at - begin)) / (length + 1)",
      "never at the floor",
    ],
    ["train/schedule", "factor * (1 - share) + share)", "factor * share + 1 - share)", "warm-up falls"],
  ),
  ...of(
    "train/loop.ts",
    ["train/training", "rates(begun)", "rates(from)", "the rate of the first step stays"],
    ["train/training", "rates(begun)", "rates(begun + 1)", "the rate of the next step"],
    [
      "train/training",
      "loader.batches(from + shift, settings.steps + shift)",
      "loader.batches(0, settings.steps + shift)",
      "a resumed run sees the first batches again",
    ],
    ["train/training", "(other === step - n ? n + 1 : n)", "n + 1", "a good step does not end the row"],
    [
      "train/training",
      "new Watch(skipped, backedOff)",
      "new Watch([], backedOff)",
      "skipped steps are forgotten on resume",
    ],
    [
      "train/training",
      "isDue(begun, settings.evalEvery) || isDue(begun, settings.checkpointEvery)",
      "false",
      "saved and measured one step late",
    ],
    ["train/training", "if (bad > 0)", "if (bad < 0)", "bad gradients with a good loss pass"],
    ["train/training", "!Number.isFinite(norm)", "false", "a step skipped for its norm is told as made"],
  ),
  ...of(
    "train/trainer.ts",
    [
      "train/micro-batch",
      "captions.slice(from, from + count)",
      "captions.slice(0, count)",
      "every part reads the first captions",
    ],
    [
      "train/micro-batch",
      "side, from * T, B * T, colours)",
      "side, 0, B * T, colours)",
      "every part reads the first frames",
    ],
    [
      "train/optimizer",
      "const [[loss], [norm], [bad], [logitScale]]",
      "const [[norm], [loss], [bad], [logitScale]]",
      "norm and loss exchanged",
    ],
  ),
  ...of(
    "model/pixels.ts",
    ["model/pixels", "subarray(from * width,", "subarray(0,", "a part reads all frames before it"],
    ["model/pixels", "bytes.byteOffset % 4 === 0", "true", "bytes that begin within a word are taken for words"],
    ["model/pixels", "4 * Math.ceil(width / 4)", "width", "rows that end within a word are not padded"],
  ),
  ...of(
    "data/sampling.ts",
    ["data/sampling", "Math.trunc(start + i * step)", "Math.round(start + i * step)", "frames rounded, not cut"],
    ["data/sampling", "random.below(last + 1)", "random.below(last || 1)", "the last frame is rarer"],
    [
      "data/sampling",
      "return Int32Array.from(chosen).sort();",
      "return Int32Array.from(chosen);",
      "frames out of order",
    ],
    [
      "data/sampling",
      'new Random(seed, "order", epoch)',
      'new Random(seed, "order", 0)',
      "every epoch in the first one's order",
    ],
    ["data/sampling", "random.below(i + 1)", "random.below(i || 1)", "not every permutation"],
    ["data/sampling", "const from = first + g * together", "const from = first + g", "neighbours shown twice"],
  ),
  ...of(
    "data/shards/loader.ts",
    [
      "data/loader",
      'sampling: "uniform", crop: "centre"',
      'sampling: "random", crop: "centre"',
      "evaluation on random frames",
    ],
    ["data/loader", 'crop: "random", order', 'crop: "centre", order', "training without random crops"],
    ["data/loader", "this.#tally.add(each)", "void each", "bad samples are not counted"],
  ),
  ...of(
    "data/shards/order.ts",
    ["data/loader", "Math.ceil(this.shown / batch)", "Math.floor(this.shown / batch)", "last clips not evaluated"],
    ["data/loader", "(step - epoch * this.stepsPerEpoch) * batch", "step * batch", "batches of later epochs are empty"],
  ),
  ...of(
    "data/shards/batch.ts",
    ["data/loader", "pixels.put(slot, {", "pixels.put(0, {", "every clip drawn over the first"],
    ["data/loader", "set.nameOf(index)", "set.nameOf(0)", "keys of another clip"],
    [
      "data/loader",
      "out.set(of(infos[i]), i * width)",
      "out.set(of(infos[0]), i * width)",
      "sentiment of the first clip",
    ],
  ),
  ...of(
    "data/shards/frames.ts",
    ["data/loader", "info.boxes[t]", "info.boxes[0]", "every frame masked by the first one's box"],
    ["data/sampling", "draw.epoch}`, draw.index)", "draw.index}`, draw.index)", "the same frames in every epoch"],
  ),
  ...of(
    "eval/features/features.ts",
    ["eval/features", "return [v_BE, t_BE];", "return [t_BE, v_BE];", "texts for videos"],
    [
      "eval/features",
      "captions.push(...batch.captions)",
      "captions.unshift(...batch.captions)",
      "captions in another order",
    ],
  ),
  ...of(
    "eval/probes/probe-table.ts",
    [
      "eval/probe-table",
      "normalizeRows(train.features), normalizeRows(test.features)",
      "train.features, test.features",
      "features not normalised",
    ],
    ["eval/probe-table", "softmaxSteps(x, train, {", "softmaxSteps(z, test, {", "fitted on what it is measured on"],
    [
      "eval/probe-table",
      "retrievalAt(similarities(pick(features), pick(text)), 1)",
      "retrievalAt(similarities(pick(text), pick(features)), 1)",
      "directions exchanged",
    ],
    ["eval/probe-table", "(asked ? takeRows(m, asked) : m)", "m", "equal captions count against each other"],
  ),
  ...of(
    "eval/probes/score.ts",
    ["eval/score", "normalizeRows(train.features)", "train.features", "probes fitted on raw features"],
    ["eval/score", "predict(split), train.targets", "predict(train), train.targets", "scored on what it was fitted on"],
    [
      "eval/score",
      "find(({ name }) => name === protocol.fit)",
      "find(({ name }) => name !== protocol.fit)",
      "fitted on another split",
    ],
  ),
  ...of(
    "eval/probes/metrics.ts",
    ["eval/metrics", "sum += f1 * support", "sum += f1", "F1 not weighted"],
    ["eval/metrics", "other > own || (other === own && c > labels[i])", "other > own", "ties favour the truth"],
    ["eval/metrics", "s_NN.data[i * n + j] >= own", "s_NN.data[i * n + j] > own", "ties count as found"],
    ["eval/recognition", "c] > scores_NC", "c] >= scores_NC", "the last of equal classes"],
    ["eval/metrics", "hit / support))", "hit / labels.length))", "recall of all samples"],
    ["eval/metrics", "1 - residual / total", "1 - residual / (total + residual)", "another R²"],
  ),
  ...of(
    "eval/probes/ranking.ts",
    ["eval/metrics", "(above + positive / 2)", "(above + positive)", "ties count as won"],
    ["eval/metrics", "sum += here * (found / taken)", "sum += found / taken", "scores that tie count once"],
  ),
  ...of(
    "eval/probes/probes.ts",
    ["eval/probes", "means[t] - dot(w, mean)", "means[t]", "ridge without its centring"],
    ["eval/probes", "found.intercepts[k] - middle", "found.intercepts[k]", "intercepts not centred"],
    ["eval/probes", "addScaled(step, -alpha, rows[t]);", "", "ridge refined without its penalty"],
  ),
  ...of(
    "eval/probes/savgol.ts",
    ["eval/savgol", "i - before", "i - half", "even windows half a sample early"],
    ["eval/savgol", "series, n - window)", "series, n - window - 1)", "last values from the window before"],
  ),
  ...of(
    "eval/zero-shot/zero-shot.ts",
    [
      "eval/zero-shot",
      "means[c * E + e] += data[row * E + e] / count",
      "means[c * E + e] = data[row * E + e]",
      "the last prompt alone",
    ],
    ["eval/zero-shot", "row[b] - row[a] || b - a", "row[b] - row[a] || a - b", "ties the other way"],
    ["eval/zero-shot", "const scale = 100", "const scale = 1", "probabilities nearly equal"],
  ),
  ...of(
    "model/emotionclip/temporal-encoder.ts",
    [
      "parity/parity",
      "mean(add(this.fusion_layer.norm.forward(y_BTE), x_BTE), 1)",
      "mean(this.fusion_layer.norm.forward(y_BTE), 1)",
      "no residual around the head",
    ],
    ["parity/parity", "let y_BTE = add(x_BTE, weight)", "let y_BTE = x_BTE", "frames without positions"],
  ),
  ...of(
    "model/emotionclip/frame-encoder.ts",
    ["model/variants", "{ indicator: this.config.sapIndicator ?? false }", "{}", "indicator not passed on"],
    ["parity/parity", "layer < saam.layers", "layer <= saam.layers", "one masked block too many"],
  ),
  ...of("model/clip/vit.ts", [
    "parity/parity",
    "matmul(this.ln_post.forward(first(x_NLD)), this.proj)",
    "matmul(first(x_NLD), this.proj)",
    "no last normalisation",
  ]),
  ...of(
    "model/emoclip/temporal.ts",
    ["parity/parity", '"geluTanh"', '"gelu"', "the exact GELU"],
    ["parity/parity", ": add(input, mixed)", ": mixed", "no residual where there is no projection"],
    ["parity/parity", "linear(feed.norm.forward(attended)", "linear(attended", "no normalisation before the MLP"],
    ["model/emoclip", "if (T >= positions)", "if (T > positions)", "one frame more than positions"],
  ),
  ...of(
    "data/faces/window.ts",
    ["parity/parity", "period - at", "period - at - 1", "the edge of the mirror repeats"],
    ["parity/parity", "Math.ceil(frames / every)", "Math.floor(frames / every)", "the last frames are never looked at"],
  ),
  ...of("data/faces/clip-set.ts", [
    "data/face-clips",
    "factor: most / samples",
    "factor: 1",
    "classes as often as they are",
  ]),
  ...of("data/faces/sets.ts", ["data/faces", "trained.has(id)", "false", "clips that are trained on and tested"]),
  ...of(
    "train/optimizers/named.ts",
    ["train/optimizer", "eps = 1e-6", "eps = 1e-8", "PyTorch's epsilon, not the published one"],
    ["train/optimizer", "eps, ...common });", "eps, ...common, decay: 0 });", "no weight decay"],
  ),
  ...of("data/faces/augment.ts", ["parity/parity", "cos * x - sin * y", "cos * x + sin * y", "the other way around"]),
  ...of("eval/recognition/figures.ts", [
    "eval/recognition",
    "(support > 0 ? recall : 0)",
    "recall",
    "a class that is only predicted makes UAR NaN",
  ]),
  ...of("train/frozen-towers.ts", [
    "cli/kept-recipe",
    "!own.some(trains)",
    "!own.every(trains)",
    "a tower that trains in part counts as frozen",
  ]),
  ...of("data/features/frame-rows.ts", [
    "train/kept-towers",
    "+ numbers.indexOf(frame)",
    "+ frame",
    "rows of other frames where not all are kept",
  ]),
  ...of("data/features/kept-rows.ts", [
    "train/kept-towers",
    "const row = item - badBefore(this.done.bad, item);",
    "const row = item;",
    "rows behind a bad frame are those of the next",
  ]),
  ...of("data/features/batches.ts", [
    "train/kept-towers",
    "if (!rows().readInto(draw.index, numbers, out)) await this.#failing(draw);",
    "rows().readInto(draw.index, numbers, out);",
    "a clip with a bad frame is trained on",
  ]),
  ...of("model/emotionclip/emotionclip.ts", [
    "parity/parity",
    "return unit(this.backbone.forward(tokens_BW, ends_B, through));",
    "return this.backbone.forward(tokens_BW, ends_B, through);",
    "texts not of unit length",
  ]),
  ...of(
    "data/footage/windows.ts",
    [
      "data/windows",
      "if (end - covered > stride / 2) begins.push(end - window);",
      "",
      "the end of a film is not looked at",
    ],
    [
      "data/windows",
      "seconds[middle] < time - HAIR",
      "seconds[middle] <= time + HAIR",
      "a window without its first frame",
    ],
  ),
  ...of("eval/features/windows.ts", [
    "eval/windows",
    "for (const index of held.keys()) if (index < first) held.delete(index);",
    "for (const index of held.keys()) if (index <= first) held.delete(index);",
    "a row that is still needed is let go of",
  ]),
  ...of("cli/timeline.ts", [
    "cli/timeline",
    "const taken = within.length > 0 ? within : nearest;",
    "const taken = nearest;",
    "a long line has the class of one window",
  ]),
  ...of("data/formats/lock.ts", [
    "data/lock",
    'readFile(path, "utf8").catch(orMissing(path));',
    'readFile(path, "utf8").catch(() => undefined);',
    "a lock that cannot be read is none",
  ]),
  ...of(
    "bench/gpu-report/run.ts",
    ["bench/gpu-report", 'error !== undefined ? "failed"', 'error === "" ? "failed"', "a part that crashed is done"],
    ["bench/gpu-report", "...known.without, ...part.tries", "...known.without", "what crashed is asked for again"],
    ["bench/gpu-report", "Math.max(ends - spent(), own)", "ends - spent()", "time runs out for the wrong parts"],
  ),
  ...of("bench/gpu-report/adapter.ts", [
    "bench/gpu-report",
    "if (software && !part.known.tiny)",
    "if (software && part.known.tiny)",
    "a software adapter is called a GPU",
  ]),
  ...of(
    "bench/sampled-check.ts",
    ["bench/gpu-report", "[(o * size + place) * inner + i]", "[(o * size + place) * inner]", "rows of one element"],
    ["bench/gpu-report", "if (!prepared.backward) return faults;", "return faults;", "gradients are not looked at"],
  ),
];
