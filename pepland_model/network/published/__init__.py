"""Published PepLand checkpoints.

Input: a file of ``torch.save``. Output: a model folder. Read import_upstream.py first.

import_upstream.py - checks names and shapes, and writes the folder.
torch_file.py - reads the tensors of the file without running code from it.
"""
