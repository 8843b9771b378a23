"""What an estimate measures on the machine it runs on.

- `conversion`: SMILES converted per second and core.
- `preprocessing`: hours and bytes of a store; conversion in the training step.
- `one_peptide`: time for the vector of one peptide.
- `this_cpu`: share of its limits that the CPU reaches, where no card was measured.
"""
