# The golden numbers of the RoBERTa classifier, by an implementation of its own: numpy in float64, byte-pair encoding by hand.
# python3 make.py writes model/ (random weights, config, vocabulary) and expected.json beside itself. Needs numpy and regex.
import json, math, os, struct
import numpy as np
import regex

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "model")
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(2026)

# --- byte-pair encoding, as GPT-2 has it
printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
chars, extra = {}, 256
for b in range(256):
    if b in printable:
        chars[b] = chr(b)
    else:
        chars[b] = chr(extra)
        extra += 1
words_re = regex.compile(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")

def spelled(text):
    return ["".join(chars[b] for b in word.encode("utf-8")) for word in words_re.findall(text)]

corpus = (
    "I can't believe you're here, she said; they'll be glad that we've come back. He waits and waits. "
    "What a lovely day! Why would you do that? I'm so sorry... It's over, isn't it? Don't leave me now. "
    "The happiest of all the people in the house were those who laughed at the saddest joke. "
) * 3
merges, pieces = [], [list(w) for w in spelled(corpus)]
while len(merges) < 160:
    count = {}
    for p in pieces:
        for pair in zip(p, p[1:]):
            count[pair] = count.get(pair, 0) + 1
    if not count:
        break
    best = max(count, key=lambda pair: (count[pair], pair))
    merges.append(best)
    joined = []
    for p in pieces:
        q, i = [], 0
        while i < len(p):
            if i + 1 < len(p) and (p[i], p[i + 1]) == best:
                q.append(p[i] + p[i + 1]); i += 2
            else:
                q.append(p[i]); i += 1
        joined.append(q)
    pieces = joined
ranks = {pair: i for i, pair in enumerate(merges)}
symbols = ["<s>", "<pad>", "</s>", "<unk>"] + sorted(chars.values()) + ["".join(m) for m in merges] + ["<mask>"]
ids = {s: i for i, s in enumerate(symbols)}
assert len(ids) == len(symbols)

def bpe(word):
    p = list(word)
    while len(p) > 1:
        pairs = [(ranks.get(pair, math.inf), i) for i, pair in enumerate(zip(p, p[1:]))]
        rank, _ = min(pairs)
        if rank == math.inf:
            break
        q, i = [], 0
        while i < len(p):
            if i + 1 < len(p) and ranks.get((p[i], p[i + 1])) == rank:
                q.append(p[i] + p[i + 1]); i += 2
            else:
                q.append(p[i]); i += 1
        p = q
    return p

def encode(text, most):
    found = [ids[s] for word in spelled(text) for s in bpe(word)]
    return [0] + found[: most - 2] + [2]

# --- the model
labels = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
config = {
    "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
    "vocab_size": len(symbols), "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 40, "max_position_embeddings": 34, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
    "hidden_act": "gelu", "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
    "id2label": {str(i): name for i, name in enumerate(labels)},
}
D, M, V = config["hidden_size"], config["intermediate_size"], len(symbols)
w = {}
def weight(name, *shape, scale=0.3, mean=0.0):
    w[name] = (mean + scale * rng.standard_normal(shape)).astype(np.float32)
def linear(name, o, i):
    weight(f"{name}.weight", o, i, scale=1.2 / math.sqrt(i)); weight(f"{name}.bias", o, scale=0.1)
def norm(name):
    weight(f"{name}.weight", D, scale=0.2, mean=1.0); weight(f"{name}.bias", D, scale=0.1)
e = "roberta.embeddings"
weight(f"{e}.word_embeddings.weight", V, D); weight(f"{e}.position_embeddings.weight", 34, D)
weight(f"{e}.token_type_embeddings.weight", 1, D); norm(f"{e}.LayerNorm")
for l in range(2):
    p = f"roberta.encoder.layer.{l}"
    for one in ("query", "key", "value"):
        linear(f"{p}.attention.self.{one}", D, D)
    linear(f"{p}.attention.output.dense", D, D); norm(f"{p}.attention.output.LayerNorm")
    linear(f"{p}.intermediate.dense", M, D); linear(f"{p}.output.dense", D, M); norm(f"{p}.output.LayerNorm")
linear("classifier.dense", D, D); linear("classifier.out_proj", 7, D)

f = {k: v.astype(np.float64) for k, v in w.items()}
erf = np.vectorize(math.erf)
def lin(name, x): return x @ f[f"{name}.weight"].T + f[f"{name}.bias"]
def ln(name, x):
    m = x.mean(-1, keepdims=True); v = ((x - m) ** 2).mean(-1, keepdims=True)
    return (x - m) / np.sqrt(v + 1e-5) * f[f"{name}.weight"] + f[f"{name}.bias"]
def logits(row):
    L = len(row)
    x = f[f"{e}.word_embeddings.weight"][row] + f[f"{e}.position_embeddings.weight"][2 : 2 + L] + f[f"{e}.token_type_embeddings.weight"][0]
    x = ln(f"{e}.LayerNorm", x)
    for l in range(2):
        p = f"roberta.encoder.layer.{l}"
        q, k, v = (lin(f"{p}.attention.self.{one}", x).reshape(L, 3, 8).transpose(1, 0, 2) for one in ("query", "key", "value"))
        s = q @ k.transpose(0, 2, 1) / math.sqrt(8)
        a = np.exp(s - s.max(-1, keepdims=True)); a /= a.sum(-1, keepdims=True)
        y = (a @ v).transpose(1, 0, 2).reshape(L, D)
        x = ln(f"{p}.attention.output.LayerNorm", x + lin(f"{p}.attention.output.dense", y))
        h = lin(f"{p}.intermediate.dense", x)
        h = 0.5 * h * (1 + erf(h / math.sqrt(2)))
        x = ln(f"{p}.output.LayerNorm", x + lin(f"{p}.output.dense", h))
    return lin("classifier.out_proj", np.tanh(lin("classifier.dense", x[0])))

texts = [
    "I can't believe you're here!", "She laughs.", "", " ", "  two  spaces  ", "don't, we've; they'll I'd I'm it's",
    "tabs\tand\nlines\r\n", "ÄÖÜ straße naïve café", "привет мир", "日本語のテキスト", "😀😃 family: 👩‍👩‍👧‍👦", "12345 67.89 ½ ²",
    "'S 'T caps don't count", "a\u00a0b\u2003c\u3000d", "what???!!! no...", "\u0000\u0001\u007f", "e\u0301 combining", "ends with spaces   ",
    "The happiest of all the people in the house were those who laughed at the saddest joke, and it went on and on and on and on.",
    "<b>not</b> special & fine", "__under_score__", "\ufeffmark", "\u200bzero", "x" * 60, "ʼ’‘“”—–", "İstanbul ſ", "\u1680ogham", "\u180e", "\u2028line\u2029",
]
alphabet = list("abcdefghij 'tsremvld  .,!?0123456789") + ["é", "ß", "ж", "中", "😀", "\n", "\t", "\u00a0", "\u0301", "Ⅷ", "٣", "ª", "ǅ"]
for i in range(60):
    texts.append("".join(rng.choice(alphabet) for _ in range(int(rng.integers(1, 40)))))
rows = [encode(t, 32) for t in texts]
whole = [len(spelled_ids) for spelled_ids in ([ids[s] for word in spelled(t) for s in bpe(word)] for t in texts)]
expected = [{"text": t, "ids": r, "length": n + 2, "logits": [float(x) for x in logits(r)]} for t, r, n in zip(texts, rows, whole)]

# --- files
head, data = {}, b""
for name, value in w.items():
    raw = value.tobytes()
    head[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
raw = np.arange(34, dtype=np.int64).tobytes()
head["roberta.embeddings.position_ids"] = {"dtype": "I64", "shape": [1, 34], "data_offsets": [len(data), len(data) + len(raw)]}
data += raw
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
with open(os.path.join(out, "model.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
def dump(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=True, indent=0); file.write("\n")
dump(os.path.join(out, "config.json"), config)
dump(os.path.join(out, "vocab.json"), ids)
with open(os.path.join(out, "merges.txt"), "w", encoding="utf-8") as file:
    file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
dump(os.path.join(here, "expected.json"), expected)
