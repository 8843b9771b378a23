"""Pre-training: the network learns to predict masked atoms, fragments and bonds.

In: a configuration and stores. Out: a run folder with checkpoints and a report. Read `pretrain`
first, then `trainer`.

pretrain - from configuration to finished run; trainer - the loop; step - one optimizer step;
step_program - the same as one CUDA graph.
train_data - vocabulary and loaders; step_batches - batches of each step; mask - what is predicted.
pretrain_network - encoder with heads; loss - cross entropy; evaluate - validation and baseline.
half_weights - weights in 16 bits; optim - optimizer and moving average; schedule - learning rate.
run_state - state of a checkpoint.
init_from - weights of another run; nonfinite - NaN in a loss; out_of_memory - what fits.
profile - what limits the speed; progress_text - lines for people.
"""
