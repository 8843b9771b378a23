"""Triton kernels for what would otherwise be several operations on a CUDA device.

Each kernel has a counterpart of plain torch operations, which runs everywhere else. Modules with
kernels are imported only where they run: a CPU needs no Triton.

    devices       where kernels run
    gather_sum    sums over takers, up to three in a launch: the gradients of all that takes rows
    attention     attention over the entries of each node
    residual      rows + table[index] + ..., where a segment has entries
    segment_rows  the sum of taken rows over segments
    rounds        all rounds of a view and its last layer, as one function of autograd
    round_layers  the linear layers of `rounds`
    columns       how wide the rows inside of `rounds` are
    label_loss    the loss of distinct states, from how often each has each label
    taken_sum     the sum of rows taken from several tables
    jobs          what the launches of `gather_sum` are told
    masks         the masked atoms and fragments of a batch, by `smallest_keys`
    csr           directed edges, sorted by destination
    number_rows   a hash table, and numbers for its keys
    search_levels the levels of the search for equal states
    sum_kernels, attention_kernels, row_kernels   the Triton programs of sums and attention
"""
