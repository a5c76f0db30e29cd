"""MTCNN (Zhang et al. 2016, arXiv 1604.02878), a cascade of three small networks that finds faces and five landmarks.

To add a version of it with other weights, write a function that reads them into ``networks.Cascade``, as ``weights``
does, and a detector that uses it.
"""
