"""Where official files lie, and which of them are images."""

from helpers.files import output
from helpers.images import sources
from images import formats


def test_of_cub_the_photographs_are_read_and_not_its_masks(written):
    root = output("data", "images", "cub", "CUB_200_2011", "x").parent
    formats.write_image(root / "images" / "001" / "a.jpg", 40, 40)
    formats.write_image(root / "segmentations" / "001" / "a.png", 40, 40)
    assert len(sources.SOURCES["cub"].read("cub", 32, None).labels) == 1
