"""The class of a degraded picture: its probabilities, and how they spread the starts of a run."""

import dataclasses
import json
from dataclasses import replace

import pytest
import torch

import degradations
import generators
from dgp.api import invert, observe
from dgp.classify import classifier as classifiers
from dgp.classify.augmentation import Augmentation
from dgp.classify.classifier import fit_temperature, make_classifier, plan_training
from dgp.classify.descriptions import available, describe_gradients
from dgp.classify.find import find_classes
from dgp.cli.run import summarize
from dgp.engine.apportionment import apportion
from dgp.inversion import Inversion
from dgp.recipes.load import load_recipe
from dgp.recipes.overrides import parse_overrides
from dgp.search.lookup import order_by_distance
from dgp.variables.classes import nearest_classes
from generators import bank as banks
from generators import get_bank

LIKELY = torch.tensor([0.15, 0.8, 0.05], dtype=torch.float64)


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def cifar():
    return generators.load("biggan-cifar10")


@pytest.fixture
def few(monkeypatch):
    """A training of a second."""
    monkeypatch.setattr(banks, "SHARD", 60)
    monkeypatch.setattr(classifiers, "COUNT", 60)
    monkeypatch.setattr(classifiers, "STEPS", 10)


@pytest.fixture(scope="module")
def picture(toy):
    return toy.generator(toy.generator.sample(1, generator=torch.Generator().manual_seed(3)))[0]


@pytest.fixture(scope="module")
def seen(toy, picture):
    return replace(observe(picture, "gray", toy, simulate=True), class_probabilities=LIKELY)


def quick(*changes):
    return load_recipe("default", parse_overrides(changes, 120))


def test_probabilities_sum_to_one_are_repeatable_and_cached(toy, picture, few, monkeypatch, tmp_path):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    observation = observe(picture, "gray", toy, simulate=True)
    first = find_classes(observation, toy).class_probabilities
    assert first.shape == (3,) and first.dtype == torch.float64
    assert (first > 0).all() and abs(float(first.sum()) - 1) < 1e-9
    (stored,) = (tmp_path / "classes").iterdir()
    data = stored.read_bytes()
    stored.unlink()
    torch.manual_seed(99)
    assert torch.equal(find_classes(observation, toy).class_probabilities, first) and stored.read_bytes() == data

    monkeypatch.setattr(classifiers, "_train", lambda *_: pytest.fail("trained again, although it is cached"))
    assert torch.equal(find_classes(observation, toy).class_probabilities, first)


def test_each_operator_has_a_classifier_of_its_own(toy, few, monkeypatch, tmp_path):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    specs = ["gray", "inpaint:center=1/2", "inpaint:center=1/3", "noise:sigma=0.02..0.2"]
    for number, spec in enumerate(specs, 1):
        built = degradations.parse(spec).build(None, 0, (32, 32))
        assert make_classifier(built, toy).networks.keys() == available(toy).keys()
        assert len(list((tmp_path / "classes").iterdir())) == number


def test_a_given_class_and_a_prior_without_classes_need_no_classifier(toy, picture, monkeypatch):
    monkeypatch.setattr("dgp.classify.find.make_classifier", lambda *_: pytest.fail("a classifier was made"))
    told = observe(picture, "gray", toy, simulate=True, label=2)
    assert find_classes(told, toy) is told
    info, unlabelled = toy.generator.info, replace(told, label=None)
    monkeypatch.setattr(toy.generator, "info", dataclasses.replace(info, classes=()))
    assert find_classes(unlabelled, toy) is unlabelled
    many = dataclasses.replace(info, classes=tuple(map(str, range(5000))))
    monkeypatch.setattr(toy.generator, "info", many)
    found = find_classes(unlabelled, toy)
    assert found.class_probabilities is None and "all 5000 classes are searched alike" in found.notes[-1]


def test_the_class_of_pictures_that_were_not_trained_on_is_found(cifar, monkeypatch):
    monkeypatch.setattr(classifiers, "COUNT", 500)
    monkeypatch.setattr(classifiers, "STEPS", 150)
    monkeypatch.setattr(classifiers, "available", lambda prior: {"gradients": describe_gradients})
    operator = degradations.parse("gray").build(None, 0, (32, 32))
    classes = torch.arange(200) % 10
    random = torch.Generator().manual_seed(77)
    with torch.no_grad():
        pictures = cifar.generator(cifar.generator.sample(200, classes=classes, generator=random))
        y = operator.simulate(pictures, random)
    probabilities = make_classifier(operator, cifar)(y)
    right = (probabilities.argmax(1) == classes).double().mean()
    assert right > 0.4, "chance is 0.1"
    # It was calibrated on pictures that were changed more than these.
    assert 0.15 < probabilities.max(1).values.mean() < right + 0.1


def test_apportionment_follows_the_probabilities_in_every_prefix():
    p = torch.tensor([0.1, 0.6, 0.3])
    found = apportion(p, 100)
    assert found[0] == 1 and found.bincount(minlength=3).tolist() == [10, 60, 30]
    for count in (1, 2, 5, 10, 50):
        assert torch.equal(apportion(p, count), found[:count])
        assert ((found[:count].bincount(minlength=3) - count * p).abs() <= 1).all()
    assert apportion(torch.full((4,), 0.25), 8).bincount().tolist() == [2, 2, 2, 2]
    assert apportion(torch.tensor([0.0, 1.0]), 3).tolist() == [1, 1, 1]


def test_candidates_are_spread_by_the_probabilities(toy, seen):
    source = Inversion(seen, toy, quick()).source
    drawn = source.draw_labels(0, 20, torch.Generator().manual_seed(0))
    assert drawn.bincount(minlength=3).tolist() == [3, 16, 1]
    assert not torch.equal(drawn, drawn.sort().values), "in a random order"


