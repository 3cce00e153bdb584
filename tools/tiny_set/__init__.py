"""Small diffusers models of the four roles, trained on the built-in scenes: python -m tools.tiny_set

Reading order: config -> words -> world -> vae -> models -> lessons -> learn -> folders.
"""
