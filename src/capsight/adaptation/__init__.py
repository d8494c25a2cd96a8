"""Ways to carry a model from its source capsules to a target capsule, one file each."""
