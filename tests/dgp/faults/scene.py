"""A run of a few rows on the toy prior, and a term that is NaN for chosen rows at chosen evaluations."""

import torch

import generators
from dgp.api import observe
from dgp.losses.terms import TERMS, Term
from dgp.recipes.schema import Recipe

MSE = {"kind": "mse"}
STAGE = {"steps": 40, "lr": 0.02, "move": {"z": {}}, "terms": [MSE]}


@TERMS.register("faulty")
class Faulty(Term):
    """Mean squares of z, but NaN for rows of one answer at evaluations for gradients, counted from 0.

    answer: index of the picture of the faulty rows, as their only answer.  at: the evaluations.
    """

    kind: str = "faulty"
    answer: int = 0
    at: tuple[int, ...] = ()
    always: bool = False

    def __call__(self, prediction):
        z = prediction.values["z"]
        value = z.square().mean(1)
        if torch.is_grad_enabled():
            COUNT[0] += 1
            faulty = COUNT[0] - 1 in self.at
        else:
            faulty = False
        if faulty or self.always:
            mask = (prediction.pictures == self.answer).to(z.device)
            value = value * torch.where(mask, torch.nan, 1.0)  # so that gradients of the other rows stay numbers
        return value


COUNT = [0]


def toy():
    return generators.load("toy")


def observations(prior, count=2):
    drawn = prior.generator.sample(count, classes=torch.arange(count), generator=torch.Generator().manual_seed(5))
    pictures = prior.generator(drawn).detach()
    return [observe(picture, "sr:2", prior, simulate=True, label=number) for number, picture in enumerate(pictures)]


def recipe(*stages, searches=({"kind": "best-of", "count": 4, "terms": [MSE]},)):
    COUNT[0] = 0
    table = {"name": "faults", "summary": "", "cites": (), "variables": {}, "searches": list(searches)}
    return Recipe.model_validate(table | {"stages": [STAGE | stage for stage in stages]})
