"""`cfork bench`: measure the command, its stages, and what they are compared with."""
