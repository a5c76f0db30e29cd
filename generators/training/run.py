"""A training run: its networks, and one step of it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from generators.checkpoints.own import architecture_of
from generators.errors import TrainingError
from generators.stylegan.stylegan2 import StyleGAN2
from generators.training import average, networks
from generators.training.augment import augmented
from generators.training.data import Pictures
from generators.training.draws import STEP, stream
from generators.training.losses import LOSSES, r1
from generators.training.settings import Settings
from generators.training.teacher import Teacher

MOMENTUM = 0.1  # of statistics that nothing reads: the average has its own
W_AVERAGE = 0.002  # share of a batch in the mean w (Karras et al. 2019)


class Run:
    """seen: pictures that the generator made to learn from; real ones are ``d_steps`` times as many.  seconds: spent.

    What is random in step n depends on the seed and n alone: a run that goes on from its state is the same run.
    """

    def __init__(self, settings: Settings, pictures: Pictures, pair: networks.Pair, device: str, seen: int = 0):
        self.settings, self.device = settings, torch.device(device)
        self.pictures = pictures.to(self.device)
        self.generator, self.discriminator = (networks.prepared(network, self.device) for network in pair)
        self.teacher = Teacher(settings.teacher, pair[0].info, self.device) if settings.teaching else None
        networks.by_batch(self.generator, MOMENTUM)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        # Lazy regularisation takes the place of every r1_every-th gradient (Karras et al. 2020, appendix B).
        lazy = settings.r1_every / (settings.r1_every + 1) if settings.r1 else 1.0
        self.rates = {"generator": settings.lr, "discriminator": (settings.d_lr or settings.lr) * lazy}
        betas = {"generator": settings.beta2, "discriminator": (settings.d_beta2 or settings.beta2) ** lazy}
        self.optimisers = {
            name: torch.optim.Adam(getattr(self, name).parameters(), rate, (0.0, betas[name]), fused=True)
            for name, rate in self.rates.items()
        }
        self.losses = LOSSES[architecture_of(self.discriminator)]
        self.steps, self.seen, self.seconds = 0, seen, 0.0

    @property
    def done(self) -> bool:
        return bool(self.settings.pictures) and self.seen >= self.settings.pictures

    def step(self) -> dict[str, Tensor]:
        """One of the generator, after ``d_steps`` of the discriminator. -> losses and mean logits, each ()."""
        random = stream(self.settings.seed, STEP, self.steps)
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.rates[name] * self.settings.rate(self.seen)
        found = {}
        for i in range(0 if self._alone else self.settings.d_steps):
            found = self._teach_discriminator(i, random)
        found |= self._teach_generator(random)
        self.steps += 1
        self.seen += self.settings.batch
        average.follow(self.average, self.generator, self.settings, self.seen)
        return found

    def _teach_discriminator(self, i: int, random: torch.Generator) -> dict[str, Tensor]:
        own, classes = self.settings, self._classes(random)
        x, classes = self.pictures.drawn(classes, random), classes.to(self.device)
        networks.power_step(self.discriminator)
        with torch.no_grad(), self._fast():
            latents = self._drawn(random)
            made, made_classes = self._made(latents, random), latents["class"]
        x, made = (self._seen(pictures, random) for pictures in (x, made))
        with self._fast():
            # Apart, since the deviation within a minibatch would tell one of the other.
            real, fake = self.discriminator.logit(x, classes), self.discriminator.logit(made, made_classes)
        loss = self.losses.discriminator(real.float(), fake.float())
        found = {"d": loss.detach(), "real": real.detach().mean(), "fake": fake.detach().mean()}
        if own.r1 and i == 0 and self.steps % own.r1_every == 0:
            with self._fast():
                penalty = r1(self.discriminator, x, classes)
            loss = loss + own.r1 / 2 * own.r1_every * penalty
            found["r1"] = penalty.detach()
        self._descend("discriminator", loss)
        return found

    def _teach_generator(self, random: torch.Generator) -> dict[str, Tensor]:
        networks.power_step(self.generator)
        with self._fast():
            latents = self._drawn(random)
            made = self._made(latents, random)
        parts = {}
        if not self._alone:
            parts["g"] = self._told(made, latents["class"], random)
        if self.teacher is not None:
            with self._fast():
                taught = self.teacher(latents["z"], latents["class"])
                parts["apart"] = self.teacher.distance(made, taught, latents["class"]).float()
        self._descend("generator", parts.get("g", 0) + self.settings.teaching * parts.get("apart", 0))
        return {name: part.detach() for name, part in parts.items()}

    def _told(self, made: Tensor, classes: Tensor, random: torch.Generator) -> Tensor:
        """(): the generator's loss by the discriminator, which takes no gradient itself."""
        self.discriminator.requires_grad_(False)
        with self._fast():
            logits = self.discriminator.logit(self._seen(made, random), classes)
        self.discriminator.requires_grad_(True)
        return self.losses.generator(logits.float())

    @property
    def _alone(self) -> bool:
        """Whether only the teacher is followed."""
        return self.seen < self.settings.lessons

    def _drawn(self, random: torch.Generator) -> dict[str, Tensor]:
        config, rows = self.generator.config, self.settings.batch
        z = torch.randn(rows, config.z_dim if self._styled else config.dim_z, generator=random)
        return {"z": z.to(self.device), "class": self._classes(random).to(self.device)}

    def _classes(self, random: torch.Generator) -> Tensor:
        """(batch,): as many rows of one class as the discriminator takes the deviation of, in its order."""
        groups = self.settings.batch // self.settings.together
        return torch.randint(len(self.pictures.classes), (groups,), generator=random).repeat(self.settings.together)

    def _made(self, latents: dict[str, Tensor], random: torch.Generator) -> Tensor:
        """Generated pictures."""
        network, rows = self.generator, self.settings.batch
        if self._styled:
            latents = network.convert(latents, "w")
            if torch.is_grad_enabled():
                network.mapping.w_avg.lerp_(latents["w"].detach().float().mean(0), W_AVERAGE)
            for spec in network.info.latents:
                if spec.chart == "noise":
                    latents[spec.name] = torch.randn(rows, *spec.shape, generator=random).to(self.device)
        return network(latents).float()

    @property
    def _styled(self) -> bool:
        return isinstance(self.generator, StyleGAN2)

    def _seen(self, x: Tensor, random: torch.Generator) -> Tensor:
        """As the discriminator sees pictures."""
        return augmented(x, self.settings.augment, random).contiguous(memory_format=torch.channels_last)

    def _descend(self, name: str, loss: Tensor) -> None:
        optimiser, network = self.optimisers[name], getattr(self, name)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        # The fused step writes without counting, and what layers keep of a weight would outlive it.
        torch.autograd.graph.increment_version(network.parameters())

    def _fast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16, cache_enabled=False)

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on, the settings and the pictures apart."""
        held = {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        return {
            "networks": {name: network.state_dict() for name, network in held.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "steps": self.steps,
            "seen": self.seen,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave. Raises TrainingError for that of other networks."""
        try:
            for name, values in state["networks"].items():
                getattr(self, name).load_state_dict(values)
            for name, values in state["optimisers"].items():
                self.optimisers[name].load_state_dict(values)
            self.steps, self.seen, self.seconds = state["steps"], state["seen"], state["seconds"]
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError):
            raise TrainingError("the checkpoint does not fit its own networks; choose another --out") from None
