"""Which rows the network computes for a batch.

- `plan`: the rows of each round and where their inputs come from; the plan of every row.
- `distinct`: the plan that computes each distinct state once.
- `junction`: both kinds of plan for the view between fragments and their atoms.
- `batch_plan`: the plans of all views of a batch.
- `key_numbers`: equal integer keys get equal numbers; `distinct` is built on it.
- `kept_states`: states that are kept from batch to batch at inference.
"""
