"""Training: a run file in, a model with honest numbers out. The only room that knows
pytorch-lightning.
"""
