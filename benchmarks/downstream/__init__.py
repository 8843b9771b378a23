"""What vectors and encoders are worth on tasks with labels; run by ``bench_downstream``.

trained.py - affinity and cell penetration, frozen and fine-tuned, with splits of ours.
frozen.py - tasks with published splits, frozen vectors under LightGBM. tasks.py - their rows and
splits. features.py - texts to numbers. cells.py - one fit each, and the file that remembers them.
frozen_chart.py - the picture.
"""
