"""Training a VAE or a GAN, as generators of snapshots: the caller decides what to log, draw, save.

Each function says what one step of its family is; `helpers.loop` repeats it. Several members
(other seeds of the same recipe) can train in one batched pass: one row each, never mixed.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from helpers.loop import Course, Probe, Settings, Snapshot, epochs, no_probe, repeated
from helpers.stepping import Player, make_update


def train_vae(
    vae: nn.Module,
    objective: Callable,
    train: Tensor,
    validation: Tensor,
    settings: Settings,
    *,
    generator: torch.Generator,
    probe: Probe = no_probe,
    resume: dict | None = None,
) -> Iterator[Snapshot]:
    """Train one VAE on points (n, 2); yields a Snapshot an epoch. See `train_vaes`."""
    data, extras = (objective, train, validation, settings), {"probe": probe, "resume": resume}
    for (snapshot,) in train_vaes([vae], *data, generators=[generator], **extras):
        yield snapshot


def train_gan(
    generator_net: nn.Module,
    critic: nn.Module,
    objective,
    train: Tensor,
    validation: Tensor,
    settings: Settings,
    *,
    generator: torch.Generator,
    probe: Probe = no_probe,
    resume: dict | None = None,
) -> Iterator[Snapshot]:
    """Train one GAN on points (n, 2); yields a Snapshot an epoch. See `train_gans`.

    `generator_net` is the network G; `generator`, as everywhere, the stream of random numbers.
    """
    data, extras = (objective, train, validation, settings), {"probe": probe, "resume": resume}
    for (snapshot,) in train_gans(
        [(generator_net, critic)], *data, generators=[generator], **extras
    ):
        yield snapshot


def train_vaes(
    vaes: Sequence[nn.Module],
    objective: Callable,
    train: Tensor,
    validation: Tensor,
    settings: Settings,
    *,
    generators: Sequence[torch.Generator],
    probe: Probe = no_probe,
    resume: dict | None = None,
) -> Iterator[tuple[Snapshot, ...]]:
    """Train independent VAEs, one for each generator, in one batched pass.

    Yields, each epoch, one Snapshot a member, with the networks at their averaged weights.
    Raises Diverged when a loss is no longer finite. `resume` is a snapshot's checkpoint.
    """
    player = Player([(vae.encoder, vae.decoder) for vae in vaes], settings.large)
    samples, latent = objective.samples, vaes[0].latent
    still = repeated(generators[0], samples, len(validation), latent).to(validation.device)

    def loss(row, x, noise, weight):
        terms = objective(*player.bind(row), x, noise, weight)
        report = torch.stack([term.mean() for term in terms])
        return report[0], report

    def step(now, x, noise):
        return update(player.state, now.step, now.rate, x, noise, now.weight)

    def noise(steps, generator):
        return (torch.randn(steps, samples, settings.batch, latent, generator=generator),)

    def validate(member, weight):
        vae = vaes[member]
        terms = objective(vae.encoder, vae.decoder, validation, still, weight)
        return {name: term.mean().item() for name, term in terms._asdict().items()}

    engine = settings.engine(player.state.weights.device)
    update = make_update(loss, 1, settings.betas, settings.average, engine)
    course = Course([player], vaes, ("loss", "reconstruction", "kl"), noise, step, validate)
    yield from epochs(course, train, settings, generators, probe, resume)


def train_gans(
    pairs: Sequence[tuple[nn.Module, nn.Module]],
    objective,
    train: Tensor,
    validation: Tensor,
    settings: Settings,
    *,
    generators: Sequence[torch.Generator],
    probe: Probe = no_probe,
    resume: dict | None = None,
) -> Iterator[tuple[Snapshot, ...]]:
    """Train independent GANs, (generator, critic) pairs, in one batched pass; as `train_vaes`.

    An epoch is counted in critic batches; the generator moves once every `critic_steps`, and its
    last loss stands in between.
    Validation losses leave the penalty out: they compare the two players alone.
    """
    game = Game([g for g, _ in pairs], [c for _, c in pairs], objective, settings)
    latent = pairs[0][0].latent
    still = repeated(generators[0], len(validation), latent).to(validation.device)

    def noise(steps, generator):
        z = torch.randn(steps, settings.batch, latent, generator=generator)
        return z, torch.rand(steps, settings.batch, 1, generator=generator)

    def validate(member, weight):
        generator, critic = pairs[member]
        fake = generator(still)
        on_critic = objective.critic(critic, validation, fake, 0.5, 0.0)
        on_generator = objective.generator(critic, validation, fake)
        return {"critic": on_critic.item(), "generator": on_generator.item()}

    players = [game.generator, game.critic]
    models = [generator for generator, _ in pairs]
    names, kept = ("critic", "generator"), (game.latest,)
    course = Course(players, models, names, noise, game.step, validate, kept)
    yield from epochs(course, train, settings, generators, probe, resume)


class Game:
    """Two players who move in turn, each by one whole step on its own loss."""

    def __init__(self, generators, critics, objective, settings: Settings):
        self.generator = Player([(network,) for network in generators], settings.large)
        self.critic = Player([(network,) for network in critics], settings.large)
        self.objective, self.critic_steps = objective, settings.critic_steps
        betas, engine = settings.betas, settings.engine(self.critic.state.weights.device)
        self.move_critic = make_update(self.critic_loss, 1, betas, 0.0, engine)
        self.move_generator = make_update(self.generator_loss, 0, betas, settings.average, engine)
        self.latest = self.critic.state.weights.new_zeros(len(critics))  # generator losses

    def critic_loss(self, row, generator_row, x, z, mix, weight):
        """The critic's loss under its weights `row`; the generator's stay as they are."""
        (critic,), (generator,) = self.critic.bind(row), self.generator.bind(generator_row)
        value = self.objective.critic(critic, x, generator(z), mix, weight)
        return value, value

    def generator_loss(self, row, critic_row, x, z):
        """The generator's loss under its weights `row`; the critic's stay as they are."""
        (generator,), (critic,) = self.generator.bind(row), self.critic.bind(critic_row)
        value = self.objective.generator(critic, x, generator(z))
        return value, value

    def step(self, now, x, z, mix) -> Tensor:
        """One critic move, then the generator's if it is its turn; reports (members, 2)."""
        fixed, rate = self.generator.state.weights, now.rate
        on_critic = self.move_critic(
            self.critic.state, now.step, rate, fixed, x, z, mix, now.weight
        )
        if now.number % self.critic_steps == 0:
            turn, fixed = now.step / self.critic_steps, self.critic.state.weights
            moved = self.move_generator(self.generator.state, turn, rate, fixed, x, z)
            self.latest.copy_(moved)
        return torch.stack([on_critic, self.latest], -1)
