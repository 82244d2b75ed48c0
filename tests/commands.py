"""Command lines that cannot be followed, and the words that must answer.

`MISTAKES` is told from a folder that `prepare` has filled. Each ends with one line, status 2 and
nothing trained; `tests/test_commands.py` runs them here, `tests/campaign.py` as programs of their
own, and counts the seconds.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import experiments, recipes

SOUND = {
    "weights": [0.5, 0.5],
    "means": [[0, 0], [3, 0]],
    "covariances": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]],
}
MIXTURES = {  # files of mixtures, and the words that must answer
    "empty": ("", "not JSON"),
    "words": ("weights: 1", "not JSON"),
    "list": ("[1, 2]", "no 'weights'"),
    "deep": ("[" * 100_000, "not JSON of sensible size"),
    "long": ('{"weights": [' + "1" * 5_000 + "]}", "not JSON of sensible size"),
    "huge": ({"weights": [10**400, 0.5]}, "'weights' must be lists of numbers"),
    "nan": ({"means": [[float("nan"), 0], [3, 0]]}, "'means' holds a value that is not finite"),
    "heavy": ({"weights": [0.5, 0.6]}, "weights sum to 1.1, not 1; divide each by 1.1"),
    "negative": ({"weights": [1.5, -0.5]}, "weight -0.5 is not positive"),
    "nothing": ({"weights": []}, "must be a list of 1 to 1,000 numbers"),
    "few": ({"means": [[0, 0]]}, "2 weights need 'means' of shape (2, 2)"),
    "solid": ({"means": [[0, 0, 0], [3, 0, 0]]}, "2 weights need 'means' of shape (2, 2)"),
    "ragged": ({"means": [[0, 0], [1]]}, "'means' must be lists of numbers"),
    "text": ({"means": "none"}, "'means' must be lists of numbers"),
    "flat": ({"covariances": [[[1, 1], [1, 1]]] * 2}, "positive definite"),
    "skew": ({"covariances": [[[1, 0.5], [0, 1]]] * 2}, "not symmetric positive definite"),
    "thin": ({"covariances": [[[1e-20, 0], [0, 1e-20]]] * 2}, "float32 counts in steps"),
    "far": ({"means": [[5_000_000, 0], [3, 0]]}, "float32 counts in steps of 0.6"),
    "vast": ({"covariances": [[[1e30, 0], [0, 1e30]]] * 2}, "float32 counts"),
    "unnamed": ({"name": 7}, "name '7'; give 1 to 100 letters"),
    "other": ({"kind": "voices"}, "kind 'voices' need a plug-in"),
    "pixels": ({"kind": "images"}, "give source, size and most"),
    "wide": ({"kind": "images", "source": "digits", "size": 10**9, "most": 9}, "pixels a side"),
}


def saved(array: np.ndarray, save=np.save) -> bytes:
    """An array as the file that NumPy writes."""
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


HEADED = saved(np.zeros((20, 2)))
SAMPLES = {  # files of samples, and the words that must answer
    "column": (saved(np.zeros(20)), "of shape (20,), expected numbers of shape (n, 2)"),
    "triple": (saved(np.zeros((20, 3))), "of shape (20, 3), expected"),
    "nine": (saved(np.zeros((9, 2))), "9 points, expected"),
    "letters": (saved(np.full((20, 2), "a")), "<U1 of shape"),
    "complex": (saved(np.zeros((20, 2), complex)), "complex128 of shape"),
    "objects": (saved(np.full((20, 2), None)), "not a .npy file of numbers"),
    "nan": (saved(np.full((20, 2), np.nan)), "20 of 20 points are not finite"),
    "infinite": (saved(np.full((20, 2), 1e300)), "20 of 20 points are not finite"),
    "several": (saved(np.zeros((20, 2)), np.savez), "an archive of several arrays"),
    "comma": (b"0.1, 0.2\n", "not a .npy file of numbers"),
    "empty": (b"", "not a .npy file of numbers"),
    "cut": (HEADED[:200], "not a .npy file of numbers"),
    "zip": (b"PK\x03\x04oops", "not a .npy file of numbers"),
    "boast": (HEADED.replace(b"(20, 2), }         ", b"(480000000000, 2), }"), "not a .npy"),
}


def prepare(folder: Path) -> None:
    """Put the files that the command lines name into a folder."""
    for name, (content, _) in MIXTURES.items():
        text = content if isinstance(content, str) else json.dumps({**SOUND, **content})
        (folder / f"{name}.json").write_text(text, "utf-8")
    (folder / "mine.json").write_text(json.dumps(SOUND), "utf-8")
    (folder / "latin.json").write_bytes(b"\xff\xfe{}")
    for name, (content, _) in SAMPLES.items():
        (folder / f"{name}.npy").write_bytes(content)
    (folder / "good.npy").write_bytes(saved(np.random.default_rng(0).normal(size=(50, 2))))
    (folder / "file").write_text("not a folder", "utf-8")
    (folder / "taken" / "seed5.zip").mkdir(parents=True)
    (folder / "letters").mkdir()
    (folder / "letters" / "a.txt").write_text("no picture", "utf-8")
    (folder / "torn").mkdir()
    (folder / "torn" / "a.png").write_bytes(b"\x89PNG torn")
    (folder / "torn" / "b.png").write_bytes(b"\x89PNG torn")
    for number in range(39):
        (folder / "ten").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / "ten" / f"{number}.png")
    (folder / "bad.zip").write_bytes(b"PK no zip")
    (folder / "run").mkdir()
    (folder / "run" / "seed5.zip").write_bytes(b"PK no zip")


def _numbers() -> dict[str, str]:
    """Every number of a recipe out of bounds, as a word, not finite, without a value."""
    found = {}
    for family, kind in recipes.KINDS.items():
        for name, (least, most) in recipes.BOUNDS.items():
            if name not in kind.__dataclass_fields__:
                continue
            flag = f"--{name.replace('_', '-')}"
            written = float if kind.__dataclass_fields__[name].type is float else int
            found[f"train {family} {flag} {least - 1}"] = f"{name} = {written(least - 1)}: must be"
            if most < 1e300:
                more = int(most) + 1 if float(most).is_integer() else 1
                found[f"train {family} {flag} {more}"] = f"{name} = {written(more)}: must be"
            found[f"train {family} {flag} a"] = f"{flag}: "
            found[f"train {family} {flag} nan"] = "nan"
            found[f"train {family} {flag}"] = f"{flag}: "
    return found


def _domains() -> dict[str, str]:
    """Recipes for images on targets of the plane, and the other way round."""
    images = [one.name for one in experiments.RECIPES.values() if one.domain == "images"]
    plane = ["vae", "gan", "vae-best", "gan-best", "gan-warm", "autoencoder", "gan-wgan-gp"]
    found = {f"train {name}": f"{name}: a recipe for images" for name in images}
    found |= {f"train {n} --target digits": f"{n}: a recipe for targets in the" for n in plane}
    found |= {f"train {n} --preset tiny": f"{n} is for the plane; leave it out" for n in plane[:4]}
    return found | {f"train {n} --preset gpu": "is for the plane; leave it out" for n in plane[:4]}


def _choices() -> dict[str, str]:
    given = {
        "vae": ("objective", "variance"),
        "gan": ("objective", "activation", "generator-norm", "discriminator-norm"),
    }
    found = {}
    for family, names in given.items():
        for name in names:
            field = name.replace("-", "_")
            found[f"train {family} --{name} none-such"] = f"{field} = 'none-such': choose one of"
            found[f"train {family} --{name} ''"] = f"{field} = '': choose one of"
            found[f"train {family} --{name}"] = f"--{name}: needs a value"
    return found


BIG = "10000 " * 12
MISTAKES = {
    # the command
    "''": "missing: COMMAND",
    "fly": "'fly': no such command; choose one of list, train",
    "Train gan": "'Train': no such command",
    "--version": "'--version': no such command",
    "list all": "unknown: all",
    "list --json": "unknown: --json",
    # the recipe
    "train": "missing: RECIPE",
    "train ''": "'': no such recipe",
    "train gam": "'gam': no such recipe; did you mean gan?",
    "train GAN": "'GAN': no such recipe",
    "train gan-bets": "did you mean gan-best",
    "train vae-beta-2": "did you mean vae-beta",
    "train gan-huge": "'gan-huge': no such recipe",
    "train gan-tiny-tiny": "'gan-tiny-tiny': no such recipe",
    "train ../gan": "'../gan': no such recipe",
    "train --epochs 3 gan": "'--epochs': no such recipe",
    "train gan vae": "unknown: vae",
    "train gan --speed 3": "unknown: --speed 3",
    "train gan --epoch 3": "unknown: --epoch 3",
    "train gan --seeds 3": "unknown: --seeds 3",
    "train gan --name x": "unknown: --name x",
    "train gan --domain images": "unknown: --domain images",
    "train gan --beta 2": "unknown: --beta 2",
    "train vae --penalty 2": "unknown: --penalty 2",
    "train vae --generator 8": "unknown: --generator 8",
    **_numbers(),
    **_choices(),
    "train gan --epochs 2.5": "--epochs: ",
    "train gan --epochs 1e3": "--epochs: ",
    "train gan --epochs ''": "--epochs: ",
    "train gan --epochs inf": "--epochs: ",
    "train gan --learning-rate inf": "learning_rate = inf: must be from",
    "train gan --learning-rate 1e400": "learning_rate = inf: must be from",
    "train gan --generator 8 0": "generator = 0: must be",
    "train gan --generator 8 a": "--generator: ",
    f"train gan --generator {'8 ' * 13}": "generator: 13 layers; must be from 1 to 12",
    # what makes no sense together
    "train gan --penalty 1": "give both or neither",
    "train gan --objective wgan-gp": "penalty = 0: without it the critic of wgan-gp",
    "train gan-wgan-gp --penalty 0 --penalty-end 0": "penalty = 0: without it the critic",
    "train vae --samples 8": "samples = 8: elbo takes one code a point; give objective iwae",
    "train autoencoder --samples 2": "samples = 2: autoencoder takes one code a point",
    "train autoencoder --beta 2": "beta = 2, beta_start = 1: autoencoder weighs no KL",
    "train vae-iwae --beta 2": "iwae weighs no KL; leave them out",
    "train vae-best --beta-start 0": "iwae weighs no KL; leave them out",
    "train gan --frozen 1": "frozen = 1: fresh layers would never learn; give start",
    "train gan-warm --frozen 3": "frozen = 3: the generator has 3 layers",
    "train gan --leak 0.1 --activation relu": "leak = 0.1: a relu has none",
    "train gan --discriminator-steps 999": "discriminator_steps = 999: an epoch has 390 batches",
    "train gan --batch 999999 --plain": "batch 999999 exceeds the 100000 training points",
    "train gan --start gam": "'gam': no such recipe",
    "train gan --start gan": "start = gan: has no decoder; name a VAE's recipe",
    "train gan --start vae": "differ; give the generator the decoder's widths",
    "train gan-warm --start vae-latent-4": "differ; give the generator",
    "train gan-warm --generator 9": "differ; give the generator",
    "train gan-warm --start vae-digits-2": "vae-digits-2: a recipe for images",
    "train gan-digits --target digits --variance unit": "unknown: --variance unit",
    "train vae-digits-2 --target digits --variance full": "variance = full: for the plane",
    "train vae --variance bernoulli": "variance = bernoulli",
    "train vae-digits-2 --target digits --encoder 8 8 8": "cannot be halved 3 times",
    "train vae-digits-2 --target digits-30": "cannot be halved 2 times",
    **_domains(),
    # targets
    "train gan --target nothere": "nothere: no such file or target; choose one of gmm5",
    "train gan --target ''": "target '': no name",
    "train gan --target .": "a recipe for targets in the plane",
    "train gan --target /nowhere/a.json": "no such file or target",
    "train gan --target gmm6": "gmm6: no such file or target",
    "train gan --target latin.json": "latin.json: not JSON (no UTF-8 text)",
    "train gan --target file": "file: not JSON",
    "train gan --images 5": "--images: gmm5 has none; leave it out",
    "train vae-digits-2 --target letters": "letters: no .jpg, .jpeg, .png",
    "train vae-digits-2 --target torn": "cut short, vast or no image; remove it",
    "train gan-colour --target ten": "held-out images: too few to score by",
    "train vae-digits-2 --target digits --images 14 --batch 9": "held-out images: too few to",
    "train vae-digits-2 --target digits --images 0": "--images: 0 is not from 1",
    "train vae-digits-2 --target digits-2": "digits-2: give 4 to 1,024 pixels a side",
    "train vae-digits-2 --target digits-99999999": "give 4 to 1,024 pixels a side",
    "train vae-digits-2 --target faces-20000": "give 4 to 1,024 pixels a side",
    "train vae-digits-2 --target digits-28-0": "and 1 image or more",
    "train vae-digits-2 --target digits-x": "digits-x: no such file or target",
    "train vae-digits-2 --target mnist": "no file 'train-images-idx3-ubyte'",
    "train vae-digits-2 --target fashion": "get the four files of Fashion-MNIST",
    "train vae-digits-2 --target cifar10": "get cifar-10-python.tar.gz",
    "train vae-digits-2 --target cub": "get CUB_200_2011.tgz",
    **{f"train gan --target {n}.json": words for n, (_, words) in MIXTURES.items()},
    **{f"evaluate good.npy --target {n}.json": words for n, (_, words) in MIXTURES.items()},
    # machines, places, sizes
    "train gan --device abacus": "device 'abacus': not present; choose auto",
    "train gan --device ''": "device '': not present",
    "train gan --device cpu:": "device 'cpu:': not present",
    "train gan --device cpu:5": "device 'cpu:5': not present",
    "train gan --device cuda:99": "device 'cuda:99': not present",
    "train gan --device cuda:-1": "device 'cuda:-1': not present",
    "labs birds": "birds: no such lab; choose of digits",
    "labs digits --preset big": "preset 'big': choose one of tiny, laptop, gpu",
    "labs digits --on nowhere": "nowhere: no such file or target",
    "labs digits --on gmm5": "gmm5: no images; choose one of digits, ",
    "labs digits --device abacus": "device 'abacus': not present; choose auto",
    "train gan --preset big": "preset 'big': choose one of tiny, laptop, gpu",
    "train gan --preset ''": "preset '': choose one of",
    "train gan --seed -1": "--seed: -1 is not from 0 to",
    "train gan --seed 99999999999999999999": "is not from 0 to",
    "train gan --seed five": "--seed: ",
    "train gan --seed": "--seed: needs a value",
    "train gan --out": "--out: needs a value",
    "train gan --out ''": "--out: no path; give one, or leave it out",
    "train gan --out file": "file is a file, no folder; choose another place",
    "train gan --out file/within": "file is a file, no folder; choose another place",
    "train gan --out taken": "taken/seed5.zip: a folder is in the way; move it",
    "train gan --out /proc/nowhere": "cannot be written",
    "train gan --status ''": "--status: no path",
    "train gan --status file": "file is a file, no folder",
    f"train gan --generator {BIG}": "GB of memory, of which",
    f"train vae --encoder {BIG} --decoder {BIG}": "GB of memory, of which",
    "train vae --batch 100000 --encoder 10000 10000 10000": "GB of memory, of which",
    "train vae-iwae --samples 10000 --batch 100000": "GB of memory, of which",
    "train vae-digits-2 --target digits --decoder 10000 10000": "GB of memory, of which",
    # samples
    "sample": "missing: ",
    "sample gan": "missing: FILE.npy",
    "sample gan -o": "needs a value",
    "sample gan -o ''": "no path",
    "sample gan -o x.txt": "x.txt must end in .npy",
    "sample gan -o x": "x must end in .npy",
    "sample gan -o file/x.npy": "file is a file, no folder",
    "sample gan -o /proc/x.npy": "cannot be written",
    "sample gan -o x.npy -n 0": "0 is not from 1 to",
    "sample gan -o x.npy -n -5": "-5 is not from 1 to",
    "sample gan -o x.npy -n 99999999999": "is not from 1 to",
    "sample gan -o x.npy -n many": "-n/--n: ",
    "sample gan -o x.npy --seed -1": "--seed: -1 is not from 0",
    "sample gan -o x.npy --seed x": "--seed: ",
    "sample gan vae -o x.npy": "unknown: vae",
    "sample gan -o x.npy --target gmm5": "unknown: --target gmm5",
    "sample gan-digits@digits-28 -n 10000000 -o x.npy": "GB of memory, of which",
    "sample '' -o x.npy": "run '': no name",
    "sample . -o x.npy": "run '.': no name",
    "sample / -o x.npy": "run '/': no name",
    "sample .. -o x.npy": "no such run",
    "sample no-such -o x.npy": "'no-such': no such run",
    "sample gna -o x.npy": "did you mean gan",
    "sample gan/seed99 -o x.npy": "gan/seed99: not trained from seed 99, only from seed0",
    "sample gan/seed -o x.npy": "not trained from seed 5",
    "sample gan-digits -o x.npy": "not trained from seed 5; python -m helpers train gan-digits",
    "sample vae-front -o x.npy": "not trained from seed 5, only from seed0, seed1",
    "sample bad.zip -o x.npy": "bad.zip: damaged",
    "sample run -o x.npy": "seed5.zip: damaged",
    "sample run/seed5 -o x.npy": "seed5.zip: damaged",
    "sample taken -o x.npy": "no such run",
    "sample none.zip -o x.npy": "none.zip: no such run",
    "sample vae-beta-4/seed0 -o x.npy": "only the record of this seed is kept",
    # scores
    "evaluate": "missing: SAMPLES",
    "evaluate ''": "run '': no name",
    "evaluate nothere.npy": "nothere.npy: cannot be read (No such file",
    "evaluate nothere.csv": "'nothere.csv': no such run",
    "evaluate good.npy -n 50": "all points of good.npy are scored; leave it out",
    "evaluate good.npy --target ''": "target '': no name",
    "evaluate good.npy --target digits": "digits-28: these metrics are for the plane",
    "evaluate good.npy --target nothere": "nothere: no such file or target",
    "evaluate good.npy --seed -1": "--seed: -1 is not from 0",
    "evaluate good.npy good.npy": "unknown: good.npy",
    "evaluate gan -n 5": "-n 5: too few to score; give 10 or more",
    "evaluate gan -n 0": "0 is not from 1",
    "evaluate gan -n 1.5": "-n/--n: ",
    "evaluate gan --json yes": "unknown: yes",
    "evaluate gan --target digits": "these metrics are for the plane",
    "evaluate gan-digits@digits-28": "these metrics are for the plane",
    "evaluate run": "seed5.zip: damaged",
    "evaluate letters": "'letters': no such run",
    **{f"evaluate {name}.npy": words for name, (_, words) in SAMPLES.items()},
    # films, sweeps, records, speed, the app
    "film": "missing: RUN",
    "film ''": "run '': no name",
    "film no-such": "'no-such': no such run",
    "film gan/seed0": "--train trains it again, about",
    "film vae-best/seed1": "--train trains it again, about",
    "film run": "seed5.zip: damaged",
    "film gan -o x.gif": "x.gif must end in .mp4",
    "film gan -o ''": "no path",
    "film gan -o": "needs a value",
    "film gan --fps 3": "unknown: --fps 3",
    "sweep": "missing: NAME",
    "sweep ''": "'': no such recipe",
    "sweep gam": "'gam': no such recipe",
    "sweep all gam": "'gam': no such recipe",
    "sweep gan --seed 5": "unknown: --seed 5",
    "sweep gan --seeds 0": "--seeds: 0 is not from 1",
    "sweep gan --seeds": "needs a value",
    "sweep gan --widths -5": "--widths -5: must be from 1",
    "sweep gan --widths 0": "--widths 0: must be from 1",
    "sweep gan --widths 99999": "--widths 99999: must be from 1",
    "sweep gan --widths a": "--widths",
    "sweep gan --workers 0": "--workers: 0 is not from 1",
    "sweep gan --workers 5000": "--workers: 5000 is not from 1",
    "sweep gan --workers two": "--workers: ",
    "sweep gan --target nothere": "nothere: no such file or target",
    "sweep gan --target digits": "gan: a recipe for targets in the plane",
    "sweep gan-digits": "gan-digits: a recipe for images",
    "sweep gan --target ''": "target '': no name",
    "sweep gan --seeds 99 --scheduler nowhere": "nowhere: no Dask scheduler answers",
    "sweep gan --seeds 99 --scheduler tcp://127.0.0.1:1": "no Dask scheduler answers",
    "sweep gan --seeds 99 --scheduler x://y": "no Dask scheduler answers",
    "sweep gan --seeds 99 --scheduler tcp://127.0.0.1:99999": "no Dask scheduler answers",
    "evidence rumours": "rumours: no such record; choose of",
    "evidence rumours --train": "rumours: no such record; choose of",
    "evidence power rumours": "rumours: no such record",
    "evidence --workers 0": "--workers: 0 is not from 1",
    "evidence samplers --device tpu": "device 'tpu': not present; choose auto or one of",
    "bench --rounds 0": "--rounds: 0 is not from 1",
    "bench --rounds x": "--rounds: ",
    "bench gan": "unknown: gan",
    "app --port 0": "port 0: must be from 1 to 65535",
    "app --port 99999": "port 99999: must be from 1 to 65535",
    "app --port x": "--port: ",
    "app --host 0.0.0.0": "unknown: --host 0.0.0.0",
}
