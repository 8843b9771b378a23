"""Fine-tuning: predict columns of a store from the vectors of an encoder.

In: a configuration, a store with columns, an encoder. Out: a run folder with one model per seed,
metrics and predictions. Read `finetune` first, then `seed_run`.

finetune - all seeds of a run; seed_run - one seed; task_step - one optimizer step.
targets - columns as numbers or classes; task_data - their peptides and sets.
vector_loader - batches of vectors of a frozen encoder.
task_network - encoder with head; readout - from states of nodes to inputs of the head.
metrics - MAE, ROC AUC, ...; confidence_interval - of the mean; trouble - signs of no learning.
baseline - boosted trees on fragment counts; ensemble - all seeds as one model; report - its page.
run_predictions - the file of the run; predictor - a finished run; predict - for new peptides.
"""
