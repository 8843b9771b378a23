"""Which states the network computes for a batch.

Input: feature codes and edges of a batch. Output: a `Plan`, index arrays that `network.view` and
`network.junction` follow. Read plan.py first.

plan.py - the index arrays of each level.
plan_takers.py - what gradients need to know of these indices.
every_row.py - plans that compute every row.
distinct.py - plans of a view that compute equal states once.
distinct_junction.py - the same for the junction view.
device_search.py - the same plans, found on a device without waiting for it.
distinct_rows.py - numbers for equal keys, for that search.
rooms.py - sizes of its arrays, and whether a batch fits.
state_rows.py - each distinct embedding of a batch once.
key_numbers.py - numbers for integer keys, by hashing and exact comparison.
kept_states.py - states that outlive a batch at inference.
"""
