"""Readers of published checkpoints, one file for each layout: names and shapes are converted to ours.

To add one, write a file with is_generator, is_discriminator, read_generator and, where there are any,
read_discriminator, and list it in ``checkpoints.layouts``.
"""