def test_entries_of_the_bank_are_spread_by_the_probabilities(toy, seen, monkeypatch):
    monkeypatch.setattr(banks, "SHARD", 60)
    bank = get_bank(toy, 60, seed=4)
    inversion = Inversion([seen, replace(seen, class_probabilities=None)], toy, quick())
    likely, alike = order_by_distance(inversion.batch, bank)
    assert sorted(likely.tolist()) == sorted(alike.tolist()) == list(range(60))
    assert bank.classes[likely[:20]].bincount(minlength=3).tolist() == [3, 16, 1]
    own = [entry for entry in alike.tolist() if bank.classes[entry] == 1]
    assert [entry for entry in likely.tolist() if bank.classes[entry] == 1] == own, "of each class the nearest first"


def test_an_improbable_class_costs_its_log_probability(toy, seen):
    inversion = Inversion(seen, toy, quick())
    (term,) = (term for term in inversion.recipe.stages[0].terms if term.kind == "class-nll")
    rows = inversion.source.draw(0, 0, 6)
    losses = inversion.evaluator.score(rows, [term])
    classes = nearest_classes(toy.generator, rows.values["class"])
    assert torch.allclose(losses, -term.weight * LIKELY.log()[classes].float()) and len(set(classes.tolist())) > 1
    for known in (replace(seen, class_probabilities=None), replace(seen, class_probabilities=None, label=1)):
        assert not Inversion(known, toy, quick()).evaluator.score(rows, [term]).any()


def test_recipes_that_search_classes_their_own_way_take_all_alike(toy, seen):
    assert load_recipe("basin-cma").classes == "even" and load_recipe("default").classes == "likely"
    inversion = Inversion(seen, toy, quick("classes=even"))
    assert inversion.source.draw_labels(0, 12, torch.Generator()).bincount().tolist() == [4, 4, 4]
    assert inversion.result().record()["classes"]["source"] == "search"


def test_a_given_class_makes_the_term_void(toy, picture):
    told = observe(picture, "gray", toy, simulate=True, label=1)
    full = quick()
    without = [tuple(t for t in stage.terms if t.kind != "class-nll") for stage in full.stages]
    stages = tuple(s.model_copy(update={"terms": t}) for s, t in zip(full.stages, without, strict=True))
    searches = (full.searches[0].with_terms(tuple(t for t in full.searches[0].terms if t.kind != "class-nll")),)
    bare = full.model_copy(update={"stages": stages, "searches": searches})
    one, other = invert(told, toy, full), invert(told, toy, bare)
    assert torch.equal(one.tensors, other.tensors) and one.scores == other.scores


def test_the_result_states_the_classes_that_were_considered(toy, seen):
    result = invert(seen, toy, quick())
    record = json.loads(json.dumps(result.record()))
    choice = record["classes"]
    names = toy.generator.info.classes
    assert choice["source"] == "classifier"
    assert [one["index"] for one in choice["considered"]] == [1, 0, 2]
    assert [one["probability"] for one in choice["considered"]] == [0.8, 0.15, 0.05]
    taken = choice["taken"]
    assert (taken["index"], taken["name"]) == (record["class"], record["class_name"]) and taken in choice["considered"]
    words = str(result.class_choice)
    other = next(one for one in choice["considered"] if one != taken)
    assert words == f"{taken['name']} ({taken['probability']:.2f}; {other['name']} {other['probability']:.2f})"
    assert f"class found: {words}" in summarize(record) and f"class {words}" in repr(result)
    told = invert(replace(seen, label=2, class_probabilities=None), toy, quick()).record()
    given = {"name": names[2], "index": 2, "probability": None}
    assert told["classes"] == {"source": "given", "considered": [], "taken": given}


def test_the_temperature_makes_probabilities_true():
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 5, generator=random)
    classes = logits.softmax(1).multinomial(1, generator=random)[:, 0]
    for factor in (1.0, 3.0):
        assert abs(fit_temperature(logits * factor, classes) / factor - 1) < 0.1


def test_training_is_bounded_for_a_thousand_classes(toy, monkeypatch):
    def counts(side, classes):
        info = dataclasses.replace(toy.generator.info, resolution=side, classes=tuple(map(str, range(classes))))
        monkeypatch.setattr(toy.generator, "info", info)
        descriptions, count = plan_training(toy)
        return list(descriptions), count

    assert counts(32, 10) == (["gradients", "discriminator"], 4000)
    assert counts(32, 1000) == (["gradients"], 4000)
    assert counts(128, 10) == (["gradients", "discriminator"], 256)
    assert counts(128, 1000) == counts(256, 1000) == ([], 0)


def test_augmentation_keeps_the_range_and_is_nothing_without_strength():
    pictures = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    changed = Augmentation(shift=0.3)(pictures, torch.Generator().manual_seed(1))
    assert changed.shape == pictures.shape and changed.abs().max() <= 1
    still = Augmentation(shift=0, blur=0, contrast=0, brightness=0, tint=0)(pictures, torch.Generator().manual_seed(1))
    mirrored = (still - pictures.flip(-1)).abs().amax((1, 2, 3)) < 1e-5
    kept = (still - pictures).abs().amax((1, 2, 3)) < 1e-5
    assert (mirrored ^ kept).all() and mirrored.any() and kept.any()
    moved = Augmentation(shift=0.25, blur=0, contrast=0, brightness=0, tint=0)
    one = moved(pictures[:1], torch.Generator().manual_seed(5))[0]
    values = pictures[0].flatten(1).T
    assert (torch.cdist(one.flatten(1).T, values).amin(1) < 1e-3).all(), "a translation makes no new colours"
