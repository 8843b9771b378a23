"""Checkpoints that PepLand published, as models of this package.

- `import_upstream`: from a ``.pth`` file to a model folder.
- `torch_file`: reads the tensors of such a file and runs no code that is in it.
"""
