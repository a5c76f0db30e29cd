"""A photograph with a face whose landmarks are known, and the same turned, moved and scaled."""

import numpy as np
from PIL import Image
from skimage import data

# scikit-image's astronaut (public domain): eyes, nose and corners of the mouth.
POINTS = np.array([[203.0, 101.0], [246.0, 103.0], [224.0, 127.0], [200.0, 139.0], [245.0, 141.0]])


def astronaut():
    """The photograph, 512x512."""
    return Image.fromarray(data.astronaut())


def pair():
    """A photograph of 240x120 with two faces beside each other, whose squares overlap, and the landmarks of both."""
    face = astronaut().crop((130, 0, 330, 200)).resize((120, 120), Image.Resampling.BICUBIC)
    image = Image.new("RGB", (240, 120))
    image.paste(face, (0, 0))
    image.paste(face, (70, 0))
    points = (POINTS - (130, 0) + 0.5) * 0.6 - 0.5
    return image, [points, points + (70, 0)]


def transform(points, factor, degrees, shift):
    """Return points turned about the origin, scaled and moved."""
    a = np.deg2rad(degrees)
    return factor * points @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + shift
