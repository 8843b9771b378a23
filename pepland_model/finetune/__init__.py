"""Fine-tuning: predict a column of a store from the vectors of an encoder.

In: a configuration, a store with a column, an encoder. Out: a run folder with one model per seed,
metrics and predictions. Read `finetune` first, then `seed_run`.

finetune - all seeds of a run; seed_run - one seed; task_step - one optimizer step.
task_data - targets and sets; vector_loader - batches of vectors of a frozen encoder.
task_network - encoder with head; metrics - RMSE, ROC AUC, ...; confidence_interval - of the mean.
run_predictions - the file of the run; predictor - a finished run; predict - for new peptides.
"""
