"""The class of a degraded picture: the probability of every class of a prior, learnt from degraded pictures of it.

To add a description of pictures from which classes are predicted, write it in ``descriptions`` and list it in
``descriptions.available``; raise ``METHOD`` in ``classifier``, so that networks that were trained without it are not
used any more.
"""
