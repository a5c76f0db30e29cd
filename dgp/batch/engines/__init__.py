"""Engines: ways to run units on several processes.

``table`` lists them; ``local`` runs processes of this machine, ``ray_engine`` actors of a Ray cluster; ``slurm_engine``
submits jobs, each of which runs a shard as ``local`` does.

To add one, write a function as ``table.Engine`` describes, and enter it in ``ENGINES``; for a
scheduler to which jobs are submitted, as ``table.Submit`` describes, and in ``SCHEDULERS``.
"""
