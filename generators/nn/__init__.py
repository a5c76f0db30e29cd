"""Layers and computations on weights that several families of networks share.

To add one, write a file that imports torch only.
"""
