"""For authors of operators: a plugin to begin with, and a sheet that shows every operator.

To add an example to the plugin, extend ``template.PLUGIN``; its test is ``template.TEST``, and both are run by our
tests.
"""
