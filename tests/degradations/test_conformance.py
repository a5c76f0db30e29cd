"""Test that the contract suite detects faulty noise models, surrogates and parameters."""

import pytest
import torch

import degradations
from degradations import Chain, Degradation, GaussianNoise, NoiseModel, Parameter, SizeError, conformance, parse
from degradations.conformance import PARTS, check, survey
from degradations.conformance.advice import ADVICE
from degradations.core import registry

SIZE = (16, 13)


class Noisy(Degradation):
    linear = True

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def forward(self, x):
        return 0.9 * x


class Honest(GaussianNoise):
    pass


class Understated(GaussianNoise):
    def mean_square(self, y_hat):
        return super().mean_square(y_hat) / 2


class Everyones(GaussianNoise):
    def sample(self, y, generator=None):
        return y + self.sigma * torch.randn_like(y)


class Coupled(GaussianNoise):
    def sample(self, y, generator=None):
        return y + (super().sample(y, generator) - y) * y.std()


class Backwards(GaussianNoise):
    def nll(self, y_hat, y):
        return -super().nll(y_hat, y)


class OneForAll(GaussianNoise):
    def distance(self, y_hat, y):
        return (y - y_hat).square().mean()


class Silent(NoiseModel):
    def sample(self, y, generator=None):
        return y


class Farther(GaussianNoise):
    def within(self, y_hat, y):
        return y + (y - y_hat)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (Understated, "mean_square is 0.02, but that of samples is 0.0"),
        (Everyones, "PyTorch's own random stream"),
        (Coupled, "depends on the other rows"),
        (Backwards, "nll is no larger for a wrong picture"),
        (OneForAll, r"distance gives (); expected (3,)"),
        (Farther, "farther from y_hat"),
    ],
)
def test_noise_models_that_do_not_do_what_they_say(kind, word):
    findings = [one for one in check(Noisy(kind(0.2)), SIZE) if one.startswith("noise")]
    assert any(word in one for one in findings), findings
    assert check(Noisy(Honest(0.2)), SIZE) == []


def test_a_noise_that_is_none():
    assert "noise: sample adds nothing" in check(Noisy(Silent()), SIZE)


class Surrogate(Degradation):
    """The truth rounds to 12 levels; ``guess`` is what forward says instead."""

    def __init__(self, guess):
        super().__init__()
        self.guess = guess

    def forward(self, x):
        return self.guess(x)

    def measure(self, x, generator=None):
        return (x * 6).round() / 6


def test_surrogates_are_measured_by_the_truth():
    def of(guess):
        return [one for one in check(Surrogate(guess), SIZE) if one.startswith("surrogate")]

    assert of(lambda x: x) == []
    assert any("lowers the true error in" in one for one in of(lambda x: -x))
    assert any("passes no gradient on" in one for one in of(lambda x: x.detach()))
    assert any("measure gives" in one for one in of(lambda x: x[..., 1:]))


class Gain(Degradation):
    linear = True
    parameters_spec = (Parameter("gain", 0.5, (0.1, 1.0), transform="log"),)

    def forward(self, x):
        return self.gain * x


class Early(Gain):
    def __init__(self, gain=None):
        super().__init__(gain=gain)
        self.half = self.gain / 2

    def forward(self, x):
        return self.half * x


class Averaged(Gain):
    def forward(self, x):
        return torch.as_tensor(self.gain).mean() * x


class Constant(Gain):
    def forward(self, x):
        return torch.as_tensor(self.gain).detach() * x


class Cropped(Gain):
    def forward(self, x):
        return x[..., int(8 * torch.as_tensor(self.gain).max()) :]


@pytest.mark.parametrize(
    ("phi", "word"),
    [
        (Early(), "gain bound to 0.1622 gives another result"),
        (Averaged(), "gives another result"),
        (Constant(), "the derivative in gain is 0"),
        (Cropped(), "changes the size of y; declare it fixed=True"),
    ],
    ids=lambda p: type(p).__name__ if isinstance(p, Degradation) else "",
)
def test_parameters_that_cannot_be_bound(phi, word):
    assert any(word in one for one in check(phi, SIZE) if one.startswith("binding")), check(phi, SIZE)
    assert check(Gain(), SIZE) == []


def test_parameters_of_every_link_are_bound():
    chain = Chain([Gain(), Averaged()])
    (finding,) = (one for one in check(chain, SIZE) if one.startswith("binding"))
    assert "Averaged.gain" in finding


class Glows(Degradation):
    def forward(self, x):
        return (x - 1) / (x.abs().amax((1, 2, 3), keepdim=True))


class Raises(Degradation):
    def forward(self, x):
        raise KeyError("gone")


def test_what_fails_everywhere_is_said_once():
    assert any("y is not finite for a picture that is 0 everywhere" in one for one in check(Glows(), SIZE))
    assert check(Raises(), SIZE) == ["forward: raised KeyError: 'gone'"]


@pytest.fixture
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(conformance, "SIZES", ((12, 12), (13, 11)))


def test_survey_tries_sizes_and_chains(clean):
    @degradations.register("coloured")
    class Coloured(Degradation):
        linear = True
        pointwise = True
        parameters_spec = (Parameter("gain", 0.5),)

        def forward(self, x):
            if x.shape[1] != 3:
                raise SizeError(f"got {x.shape[1]} channels; expected 3; give a colour picture")
            return self.gain * x

    found = survey("coloured")
    assert list(found) == ["coloured at 12x12", "coloured at 13x11"]
    assert found["coloured at 12x12"] == [
        "unknown: gain can be bound, but not left unknown: gain=auto: no range is known; state one, e.g. gain=0.5..4"
    ]
    Coloured.parameters_spec = (Parameter("gain", 0.5, (0.1, 1)),)
    found = survey("coloured")
    assert not any(found.values()), found
    assert "sr:2+coloured+inpaint:center=1/3 at 13x11" in found
    assert not any(tried.startswith("gray+") for tried in found), "what it refuses is left out"
    assert parse("coloured").gain == 0.5


def test_there_is_advice_for_every_part():
    assert set(ADVICE) == set(PARTS)
