"""Miniatures of the paper's tables 1 and 2 and of its compared images, on built-in priors: one command, one page."""
