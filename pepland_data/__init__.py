"""Peptide heterographs: build them in parallel, store them as codes, load them without waiting.

Names are imported on first use: ``import pepland_data`` is quick, a machine without RDKit can read
stores, and one without torch can build them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "featurize": "chem.featurizer",
    "Featurizer": "chem.featurizer",
    "FeaturizeOptions": "chem.conversion",
    "HeteroGraph": "graph.heterograph",
    "FeatureTables": "graph.feature_tables",
    "GraphColumns": "graph.columns",
    "Vocabulary": "graph.vocabulary",
    "build": "builder.build",
    "BuildOptions": "builder.options",
    "open_store": "store.graph_store",
    "GraphStore": "store.graph_store",
    "graph_svg": "notebook",
    "GraphLoader": "loader.graph_loader",
    "GraphDataset": "loader.graph_dataset",
    "HeteroBatch": "batch.hetero_batch",
    "PeplandError": "errors",
    "InvalidMoleculeError": "errors",
    "InputError": "errors",
    "MissingDependencyError": "errors",
    "StoreError": "errors",
    "StoreNotFoundError": "errors",
    "StoreDamagedError": "errors",
    "StoreVersionError": "errors",
    "BuildError": "errors",
    "DifferentGraphError": "errors",
}

__all__ = [*sorted(_HOME), "__version__"]

if TYPE_CHECKING:
    from pepland_data.batch.hetero_batch import HeteroBatch as HeteroBatch
    from pepland_data.builder.build import build as build
    from pepland_data.builder.options import BuildOptions as BuildOptions
    from pepland_data.chem.conversion import FeaturizeOptions as FeaturizeOptions
    from pepland_data.chem.featurizer import Featurizer as Featurizer
    from pepland_data.chem.featurizer import featurize as featurize
    from pepland_data.errors import BuildError as BuildError
    from pepland_data.errors import DifferentGraphError as DifferentGraphError
    from pepland_data.errors import InputError as InputError
    from pepland_data.errors import InvalidMoleculeError as InvalidMoleculeError
    from pepland_data.errors import MissingDependencyError as MissingDependencyError
    from pepland_data.errors import PeplandError as PeplandError
    from pepland_data.errors import StoreDamagedError as StoreDamagedError
    from pepland_data.errors import StoreError as StoreError
    from pepland_data.errors import StoreNotFoundError as StoreNotFoundError
    from pepland_data.errors import StoreVersionError as StoreVersionError
    from pepland_data.graph.columns import GraphColumns as GraphColumns
    from pepland_data.graph.feature_tables import FeatureTables as FeatureTables
    from pepland_data.graph.heterograph import HeteroGraph as HeteroGraph
    from pepland_data.graph.vocabulary import Vocabulary as Vocabulary
    from pepland_data.loader.graph_dataset import GraphDataset as GraphDataset
    from pepland_data.loader.graph_loader import GraphLoader as GraphLoader
    from pepland_data.notebook import graph_svg as graph_svg
    from pepland_data.store.graph_store import GraphStore as GraphStore
    from pepland_data.store.graph_store import open_store as open_store


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")

    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return __all__
