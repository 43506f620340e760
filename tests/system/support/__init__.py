"""What the system tests share: a whole gantry in a place of its own (gantry.py), the
machine around it (machine.py), and images made here (images.py)."""
