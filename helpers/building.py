"""From a recipe to what trains: its networks, its objective, its settings."""

import torch
from torch import Tensor, nn

from helpers import convolutions, models, objectives, recipes
from helpers.galleries import Gallery
from helpers.loop import Settings
from helpers.schedules import Constant, Cosine, Geometric, Linear
from helpers.targets import GaussianMixture

OBJECTIVES = {
    "elbo": objectives.ELBO,
    "autoencoder": objectives.Autoencoder,
    "iwae": objectives.IWAE,
    "non-saturating": objectives.NonSaturating,
    "least-squares": objectives.LeastSquares,
    "wgan-gp": objectives.WassersteinGP,
    "relativistic": objectives.Relativistic,
}


def objective(recipe: recipes.Recipe):
    """The recipe's objective, ready to call."""
    kind = OBJECTIVES[recipe.objective]
    return kind(recipe.samples) if recipe.family == "vae" else kind()


def settings(recipe: recipes.Recipe, fast: bool = True, threads: int = 1) -> Settings:
    """How to train the recipe; compiled if `fast`, its members shared out among CPU threads."""
    common = {"epochs": recipe.epochs, "batch": recipe.batch, "fast": fast, "threads": threads}
    common["rate"] = Cosine(recipe.learning_rate)
    if recipe.family == "vae":
        return Settings(weight=Linear(recipe.beta_start, recipe.beta), **common)
    decaying = recipe.penalty != recipe.penalty_end
    strength = (
        Geometric(recipe.penalty, recipe.penalty_end) if decaying else Constant(recipe.penalty)
    )
    return Settings(
        weight=strength,
        betas=(recipe.beta1, 0.99),  # a memory of 100 steps: the opponent moves
        average=recipe.average,
        critic_steps=recipe.critic_steps,
        **common,
    )


def standard(target: GaussianMixture) -> models.Standard:
    """Network coordinates in which the target has mean zero and unit scale along each axis."""
    return models.Standard(target.mean, target.std)


def build_vae(
    recipe: recipes.VAERecipe,
    target: GaussianMixture | Gallery,
    points: Tensor,
    generator: torch.Generator,
) -> models.VAE:
    """A fresh VAE; `points` (n, 2) are training points on which its norms are measured.

    For a gallery a convolutional one, which has no norms. Raises BadRecipe for a variance that
    the target cannot have.
    """
    if recipe.variance == {True: "full", False: "bernoulli"}[isinstance(target, Gallery)]:
        raise recipes.BadRecipe(
            f"variance = {recipe.variance}: not for {target.name}; bernoulli is for images, full "
            "for the plane"
        )
    if isinstance(target, Gallery):
        return _image_vae(recipe, target, generator)
    encoder = models.Encoder(standard(target), recipe.encoder, recipe.latent)
    decoder = models.Decoder(standard(target), recipe.decoder, recipe.latent, recipe.variance)
    models.initialise(encoder.net, generator, encoder.standardise(points))
    models.initialise(decoder.net, generator, torch.zeros(1, recipe.latent))
    return models.VAE(encoder, decoder, recipe.latent)


def build_gan(
    recipe: recipes.GANRecipe,
    target: GaussianMixture | Gallery,
    points: Tensor,
    generator: torch.Generator,
) -> tuple[nn.Module, nn.Module]:
    """A fresh generator and critic; `points` (n, 2) are as in `build_vae`."""
    if isinstance(target, Gallery):
        network, critic = _image_gan(recipe, target, generator)
    else:
        network, critic = _plane_gan(recipe, target, points, generator)
    for layer in network.net:
        if isinstance(layer, nn.LeakyReLU):
            layer.negative_slope = recipe.leak
    freeze(network, recipe.frozen)
    return network, critic


