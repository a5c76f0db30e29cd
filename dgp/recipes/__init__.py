"""Recipes: the schema, overrides, and the TOML files of published methods and ours.

To add one, write a TOML file that cites its source, beside the others.
"""
