"""Everything that needs a GPU, in one command, most valuable first, within a budget of minutes."""

import time

BEGAN = time.monotonic()  # the budget counts from here: importing torch takes seconds
