# One training step of EmotionCLIP in PyTorch, written from the specification: the yardstick of the report on a GPU.
# stdin: one JSON object. stdout: a JSON line for each thing found. Nothing is read or written otherwise.
import base64, json, math, statistics, sys, time


def say(**what):
    print(json.dumps(what), flush=True)


try:
    import torch
    import torch.nn.functional as F
except ImportError:
    say(skipped="PyTorch: this python3 has none")
    sys.exit(0)

work = json.load(sys.stdin)
tiny = work["tiny"]
ends = time.monotonic() + work["seconds"]
if not torch.cuda.is_available() and not tiny:
    say(skipped=f"PyTorch {torch.__version__} finds no CUDA device")
    sys.exit(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
say(versions=f"PyTorch {torch.__version__}", device=torch.cuda.get_device_name() if device == "cuda" else "cpu")


def whole(flag):
    """Products of f32 in f32, or with operands of TF32."""
    torch.backends.cuda.matmul.allow_tf32 = flag
    torch.backends.cudnn.allow_tf32 = flag


def shapes(c):
    """Names and shapes of the official checkpoint."""
    v, t, h, E = c["vision"], c["text"], c["head"], c["embed"]
    D, W = v["width"], t["width"]
    m = (v["image"] // v["patch"]) ** 2
    out = {"logit_scale": []}

    def block(at, d, hidden):
        for name, shape in {
            "attn.in_proj_weight": [3 * d, d], "attn.in_proj_bias": [3 * d],
            "attn.out_proj.weight": [d, d], "attn.out_proj.bias": [d],
            "ln_1.weight": [d], "ln_1.bias": [d], "ln_2.weight": [d], "ln_2.bias": [d],
            "mlp.c_fc.weight": [hidden, d], "mlp.c_fc.bias": [hidden],
            "mlp.c_proj.weight": [d, hidden], "mlp.c_proj.bias": [d],
        }.items():
            out[f"{at}.{name}"] = shape

    out["backbone.visual.class_embedding"] = [D]
    out["backbone.visual.positional_embedding"] = [m + 1, D]
    out["backbone.visual.proj"] = [D, E]
    out["backbone.visual.conv1.weight"] = [D, 3, v["patch"], v["patch"]]
    for name in ["ln_pre", "ln_post"]:
        out[f"backbone.visual.{name}.weight"] = out[f"backbone.visual.{name}.bias"] = [D]
    for i in range(v["layers"]):
        block(f"backbone.visual.transformer.resblocks.{i}", D, v["mlp"])
    out["backbone.positional_embedding"] = [t["context"], W]
    out["backbone.text_projection"] = [W, E]
    out["backbone.token_embedding.weight"] = [t["vocabulary"], W]
    for i in range(t["layers"]):
        block(f"backbone.transformer.resblocks.{i}", W, 4 * W)
    out["backbone.ln_final.weight"] = out["backbone.ln_final.bias"] = [W]
    out["visual_head.frame_position_embedding.weight"] = [h["frames"], E]
    for i in range(h["layers"]):
        at = f"visual_head.fusion_layer.layers.{i}"
        for name, shape in {
            "self_attn.in_proj_weight": [3 * E, E], "self_attn.in_proj_bias": [3 * E],
            "self_attn.out_proj.weight": [E, E], "self_attn.out_proj.bias": [E],
            "linear1.weight": [h["feedForward"], E], "linear1.bias": [h["feedForward"]],
            "linear2.weight": [E, h["feedForward"]], "linear2.bias": [E],
            "norm1.weight": [E], "norm1.bias": [E], "norm2.weight": [E], "norm2.bias": [E],
        }.items():
            out[f"{at}.{name}"] = shape
    out["visual_head.fusion_layer.norm.weight"] = out["visual_head.fusion_layer.norm.bias"] = [E]
    return out


def drawn(c):
    """Random weights, on the device."""
    torch.manual_seed(2022)
    p = {}
    for name, shape in shapes(c).items():
        if name == "logit_scale":
            value = torch.tensor(math.log(1 / 0.07))
        elif len(shape) == 1 and name.endswith("weight"):
            value = torch.ones(shape)
        elif len(shape) == 1 and "class" not in name:
            value = torch.zeros(shape)
        else:
            value = torch.randn(shape) * (shape[-1] if len(shape) == 2 else math.prod(shape[1:]) or 1) ** -0.5
        p[name] = value.to(device).requires_grad_()
    return p


def norm(x, p, at):
    return F.layer_norm(x, x.shape[-1:], p[f"{at}.weight"], p[f"{at}.bias"], 1e-5)


def attend(x, p, at, heads, causal=False, drop=0.0):
    B, L, D = x.shape
    qkv = F.linear(x, p[f"{at}.in_proj_weight"], p[f"{at}.in_proj_bias"])
    q, k, v = (each.reshape(B, L, heads, D // heads).transpose(1, 2) for each in qkv.chunk(3, -1))
    if hasattr(F, "scaled_dot_product_attention"):
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, dropout_p=drop)
    else:
        s = q @ k.transpose(-1, -2) * (D // heads) ** -0.5
        if causal:
            s = s + torch.full((L, L), -math.inf, device=x.device, dtype=s.dtype).triu(1)
        y = F.dropout(s.softmax(-1), drop) @ v
    return F.linear(y.transpose(1, 2).reshape(B, L, D), p[f"{at}.out_proj.weight"], p[f"{at}.out_proj.bias"])


def gelu(x, c):
    return F.gelu(x) if c["activation"] == "gelu" else x * torch.sigmoid(1.702 * x)


def block(x, p, at, heads, c, causal=False):
    x = x + attend(norm(x, p, f"{at}.ln_1"), p, f"{at}.attn", heads, causal)
    y = F.linear(norm(x, p, f"{at}.ln_2"), p[f"{at}.mlp.c_fc.weight"], p[f"{at}.mlp.c_fc.bias"])
    return x + F.linear(gelu(y, c), p[f"{at}.mlp.c_proj.weight"], p[f"{at}.mlp.c_proj.bias"])


def frames_of(image, mask, p, c):
    """image [N, 3, S, S], mask [N, S, S] -> [N, E]: section 1.2."""
    v, at = c["vision"], "backbone.visual"
    x = F.conv2d(image, p[f"{at}.conv1.weight"], stride=v["patch"]).flatten(2).transpose(1, 2)
    cls = p[f"{at}.class_embedding"].expand(x.shape[0], 1, -1)
    pos = p[f"{at}.positional_embedding"]
    x = torch.cat([cls.to(x.dtype), x], 1) + pos
    a = F.avg_pool2d(mask[:, None], v["patch"]).flatten(1)
    x = torch.cat([x, (a @ pos[1:])[:, None].to(x.dtype)], 1)
    x = norm(x, p, f"{at}.ln_pre")
    for i in range(v["layers"]):
        x = block(x, p, f"{at}.transformer.resblocks.{i}", v["heads"], c)
    return norm(x[:, 0], p, f"{at}.ln_post") @ p[f"{at}.proj"]


def texts_of(ids, p, c):
    """ids [B, W] -> [B, E]: section 1.3."""
    t, at = c["text"], "backbone"
    x = F.embedding(ids, p[f"{at}.token_embedding.weight"]) + p[f"{at}.positional_embedding"]
    for i in range(t["layers"]):
        x = block(x, p, f"{at}.transformer.resblocks.{i}", t["heads"], c, causal=True)
    x = norm(x, p, f"{at}.ln_final")
    return x[torch.arange(len(ids), device=ids.device), ids.argmax(-1)] @ p[f"{at}.text_projection"]


def clips_of(x, p, c, drop):
    """Frame features [B, T, E] -> [B, E]: section 1.4."""
    h, at = c["head"], "visual_head.fusion_layer"
    y = x + p["visual_head.frame_position_embedding.weight"]
    for i in range(h["layers"]):
        l = f"{at}.layers.{i}"
        y = norm(y + F.dropout(attend(y, p, f"{l}.self_attn", h["heads"], drop=drop), drop), p, f"{l}.norm1")
        z = F.dropout(F.gelu(F.linear(y, p[f"{l}.linear1.weight"], p[f"{l}.linear1.bias"])), drop)
        y = norm(y + F.dropout(F.linear(z, p[f"{l}.linear2.weight"], p[f"{l}.linear2.bias"]), drop), p, f"{l}.norm2")
    return (norm(y, p, f"{at}.norm") + x).mean(1)


def loss_of(batch, p, c, drop, beta=1.0):
    """Sections 1.5 and 3.4, KL in the direction of the code."""
    video, mask, ids, s = batch
    B, T = video.shape[:2]
    f = frames_of(video.flatten(0, 1), mask.flatten(0, 1), p, c).reshape(B, T, -1)
    v = F.normalize(clips_of(f, p, c, drop).float(), dim=-1, eps=1e-12)
    t = F.normalize(texts_of(ids, p, c).float(), dim=-1, eps=1e-12)
    lp = s.log_softmax(-1)
    kl = (lp.exp()[:, None] * (lp[:, None] - lp[None])).sum(-1).abs().T
    w = (beta / kl.clamp(min=beta / 1e6)).clamp(max=1e6)
    w = w * (1 - torch.eye(B, device=w.device))
    with torch.autocast(device, enabled=False):
        scale = p["logit_scale"].exp()
        own = torch.arange(B, device=v.device)
        return (F.cross_entropy(scale * v @ t.T - w, own) + F.cross_entropy(scale * t @ v.T - w, own)) / 2


def floats(text, shape):
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).reshape(shape).to(device)


def same():
    """The small step with the weights and inputs that were given."""
    g = work["small"]
    c, B = g["config"], g["batch"]
    T, S = c["head"]["frames"], c["vision"]["image"]
    wanted = shapes(c)
    if {n: w["shape"] for n, w in g["weights"].items()} != wanted:
        odd = sorted(set(wanted) ^ set(g["weights"])) or [n for n, w in g["weights"].items() if w["shape"] != wanted[n]]
        raise ValueError(f"other parameters than the specification has: {odd[:4]}")
    p = {n: floats(w["data"], w["shape"]).requires_grad_() for n, w in g["weights"].items()}
    batch = (
        floats(g["frames"], [B, T, 3, S, S]),
        floats(g["mask"], [B, T, S, S]),
        torch.tensor(g["tokens"], device=device).reshape(B, -1),
        floats(g["sentiments"], [B, 7]),
    )
    loss = loss_of(batch, p, c, 0.0)
    loss.backward()
    squares = sum(float((each.grad.double() ** 2).sum()) for each in p.values() if each.grad is not None)
    say(same={"loss": float(loss), "norm": math.sqrt(squares)})


def grouped(p):
    """Section 4.2, as far as it shapes a step: gains and biases do not decay."""
    gain = lambda n, v: v.ndim < 2 or any(word in n for word in ["bn", "ln", "bias", "logit_scale"])
    return [
        {"params": [v for n, v in p.items() if gain(n, v)], "weight_decay": 0.0},
        {"params": [v for n, v in p.items() if not gain(n, v)], "weight_decay": 0.1},
    ]


def timed(mode, B):
    c = work["config"]
    T, S, W, V = c["head"]["frames"], c["vision"]["image"], c["text"]["context"], c["text"]["vocabulary"]
    p = drawn(c)
    fused = {"fused": True} if device == "cuda" and torch.__version__ >= "2" else {}
    optimizer = torch.optim.AdamW(grouped(p), lr=1e-8, betas=(0.98, 0.9), eps=1e-6, **fused)
    amp = mode == "amp"
    if hasattr(torch, "amp") and hasattr(torch.amp, "GradScaler"):
        scaler = torch.amp.GradScaler(device, enabled=amp)
    else:
        scaler = torch.cuda.amp.GradScaler(enabled=amp and device == "cuda")
    whole(mode == "TF32")
    ids = torch.randint(1, V - 2, (B, W), device=device)
    ids[:, W // 2] = V - 1
    batch = (
        torch.randn(B, T, 3, S, S, device=device),
        (torch.rand(B, T, S, S, device=device) < 0.25).float(),
        ids,
        3 * torch.randn(B, 7, device=device),
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.float16 if device == "cuda" else torch.bfloat16, enabled=amp):
            loss = loss_of(batch, p, c, c["head"]["dropout"])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        with torch.no_grad():
            p["logit_scale"].clamp_(0, math.log(100))
        return loss

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(3):
        loss = step()
    wait()
    times, began = [], time.monotonic()
    while len(times) < (2 if tiny else 30) and (len(times) < 3 or time.monotonic() < min(ends, began + 5)):
        start = time.perf_counter()
        loss = step()
        wait()
        times.append(time.perf_counter() - start)
    held = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else 0
    say(mode=mode, clips=B, seconds=statistics.median(times), loss=float(loss), gigabytes=held)
    return statistics.median(times) / B


whole(False)
same()
per_clip = {}
for clips in work["clips"]:
    for mode in ["f32", "TF32", "amp"]:
        name = f"{mode}, {clips} clips"
        if mode == "TF32" and device == "cpu":
            say(skipped=f"{name}: a processor has no TF32")
        elif time.monotonic() + 7 * per_clip.get(mode, 0) * clips > ends:
            say(skipped=f"{name}: no time is left")
        else:
            try:
                per_clip[mode] = timed(mode, clips)
            except RuntimeError as error:  # out of memory is one
                say(failed=f"{name}: {str(error).splitlines()[0][:300]}")
            if device == "cuda":
                torch.cuda.empty_cache()
