"""A training run: its networks and optimisers, and one step."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from generators.checkpoints.native import get_architecture_name
from generators.errors import TrainingError
from generators.stylegan.discriminator import StyleGAN2Discriminator
from generators.stylegan.stylegan2 import StyleGAN2
from generators.training.loop import average, networks
from generators.training.loop.augment import augment, draw
from generators.training.loop.data import Pictures
from generators.training.loop.graphs import Graphs, Tensors
from generators.training.loop.losses import LOSSES, r1
from generators.training.loop.random_streams import STEP, make_stream
from generators.training.loop.settings import Settings
from generators.training.loop.teacher import Teacher

MOMENTUM = 0.1  # of batch statistics; not used afterwards, since the average measures its own
W_AVERAGE = 0.002  # share of a batch in the mean w (Karras et al. 2019)


class Run:
    """A training run.

    All random numbers of step n depend on the seed and n alone, so that a resumed run is the same run. They are drawn
    on the CPU and moved before the step begins, so that a step on a GPU never waits and can be captured.

    Args:
        settings: of the run.
        pictures: training data.
        pair: generator and discriminator.
        device: "cpu" or "cuda".
        seen: pictures that the generator has been trained on before.
        graphs: whether steps on a GPU are captured (``Graphs``).

    Attributes:
        seen: pictures generated for training; real ones are ``d_steps`` times as many.
        seconds: spent.
    """

    def __init__(
        self,
        settings: Settings,
        pictures: Pictures,
        pair: networks.Pair,
        device: str,
        seen: int = 0,
        graphs: bool = True,
    ):
        self.settings, self.device = settings, torch.device(device)
        self.pictures = pictures.to(self.device)
        self.generator, self.discriminator = (networks.prepare(network, self.device) for network in pair)
        self.teacher = Teacher(settings.teacher, pair[0].info, self.device) if settings.teaching else None
        networks.set_batch_momentum(self.generator, MOMENTUM)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        on_gpu = self.device.type == "cuda"
        self.graphs = Graphs(self.device) if graphs and on_gpu else None
        # Lazy regularisation: the penalty is taken in every r1_every-th step (Karras et al. 2020, appendix B).
        lazy = settings.r1_every / (settings.r1_every + 1) if settings.r1 else 1.0
        self.rates = {"generator": settings.lr, "discriminator": (settings.d_lr or settings.lr) * lazy}
        betas = {"generator": settings.beta2, "discriminator": (settings.d_beta2 or settings.beta2) ** lazy}
        self.optimisers = {
            name: torch.optim.Adam(
                self._networks[name].parameters(),
                # A captured step reads the learning rate from a tensor.
                torch.tensor(rate, device=self.device) if on_gpu else rate,
                (0.0, betas[name]),
                fused=True,
                capturable=on_gpu,
            )
            for name, rate in self.rates.items()
        }
        self.losses = LOSSES[get_architecture_name(self.discriminator)]
        self.steps, self.seen, self.seconds = 0, seen, 0.0

    @property
    def _networks(self) -> dict[str, torch.nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    @property
    def done(self) -> bool:
        return bool(self.settings.pictures) and self.seen >= self.settings.pictures

    def step(self) -> dict[str, Tensor]:
        """Take a step of the generator after ``d_steps`` of the discriminator, and return losses and mean logits."""
        own, random = self.settings, make_stream(self.settings.seed, STEP, self.steps)
        self._set_rates()
        adversarial, found = self.seen >= own.lessons, {}
        for i in range(own.d_steps if adversarial else 0):
            drawn = self._draw_real(random) | self._draw_latents(random)
            drawn |= self._draw_augmentation("real.", random) | self._draw_augmentation("made.", random)
            penalised = bool(own.r1) and i == 0 and self.steps % own.r1_every == 0
            found = self._run_step(self._step_discriminator, drawn, penalised)
        drawn = self._draw_latents(random)
        if adversarial:
            drawn |= self._draw_augmentation("made.", random)
        found = found | self._run_step(self._step_generator, drawn, adversarial)
        self.steps += 1
        self.seen += own.batch
        average.update_average(self.average, self.generator, own, self.seen)
        return found

    # The step itself. It is captured on a GPU: no random draws, no synchronisation.

    def _step_discriminator(self, drawn: Tensors, penalised: bool) -> Tensors:
        own, network = self.settings, self.discriminator
        x, classes = self.pictures.take(drawn["number"], drawn["mirrored"]), drawn["real.class"]
        networks.power_step(network)
        with torch.no_grad(), self._autocast():
            made = self._generate(drawn)
        x, made = self._augment(x, drawn, "real."), self._augment(made, drawn, "made.")
        with self._autocast():
            if isinstance(network, StyleGAN2Discriminator):
                # Separate calls, since the minibatch deviation would mix real and generated pictures.
                real, fake = network.logit(x, classes), network.logit(made, drawn["class"])
            else:
                real, fake = network.logit(torch.cat([x, made]), torch.cat([classes, drawn["class"]])).chunk(2)
        loss = self.losses.discriminator(real.float(), fake.float())
        found = {"d": loss.detach(), "real": real.detach().mean(), "fake": fake.detach().mean()}
        if penalised:
            with self._autocast():
                penalty = r1(network, x, classes)
            loss = loss + own.r1 / 2 * own.r1_every * penalty
            found["r1"] = penalty.detach()
        self._optimise("discriminator", loss)
        return found

    def _step_generator(self, drawn: Tensors, adversarial: bool) -> Tensors:
        networks.power_step(self.generator)
        with self._autocast():
            made = self._generate(drawn)
        parts = {}
        if adversarial:
            self.discriminator.requires_grad_(False)
            with self._autocast():
                logits = self.discriminator.logit(self._augment(made, drawn, "made."), drawn["class"])
            self.discriminator.requires_grad_(True)
            parts["g"] = self.losses.generator(logits.float())
        if self.teacher is not None:
            with self._autocast():
                taught = self.teacher(drawn["z"], drawn["class"])
                parts["apart"] = self.teacher.distance(made, taught, drawn["class"]).float()
        self._optimise("generator", parts.get("g", 0) + self.settings.teaching * parts.get("apart", 0))
        return {name: part.detach() for name, part in parts.items()}

    def _generate(self, drawn: Tensors) -> Tensor:
        """Generate pictures (batch, 3, R, R)."""
        network = self.generator
        latents = {"z": drawn["z"], "class": drawn["class"]}
        if isinstance(network, StyleGAN2):
            latents = network.convert(latents, "w")
            if torch.is_grad_enabled():
                network.mapping.w_avg.lerp_(latents["w"].detach().float().mean(0), W_AVERAGE)
            latents |= {spec.name: drawn[spec.name] for spec in network.info.latents if spec.chart == "noise"}
        return network(latents).float()

    def _augment(self, x: Tensor, drawn: Tensors, prefix: str) -> Tensor:
        """Augment pictures for the discriminator."""
        own = {name.removeprefix(prefix): value for name, value in drawn.items() if name.startswith(prefix)}
        return augment(x, self.settings.augment, own).contiguous(memory_format=torch.channels_last)

    def _optimise(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16, cache_enabled=False)

    # The random draws of a step, on the CPU.

    def _draw_real(self, random: torch.Generator) -> Tensors:
        classes = self._draw_classes(random)
        numbers, mirrored = self.pictures.draw(classes, random)
        return {"real.class": classes, "number": numbers, "mirrored": mirrored}

    def _draw_latents(self, random: torch.Generator) -> Tensors:
        """Draw z, classes, and for a StyleGAN2 noise maps."""
        config, rows = self.generator.config, self.settings.batch
        styled = isinstance(self.generator, StyleGAN2)
        z = torch.randn(rows, config.z_dim if styled else config.dim_z, generator=random)
        drawn = {"z": z, "class": self._draw_classes(random)}
        for spec in self.generator.info.latents if styled else ():
            if spec.chart == "noise":
                drawn[spec.name] = torch.randn(rows, *spec.shape, generator=random)
        return drawn

    def _draw_classes(self, random: torch.Generator) -> Tensor:
        """Draw classes (batch,): one for each group of rows over which the discriminator takes the deviation."""
        groups = self.settings.batch // self.settings.together
        return torch.randint(len(self.pictures.classes), (groups,), generator=random).repeat(self.settings.together)

    def _draw_augmentation(self, prefix: str, random: torch.Generator) -> Tensors:
        drawn = draw(self.settings.batch, self.pictures.side, self.settings.augment, random)
        return {prefix + name: value for name, value in drawn.items()}

    def _run_step(self, step, drawn: Tensors, *flags: bool) -> Tensors:
        """Move the draws to the device, and take the step there."""
        if self.device.type == "cuda":
            drawn = {name: value.pin_memory().to(self.device, non_blocking=True) for name, value in drawn.items()}
        found = step(drawn, *flags) if self.graphs is None else self.graphs(step, drawn, *flags)
        # Fused and replayed steps do not increment the version by which ``WeightCache`` notices changes.
        for network in (self.generator, self.discriminator):
            torch.autograd.graph.increment_version(network.parameters())
        return found

    def _set_rates(self) -> None:
        for name, optimiser in self.optimisers.items():
            rate = self.rates[name] * self.settings.rate(self.seen)
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on, except settings and pictures."""
        return {
            "networks": {name: network.state_dict() for name, network in self._networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "steps": self.steps,
            "seen": self.seen,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned.

        Raises:
            TrainingError: it is of other networks.
        """
        try:
            for name, values in state["networks"].items():
                self._networks[name].load_state_dict(values)
            for name, values in state["optimisers"].items():
                own = self.optimisers[name]
                # Learning rates are set before each step, and the other options depend on the device.
                own.load_state_dict({"state": values["state"], "param_groups": own.state_dict()["param_groups"]})
            self.steps, self.seen, self.seconds = state["steps"], state["seen"], state["seconds"]
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError):
            raise TrainingError("the checkpoint does not fit its own networks; choose another --out") from None
