"""Layers and weight tricks that several families of networks share.

To add one, write a file that imports torch alone.
"""
