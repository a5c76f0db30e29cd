"""What is done with the generator's picture at the end.

To add one, subclass ``postprocess.Postprocess`` and register it by name.
"""
