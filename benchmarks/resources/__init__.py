"""What `benchmarks.resources_page` writes: docs/resources.md and docs/resources.zh.md.

- `measure`: runs the estimate for a corpus, and keeps it as ``results/estimate-NAME.json``.
- `documents`: reads results, ``published.toml`` (the published estimate) and ``ceilings.toml``.
- `facts`: figures of the sentences. `tables`, `checks`: the tables. `words`: both languages.
- `pages`: the pages, from the templates ``resources.md.j2`` and ``resources.zh.md.j2``.
"""
