"""The loader in the training loops of Lightning and Accelerate, without an adapter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pepland_data import GraphLoader


def all_rows(store) -> list[int]:
    return list(range(len(store)))


@pytest.fixture
def lightning():
    return pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")


def _module(lightning):
    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Linear(42, 1)
            self.seen: list[list[int]] = []
            self.checked: list[list[int]] = []

        def on_train_epoch_start(self) -> None:
            self.seen.append([])

        def on_validation_epoch_start(self) -> None:
            self.checked.append([])

        def training_step(self, batch, _number):
            self.seen = self.seen or [[]]  # no epoch starts where one is resumed
            self.seen[-1] += batch.graph_index.tolist()
            loss = self.weight(batch.tables.atom_x[batch.atom_code.long()]).square().mean()
            self.log("loss", loss, batch_size=batch.num_graphs)
            return loss

        def validation_step(self, batch, _number) -> None:
            self.checked[-1] += batch.graph_index.tolist()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    return Module()


def _trainer(lightning, folder, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(
        accelerator="cpu", default_root_dir=folder, enable_checkpointing=False, **quiet, **options
    )


@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_and_validates_on_whole_epochs(small_store, lightning, tmp_path) -> None:
    module = _module(lightning)
    train = GraphLoader(small_store, batch_size=4, seed=1)
    valid = GraphLoader(small_store, batch_size=5, shuffle=False)
    _trainer(lightning, tmp_path, max_epochs=2).fit(module, train, valid)
    assert [sorted(epoch) for epoch in module.seen] == [all_rows(small_store)] * 2
    assert module.seen[0] != module.seen[1]
    sanity, *epochs = module.checked
    assert sanity == list(range(10))
    assert epochs == [all_rows(small_store)] * 2


@pytest.mark.filterwarnings("ignore")
def test_lightning_resumes_within_an_epoch(small_store, lightning, tmp_path) -> None:
    class SaveHalf(lightning.Callback):
        def on_train_batch_end(self, trainer, module, *_) -> None:
            if trainer.global_step == 3:
                trainer.save_checkpoint(tmp_path / "half.ckpt")
                seen.extend(module.seen[0])

    seen: list[int] = []
    whole, rest = _module(lightning), _module(lightning)
    trainer = _trainer(lightning, tmp_path, max_epochs=2, callbacks=[SaveHalf()])
    trainer.fit(whole, GraphLoader(small_store, batch_size=4, seed=1))
    again = _trainer(lightning, tmp_path, max_epochs=2)
    again.fit(rest, GraphLoader(small_store, 4, seed=1), ckpt_path=tmp_path / "half.ckpt")
    assert len(seen) == 12
    later = [g for epoch in rest.seen for g in epoch]
    assert seen + later == [g for epoch in whole.seen for g in epoch]


@pytest.mark.filterwarnings("ignore")
def test_accelerate_uses_the_loader_unchanged(small_store) -> None:
    accelerate = pytest.importorskip("accelerate", reason="Accelerate is not installed")
    accelerator = accelerate.Accelerator(cpu=True)
    loader = GraphLoader(
        small_store, batch_size=4, device=accelerator.device,
        rank=accelerator.process_index, world_size=accelerator.num_processes,
    )  # fmt: skip
    model = nn.Linear(42, 1)
    model, optimizer, prepared = accelerator.prepare(
        model, torch.optim.SGD(model.parameters(), 0.1), loader
    )
    assert prepared is loader
    seen = []
    for batch in prepared:
        with accelerator.accumulate(model):
            loss = model(batch.tables.atom_x[batch.atom_code.long()]).mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        seen += batch.graph_index.tolist()
    assert sorted(seen) == all_rows(small_store)


def test_every_iteration_is_a_whole_epoch_also_after_an_interrupted_one(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=4)
    first = next(iter(loader))
    second = [g for batch in loader for g in batch.graph_index.tolist()]
    assert sorted(second) == all_rows(small_store)
    assert second[:4] != first.graph_index.tolist()
    assert loader.state_dict()["epoch"] == 2


def test_length_and_unused_iterators_do_not_change_the_batches(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=4)
    assert len(loader) == -(-len(small_store) // 4)
    iter(loader)
    assert loader.state_dict() == GraphLoader(small_store, batch_size=4).state_dict()
    assert len(list(loader)) == len(loader)
