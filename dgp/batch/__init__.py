"""Many pictures: units of work that any number of processes run, on one machine or on several.

A unit is a pure function of its inputs: its id (`dgp.runs.unit`) names them all, and the same id gives the same files.
Its ``result.json``, written last and atomically, is the only proof that it is done. So nothing is locked or leased: a
unit that two processes run at once is computed twice, and is right both times.

``inputs`` and ``manifest`` find the pictures, ``plan`` makes a batch of them and ``batch_files`` records it. ``worker``
runs one unit, the modules in ``engines`` supply processes that do, ``attempts`` counts failures, and ``drive`` brings
them together. ``report``, ``verify`` and ``export`` read what was made.

To add an engine, write a function as ``engines.table.Engine`` describes, and enter it in ``ENGINES``.
"""
