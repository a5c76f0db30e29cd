"""Postprocessing of the generator's output, such as making it agree with the observation.

To add one, subclass ``base.Postprocess``, register it with ``@POSTPROCESSES.register("name")``, and add its module to
the built-in ones (``builtin.py``); an installed package offers its own by the entry-point group ``dgp.finishes``.
"""
