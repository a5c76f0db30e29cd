"""Anyone's module as a Prior: what it keeps, what it promises, and what is refused in one line."""

import copy

import pytest
import torch
from torch import nn

import dgp
import generators
from dgp.cli.failures import one_line
from generators import WeightsError


class Painter(nn.Module):
    """Class-conditional, grey, in [0, 1]; the children are in a list."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.embed = nn.Embedding(3, 4)
        self.body = nn.ModuleList([nn.Linear(10, 32), nn.Linear(32, 64)])
        self.last = nn.Linear(64, 256)

    def forward(self, z, labels):
        h = torch.cat([z, self.embed(labels)], 1) * self.scale
        for layer in self.body:
            h = layer(h).relu()
        return self.last(h).sigmoid().view(-1, 1, 16, 16)


def convolutional(*between):
    """As tutorials build it: (N, 8, 1, 1) -> (N, 3, 16, 16)."""
    return nn.Sequential(
        nn.ConvTranspose2d(8, 16, 4),
        nn.BatchNorm2d(16),
        nn.ReLU(True),
        nn.ConvTranspose2d(16, 8, 4, 2, 1),
        *between,
        nn.ReLU(True),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Tanh(),
    )


def judge(channels=3):
    return nn.Sequential(
        nn.Conv2d(channels, 8, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.utils.spectral_norm(nn.Conv2d(8, 16, 4, 2, 1)),
        nn.BatchNorm2d(16),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(16, 1, 4),
    )


def seeded(make, *arguments):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(*arguments)


KINDS = {
    "sequential": lambda: generators.wrap(
        seeded(convolutional), (8, 1, 1), discriminator=seeded(judge), name="sequential"
    ),
    "one block": lambda: generators.wrap(seeded(Painter), 6, classes=("a", "b", "c"), range=(0, 1)),
    "two layers": lambda: generators.wrap(
        seeded(lambda: nn.Sequential(*convolutional()[:4], nn.Conv2d(8, 3, 1), nn.Tanh())), (8, 1, 1)
    ),
}


@pytest.fixture(params=KINDS)
def prior(request):
    return KINDS[request.param]()


def sample(prior, n=3):
    return prior.generator.sample(n, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_it_fulfils_the_contract(prior):
    g, latents = prior.generator, sample(prior)
    state = g.stem(latents)
    for k in range(g.depth):
        state = g.block(k, state, latents)
    picture = g.head(state)
    assert torch.equal(picture, g(latents)) and picture.shape == (3, 3, g.info.resolution, g.info.resolution)
    for k in range(g.depth + 1):
        assert torch.equal(g(g.convert(latents, f"feature@{k}")), picture)
    for row in range(3):
        alone = g({name: value[row : row + 1] for name, value in latents.items()})
        torch.testing.assert_close(alone, picture[row : row + 1], atol=1e-5, rtol=0)
    groups = g.groups()
    placed = [name for group in groups for name in group.parameters]
    assert sorted(placed) == sorted(name for name, _ in g.named_parameters())
    assert [group.head for group in groups] == [False] * (len(groups) - 1) + [True]
    streams = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    second = g.sample(1, generator=torch.Generator().manual_seed(2))
    assert all(torch.equal(value[1:], second[name]) for name, value in g.sample(2, generator=streams).items())
    assert g.sample(50, truncation=0.5)["z"].abs().max() <= 1
    twin = copy.deepcopy(g).double()
    doubled = {name: v.double() if v.is_floating_point() else v for name, v in latents.items()}
    torch.testing.assert_close(twin(doubled).float(), picture, atol=1e-5, rtol=1e-4)
    assert not any(p.requires_grad for p in g.parameters()) and not g.training


@torch.no_grad()
def test_pictures_are_those_of_the_module():
    module = seeded(convolutional).eval()
    g = generators.wrap(module, (8, 1, 1)).generator
    z = sample(generators.wrap(module, (8, 1, 1)))["z"]
    assert torch.equal(g({"z": z}), module(z))
    assert g.depth == 1 and [len(group.parameters) for group in g.groups()] == [4, 2, 2]
    assert g.convert({"z": z}, "feature@0")["feature@0"].shape == (3, 16, 4, 4)
    painter = seeded(Painter)
    g = generators.wrap(painter, 6, classes=3, range=(0, 1)).generator
    latents = g.sample(2, classes=torch.tensor([2, 0]), generator=torch.Generator().manual_seed(1))
    expected = painter(latents["z"], torch.tensor([2, 0])) * 2 - 1
    torch.testing.assert_close(g(latents), expected.expand(-1, 3, -1, -1))
    assert {group.name: group.progressive for group in g.groups()} == {
        "embed": False,
        "body.0": True,
        "body.1": True,
        "last": False,
    }


def test_the_module_stays_as_it_is():
    module, critic = seeded(convolutional), seeded(judge)
    critic(module(torch.randn(4, 8, 1, 1))).sum().backward()  # the older spectral_norm keeps a weight on the graph
    before = {name: value.clone() for name, value in (module.state_dict() | critic.state_dict()).items()}
    prior = generators.wrap(module, (8, 1, 1), discriminator=critic)
    after = module.state_dict() | critic.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert module.training and critic.training and all(p.requires_grad for p in module.parameters())
    assert critic[1].inplace and not critic[0]._forward_hooks
    with torch.no_grad():
        module[0].weight.zero_()
    assert prior.generator.network[0].weight.abs().sum() > 0
    assert prior.sha256 != generators.wrap(module, (8, 1, 1)).sha256
    assert prior.sha256 == generators.wrap(copy.deepcopy(prior.generator.network), (8, 1, 1)).sha256


@torch.no_grad()
def test_features_are_maps_before_the_activation_then_a_vector():
    critic = seeded(judge).eval()
    prior = generators.wrap(seeded(convolutional), (8, 1, 1), discriminator=critic)
    x = prior.generator(sample(prior))
    first, second, vector = prior.discriminator.features(x)
    assert torch.equal(first, critic[0](x)) and first.min() < 0
    torch.testing.assert_close(second, critic[2](critic[1](critic[0](x))))
    torch.testing.assert_close(vector, second.mean((2, 3)))
    assert prior.feature_count == 3
    torch.testing.assert_close(prior.discriminator.logit(x), critic(x).view(3, 1))
    told = generators.wrap(seeded(convolutional), (8, 1, 1), discriminator=critic, features=["3"])
    assert [f.shape[1:] for f in told.discriminator.features(x)] == [(16, 4, 4), (16,)]
    called = generators.wrap(
        seeded(convolutional), (8, 1, 1), discriminator=critic, features=lambda d, x: [d[0](x), d(x).flatten(1)]
    )
    assert called.feature_count == 2


@torch.no_grad()
def test_a_discriminator_sees_pictures_as_the_module_makes_them():
    critic = seeded(judge, 1).eval()
    painter = seeded(Painter)
    critic = nn.Sequential(nn.Upsample(16), *critic)
    prior = generators.wrap(painter, 6, classes=3, range=(0, 1), discriminator=critic)
    latents = sample(prior)
    own = painter(latents["z"], latents["class"])
    torch.testing.assert_close(prior.discriminator.logit(prior.generator(latents)), critic(own).view(3, 1))


class Conditional(nn.Module):
    """A projection discriminator: its label enters after the features."""

    def __init__(self, early=False):
        super().__init__()
        self.conv, self.out, self.embed = nn.Conv2d(1, 4, 4, 4), nn.Linear(4, 1), nn.Embedding(3, 4)
        self.early = early

    def forward(self, x, y):
        h = self.conv(x + self.early * y[:, None, None, None]).tanh().mean((2, 3))
        return self.out(h) + (self.embed(y) * h).sum(1, keepdim=True)


@torch.no_grad()
def test_a_conditional_discriminator():
    prior = generators.wrap(seeded(Painter), 6, classes=3, range=(0, 1), discriminator=seeded(Conditional))
    x = prior.generator(sample(prior))
    labels = torch.tensor([1, 2, 0])
    assert not torch.equal(prior.discriminator.logit(x, labels), prior.discriminator.logit(x))
    assert all(
        torch.equal(a, b)
        for a, b in zip(prior.discriminator.features(x), prior.discriminator.features(x, labels), strict=True)
    )
    with pytest.raises(WeightsError, match="depend on the label"):
        generators.wrap(seeded(Painter), 6, classes=3, range=(0, 1), discriminator=seeded(Conditional, True))


class BatchDeviation(nn.Module):
    def forward(self, x):
        return torch.cat([x, x.std(0, correction=0).mean().expand(len(x), 1, *x.shape[2:])], 1)


def test_a_discriminator_that_couples_rows_reads_one_at_a_time():
    critic = seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 4, 4), BatchDeviation(), nn.Conv2d(5, 6, 3), nn.Conv2d(6, 1, 2))
    )
    with pytest.warns(UserWarning, match="couples rows, and is read one row at a time"):
        prior = generators.wrap(seeded(convolutional), (8, 1, 1), discriminator=critic)
    with torch.no_grad():
        x = prior.generator(sample(prior))
        together = [*prior.discriminator.features(x), prior.discriminator.logit(x)]
        alone = [*prior.discriminator.features(x[1:2]), prior.discriminator.logit(x[1:2])]
    assert all(torch.equal(a[1:2], b) for a, b in zip(together, alone, strict=True))


def picture(prior):
    with torch.no_grad():
        return prior.generator(prior.generator.sample(1, generator=torch.Generator().manual_seed(9)))[0]


SHORT = ("stages.*.steps=2", "searches.0.count=8")


@pytest.mark.parametrize("recipe", [n for n in dgp.recipe_names() if "w" not in dgp.load_recipe(n).requires])
def test_every_recipe_runs_that_its_abilities_allow(recipe):
    prior, short = KINDS["sequential"](), dgp.load_recipe(recipe, ("stages.*.steps=2", "trunk=discriminator"))
    short = short.model_copy(update={"searches": tuple(search.scale(0.02) for search in short.searches)})
    if short.searches[0].kind == "bank":
        short = short.model_copy(update={"searches": (short.searches[0].model_copy(update={"count": 20}),)})
    result = dgp.restore(picture(prior), "gray", prior, recipe=short, simulate=True)
    assert result.tensor.shape == (3, 16, 16) and result.tensor.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_discriminator(kind, tmp_path):
    prior = KINDS[kind]()
    result = dgp.restore(picture(prior), "gray", prior, recipe="latent-mse", overrides=SHORT, simulate=True)
    result.save(tmp_path / "out")
    if prior.discriminator is None:
        with pytest.raises(dgp.RecipeError, match="needs discriminator.*--recipe latent-mse"):
            dgp.restore(picture(prior), "gray", prior, recipe="typical", simulate=True)


def test_groups_that_are_told():
    told = {"coarse": ["0", "1"], "fine": ["3"], "out": "5"}
    prior = generators.wrap(seeded(convolutional), (8, 1, 1), groups=told)
    assert [(g.name, g.head) for g in prior.generator.groups()] == [("coarse", False), ("fine", False), ("out", True)]
    with pytest.raises(WeightsError, match="5.weight is in none of coarse"):
        generators.wrap(seeded(convolutional), (8, 1, 1), groups={"coarse": ["0", "1", "3"]})
    with pytest.raises(WeightsError, match="'6' names no parameters"):
        generators.wrap(seeded(convolutional), (8, 1, 1), groups=told | {"last": ["6"]})
    with pytest.raises(WeightsError, match="0.weight is in coarse and all"):
        generators.wrap(seeded(convolutional), (8, 1, 1), groups={"coarse": ["0"], "all": ["0", "1", "3", "5"]})


class Noisy(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, z):
        x = self.inner(z)
        return x + torch.rand_like(x)


class Stretched(Noisy):
    def __init__(self, inner, by=1.0, plus=0.0):
        super().__init__(inner)
        self.by, self.plus = by, plus

    def forward(self, z):
        return self.inner(z) * self.by + self.plus


def coupled():
    return convolutional(nn.BatchNorm2d(8, track_running_stats=False))


@pytest.mark.parametrize(
    ("make", "arguments", "said"),
    [
        (lambda: "no module", {}, "got a str, expected an nn.Module"),
        (convolutional, {"latent_shape": 8}, "could not read latents"),
        (convolutional, {"latent_shape": (8, 0)}, "expected that of one row"),
        (convolutional, {"resolution": 32}, "gave pictures of 16x16; expected 32x32"),
        (lambda: convolutional()[:3], {}, r"gave \(4, 16, 4, 4\) .*expected pictures"),
        (lambda: Noisy(convolutional()), {}, "two pictures for one latent"),
        (coupled, {}, "couples rows"),
        (lambda: Stretched(convolutional(), torch.nan), {}, "NaN or Infinity"),
        (lambda: Stretched(convolutional(), 127, 127), {}, "expected -1 to 1; give these as range="),
        (convolutional, {"range": (1, 0)}, "expected the values of black and of white"),
        (convolutional, {"features": ["0"]}, "without a discriminator"),
        (convolutional, {"discriminator": judge, "features": ["0", "conv9"]}, "no submodule 'conv9'"),
        (convolutional, {"discriminator": lambda: nn.Conv2d(5, 1, 1)}, "no layers before its last"),
        (
            convolutional,
            {"discriminator": lambda: nn.Sequential(nn.Conv2d(5, 1, 1), nn.Conv2d(1, 1, 1))},
            "could not read",
        ),
        (convolutional, {"discriminator": judge, "features": lambda d, x: []}, "are nothing; expected maps"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, arguments, said):
    arguments = {"latent_shape": (8, 1, 1)} | arguments
    if "discriminator" in arguments:
        arguments["discriminator"] = arguments["discriminator"]()
    with pytest.raises(WeightsError, match=said) as caught:
        generators.wrap(seeded(make), **arguments)
    assert "\n" not in str(caught.value) and one_line(caught.value) == str(caught.value)


def test_pictures_that_look_like_another_range_are_warned_of():
    with pytest.warns(UserWarning, match=r"add range=\(0, 1\)"):
        generators.wrap(Stretched(seeded(convolutional), 0.5, 0.5), (8, 1, 1))


class LabelledLayers(nn.Module):
    """Its layers lie in one child, beside an embedding."""

    def __init__(self):
        super().__init__()
        self.names = nn.Embedding(3, 4)
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 192), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))

    def forward(self, z, labels):
        return self.net(torch.cat([z, self.names(labels)], 1))


def test_an_embedding_beside_the_layers_leaves_them_layers():
    groups = generators.wrap(LabelledLayers(), 4, classes=3).generator.groups()
    assert [(g.name, g.head, g.progressive) for g in groups] == [
        ("names", False, False),
        ("net.0", False, True),
        ("net.2", True, False),
    ]


def test_hooks_are_part_of_a_network():
    network = nn.Sequential(nn.Linear(8, 192), nn.Tanh(), nn.Linear(192, 192), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    network.register_forward_hook(lambda module, given, made: made * 0.5)
    z = torch.randn(2, 8)
    assert torch.allclose(generators.wrap(network, 8).generator({"z": z}), network(z), atol=1e-6)


class Parameterless(nn.Module):
    def forward(self, z):
        return torch.tanh(z).view(-1, 3, 8, 8)


def test_a_generator_without_parameters_beside_a_critic():
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
    critic(torch.zeros(1, 3, 8, 8))
    assert generators.wrap(Parameterless(), 192, discriminator=critic).feature_count > 0


@pytest.mark.parametrize(
    ("module", "how", "says"),
    [
        (LabelledLayers(), {"latent_shape": 4, "classes": 9}, "could not read"),
        (LabelledLayers(), {"latent_shape": 4, "classes": -1}, "got classes=-1"),
        (Parameterless(), {"latent_shape": 192.0}, "latent_shape=192.0"),
        (Parameterless(), {"latent_shape": True}, "latent_shape=True"),
        (nn.Sequential(nn.LazyLinear(192)), {"latent_shape": 4}, "cannot be copied and frozen|could not read"),
    ],
)
def test_more_that_does_not_fit(module, how, says):
    with pytest.raises(generators.WeightsError, match=says):
        generators.wrap(module, **how)