def _plane_gan(
    recipe: recipes.GANRecipe, target: GaussianMixture, points: Tensor, generator: torch.Generator
) -> tuple[nn.Module, nn.Module]:
    if recipe.generator_norm == "none":
        raise recipes.BadRecipe("generator_norm = none: for images; in the plane there is none")
    network = models.Generator(standard(target), recipe.generator, recipe.latent, recipe.activation)
    critic = models.Critic(standard(target), recipe.critic)
    if recipe.critic_norm == "none":
        critic.net = _without_norms(critic.net)
    models.initialise(network.net, generator, torch.zeros(1, recipe.latent))
    models.initialise(critic.net, generator, critic.standardise(points))
    soften(critic)
    return network, critic


def _image_vae(
    recipe: recipes.VAERecipe, gallery: Gallery, generator: torch.Generator
) -> models.VAE:
    encoder = convolutions.ConvEncoder(gallery.shape, recipe.encoder, recipe.latent)
    decoder = convolutions.ConvDecoder(
        gallery.shape, recipe.decoder, recipe.latent, recipe.variance
    )
    for network in (encoder, decoder):
        convolutions.initialise(network.net, generator)
    return convolutions.ImageVAE(encoder, decoder, recipe.latent)


def _image_gan(
    recipe: recipes.GANRecipe, gallery: Gallery, generator: torch.Generator
) -> tuple[nn.Module, nn.Module]:
    network = convolutions.ConvGenerator(
        gallery.shape,
        recipe.generator,
        recipe.latent,
        recipe.activation,
        recipe.generator_norm == "pixel",
    )
    critic = convolutions.ConvCritic(gallery.shape, recipe.critic)
    for each in (network, critic):
        convolutions.initialise(each.net, generator)
    return network, critic


def soften(critic: models.Critic) -> None:
    """Set the critic's ActNorms back to the identity.

    Measured on data they start it several times steeper; a critic that sharp at once let the
    generator lose a mode on one seed of five, the plain start on none.
    """
    for layer in critic.net:
        if isinstance(layer, models.ActNorm):
            nn.init.ones_(layer.scale)
            nn.init.zeros_(layer.shift)


def _without_norms(net: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(layer for layer in net if not isinstance(layer, models.ActNorm)))


def freeze(network: nn.Module, layers: int) -> None:
    """Make the weights of the first layers constants, which no training finds to change."""
    weighted = [layer for layer in network.net if hasattr(layer, "weight")]
    for layer in weighted[:layers]:
        for name, values in list(layer.named_parameters()):
            delattr(layer, name)
            layer.register_buffer(name, values.detach())


def start_from_decoder(network: nn.Module, decoder: nn.Module) -> None:
    """Make the generator the decoder's mean map; raises BadRecipe when they cannot be the same."""
    theirs = decoder.net.state_dict()
    last = list(theirs)[-2:]
    if decoder.variance == "full":  # it has further outputs: leave them
        theirs |= {name: theirs[name][:2] for name in last}
    if decoder.variance == "bernoulli":  # its mean is tanh(out / 2), a generator's image tanh(out)
        theirs |= {name: theirs[name] / 2 for name in last}
    mine, kinds = _form(network.net, network.net.state_dict()), _form(decoder.net, theirs)
    if mine != kinds:
        raise recipes.BadRecipe(
            f"generator {mine} and decoder {kinds} differ; give the generator the decoder's "
            "widths and its latent size, activation relu, and on images no norm"
        )
    network.net.load_state_dict(theirs)


def _form(net: nn.Sequential, state: dict[str, Tensor]) -> str:
    """Sizes and activation of a network, as in "2-64-128-2 ReLU"."""
    named = [layer for layer in net if hasattr(layer, "weight")]
    weights = [values for name, values in state.items() if name.endswith("weight")]
    sizes = [weights[0].shape[1], *map(_outputs, named, weights)]
    kinds = {type(layer).__name__ for layer in net} - {"Linear"}
    return " ".join(["-".join(map(str, sizes)), *sorted(kinds)])


def _outputs(layer: nn.Module, weight: Tensor) -> int:
    """Units or channels that a layer with this weight gives."""
    return weight.shape[1 if isinstance(layer, nn.ConvTranspose2d) else 0]
