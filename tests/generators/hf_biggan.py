"""A small file with HuggingFace's names, and what its network computes, written down plainly from the description of
that implementation: the other derivation that ours is held against."""

import torch
import torch.nn.functional as F

DIM, CLASSES, WIDTH, STEPS = 6, 4, 8, 5
LAYERS = [[False, 4, 4], [True, 4, 2], [False, 2, 2], [True, 2, 1], [True, 1, 1]]
ATTENTION = 2  # before this one
CONFIG = {"layers": LAYERS, "channel_width": WIDTH, "eps": 1e-4, "attention_layer_position": ATTENTION}


def tensors(seed=0, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)  # noqa: E731
    found = {"embeddings.weight": normal(DIM, CLASSES)}

    def layer(name, *shape, bias=True):
        found[f"{name}.weight_orig"] = normal(*shape)
        found[f"{name}.weight_u"] = F.normalize(normal(shape[0]), dim=0)
        along = found[f"{name}.weight_orig"].flatten(1).t() @ found[f"{name}.weight_u"]
        found[f"{name}.weight_v"] = F.normalize(
            along + 0.3 * along.norm() * F.normalize(normal(len(along)), dim=0), dim=0
        )
        if bias:
            found[f"{name}.bias"] = 0.1 * normal(shape[0])

    def statistics(name, channels):
        found[f"{name}.running_means"] = 0.15 * normal(STEPS, channels)
        found[f"{name}.running_vars"] = 0.2 + normal(STEPS, channels).abs()

    layer("generator.gen_z", 16 * LAYERS[0][1] * WIDTH, 2 * DIM)
    for i, (_, cin, cout) in enumerate(LAYERS):
        name, cin, cout = f"generator.layers.{i + (i >= ATTENTION)}", cin * WIDTH, cout * WIDTH
        hidden = cin // 4
        for j, channels in enumerate((cin, hidden, hidden, hidden)):
            statistics(f"{name}.bn_{j}", channels)
            layer(f"{name}.bn_{j}.scale", channels, 2 * DIM, bias=False)
            layer(f"{name}.bn_{j}.offset", channels, 2 * DIM, bias=False)
        for j, shape in enumerate(
            ((hidden, cin, 1, 1), (hidden, hidden, 3, 3), (hidden, hidden, 3, 3), (cout, hidden, 1, 1))
        ):
            layer(f"{name}.conv_{j}", *shape)
    name, channels = f"generator.layers.{ATTENTION}", LAYERS[ATTENTION][1] * WIDTH
    found[f"{name}.gamma"] = torch.full((1,), 0.6, dtype=dtype)
    for word, shape in (("theta", (2, 16)), ("phi", (2, 16)), ("g", (8, 16)), ("o_conv", (16, 8))):
        assert channels == 16
        layer(f"{name}.snconv1x1_{word}", *shape, 1, 1, bias=False)
    statistics("generator.bn", WIDTH)
    found["generator.bn.weight"], found["generator.bn.bias"] = 1 + 0.1 * normal(WIDTH), 0.1 * normal(WIDTH)
    layer("generator.conv_to_rgb", WIDTH, WIDTH, 3, 3)
    return found


def picture(t, z, labels, step):
    """t: tensors by name.  z (N, DIM), labels (N,).  step: a truncation for which there are statistics, by its row."""

    def weight(name):
        w = t[f"{name}.weight_orig"]
        return w / (t[f"{name}.weight_u"] @ w.flatten(1) @ t[f"{name}.weight_v"])

    conv = lambda name, x: F.conv2d(x, weight(name), t.get(f"{name}.bias"), padding=weight(name).shape[-1] // 2)  # noqa: E731
    condition = torch.cat([z, t["embeddings.weight"].t()[labels]], 1)

    def norm(name, x, scale, offset):
        x = F.batch_norm(x, t[f"{name}.running_means"][step], t[f"{name}.running_vars"][step], eps=CONFIG["eps"])
        return F.relu(x * scale[..., None, None] + offset[..., None, None])

    def conditional(name, x):
        return norm(name, x, 1 + condition @ weight(f"{name}.scale").t(), condition @ weight(f"{name}.offset").t())

    h = F.linear(condition, weight("generator.gen_z"), t["generator.gen_z.bias"])
    h = h.view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
    for i, (enlarges, cin, cout) in enumerate(LAYERS):
        if i == ATTENTION:
            part = lambda word: conv(f"generator.layers.{ATTENTION}.snconv1x1_{word}", h)  # noqa: B023, E731
            keys, values = (F.max_pool2d(part(word), 2).flatten(2) for word in ("phi", "g"))
            share = torch.einsum("ncq,nck->nqk", part("theta").flatten(2), keys).softmax(2)
            seen = torch.einsum("nqk,nck->ncq", share, values).view(*values.shape[:2], *h.shape[2:])
            name = f"generator.layers.{ATTENTION}"
            h = h + t[f"{name}.gamma"] * conv(f"{name}.snconv1x1_o_conv", seen)
        name = f"generator.layers.{i + (i >= ATTENTION)}"
        larger = (lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3)) if enlarges else (lambda x: x)
        shortcut = larger(h if cin == cout else h[:, : h.shape[1] // 2])
        h = conv(f"{name}.conv_0", conditional(f"{name}.bn_0", h))
        h = conv(f"{name}.conv_1", larger(conditional(f"{name}.bn_1", h)))
        h = conv(f"{name}.conv_2", conditional(f"{name}.bn_2", h))
        h = conv(f"{name}.conv_3", conditional(f"{name}.bn_3", h)) + shortcut
    h = norm("generator.bn", h, t["generator.bn.weight"], t["generator.bn.bias"])
    return conv("generator.conv_to_rgb", h)[:, :3].tanh()
