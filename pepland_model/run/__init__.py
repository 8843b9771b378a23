"""What every training run needs: settings, run folder, checkpoints, metrics, processes.

In: a configuration file or options. Out: a run folder that can be resumed. Read `config` first.

config - all settings; config_option - one setting; task_config - the settings of fine-tuning.
run_stores - which rows of the stores are trained on; load_encoder - the encoder of another run.
folder - lock and provenance of the run folder; checkpoint - write and read checkpoints.
log - metrics.jsonl and TensorBoard; tracker, mlflow_log, wandb_log - MLflow and Weights & Biases.
report - report.html and loss.png; training_run - a run folder as an object.
progress - the line on the terminal; signals - SIGTERM and Ctrl-C; distributed - several processes.
host_memory - reuse of freed memory on a CPU.
"""
