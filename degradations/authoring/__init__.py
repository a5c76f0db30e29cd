"""For authors of operators: a file to begin with, and a sheet that shows every operator.

To add an example, extend ``template.PLUGIN``; it is tested as it is written.
"""
