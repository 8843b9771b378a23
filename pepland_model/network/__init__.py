"""PharmHGT: the network, and the files that hold it.

Input: a `HeteroBatch`. Output: a `PharmHGTOutput`, one state per atom and fragment. Read
plain_pharmhgt.py first: it is the network without any optimization.

config.py - sizes and variant. layers.py - parameters. output.py - states and embeddings.
pharmhgt.py - the fast network: plan, forward pass, save and load.
view.py - message passing among atoms or fragments. junction.py - between them.
attention.py, segments.py, edges.py - the operations that these use.
takers.py - who takes a row of an index: gradients without sorting.
pooling.py, readout.py - one vector per peptide. heads.py - the heads of pre-training.
fixed_program.py - a program of fixed shapes, recorded as a CUDA graph.
cuda_graph.py - inference as such a program.
model_files.py - a model folder. published_names.py - names of published weights.
hashing.py - hashes of integers. kernels/ - Triton kernels for CUDA.
states/ - which states a batch needs. published/ - published checkpoint files.
"""
