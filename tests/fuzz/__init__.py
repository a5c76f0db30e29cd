"""Fuzzing of everything that reads what others wrote: seeded mutations of good files, each read in a confined process.

``readers`` says what is read and how, ``samples`` has good and hostile files to begin with, ``mutation`` damages them,
``worker`` reads them under watch, and ``campaign`` runs workers and counts. A case is made by its reader, its number
and the seed alone.
"""
