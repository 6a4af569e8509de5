"""Files: maps, atomic models, image stacks and STAR tables, read and written.

RELION's names, Euler angles and the sign of its origins stay inside ``io.star``.
"""
