"""Checkpoints: everything that the next step of a run depends on, kept in files so that a run can be interrupted.

State is a tree of dicts, lists, tensors, numbers, texts, booleans and None, as ``state_dict()`` returns it; it is
written as safetensors and JSON alone.

To add state to a checkpoint, return it from the ``state_dict`` of the object that it belongs to, and read it back in
its ``load_state_dict``.
"""

EVERY = 60.0  # seconds between two checkpoints
