"""`dgp batch`: many pictures, and what became of them.

To add a command, write it in a file of its own and add it to the group in ``commands``.
"""
