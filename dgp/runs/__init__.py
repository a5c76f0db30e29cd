"""One picture's run, from settings to the files of its result; `dgp restore` and `dgp batch` run the same code.

``settings`` holds what a call asks for, as JSON values; ``runner`` checks a picture and runs it; ``unit`` computes the
id of a run from everything that its result depends on.

To add a setting, add a field to ``RunSettings``, use it in ``Runner``, and add it to ``unit.describe_inputs`` if the
result depends on it.
"""
