"""The LightningDataModule: an up-sampled mixture first, the curated pool of the RESET rounds afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning as L
import numpy as np
from torch.utils.data import DataLoader

from reset_pl.data.batching import EncodedRows, GlobalBatchSampler, ResumableLoader, length_grouped
from reset_pl.data.curated import CuratedSource
from reset_pl.data.encoded import EncodedTable, encode
from reset_pl.data.encoding import Encoder, load_tokenizer
from reset_pl.data.layout import Collate, Layout
from reset_pl.data.lint import lint
from reset_pl.data.mixture import EqualMixture, Mixture, ProportionalMixture, index_map
from reset_pl.data.prompts import TEMPLATES, QuestionPosition, Template
from reset_pl.data.sources import Source
from reset_pl.data.table import ExampleTable
from reset_pl.errors import InputError
from reset_pl.progress import say
from reset_pl.records import Example, stable_hash


class ResetDataModule(L.LightningDataModule):
    """Sources → examples → batches.

    Args:
        train: Training sets. The rounds draw prompts from them.
        validation: Sets whose loss is logged.
        validation_size: Rows of the validation sets, drawn with ``seed`` from all of them, that the loss is over; null
            for all rows.
        test: Sets that ``callbacks.CheckpointEvaluation`` scores after every stage.
        tokenizer: Folder or hub id of the tokenizer; linked to ``model.model``.
        template: Prompt template: ``alpaca`` (LLaMA, Table 2), ``vicuna`` (Table 6) or the tokenizer's own ``chat``;
            ``alpaca_no_input`` has Stanford's header for rows without an input.
        question_position: Where the question stands: before the passages (Tables 9 to 13) or after them (section 2.3).
        max_length: Longest row, in tokens; a longer context is cut from its end.
        max_response_tokens: Longest target, in tokens.
        batch_size: Rows of an optimizer step, over all ranks and accumulated batches (paper, A.3: 32).
        mixture: How often each training set is read in an epoch; by default smaller ones are up-sampled to the size of
            the largest (paper, A.3).
        layout: ``packed`` lays rows end to end without padding, each attending to itself alone: the same updates as
            ``padded``, faster. ``padded`` is for models that cannot be packed, ``grouped`` pads rows of like length.
        num_workers: Loader processes of each rank.
        seed: Of the mixture's remainder and order.
    """

    def __init__(
        self,
        train: list[Source],
        tokenizer: str,
        validation: list[Source] | None = None,
        validation_size: int | None = 1000,
        test: list[Source] | None = None,
        template: Literal["alpaca", "alpaca_no_input", "vicuna", "chat"] = "alpaca",
        question_position: QuestionPosition = "first",
        max_length: int = 2048,
        max_response_tokens: int = 480,
        batch_size: int = 32,
        mixture: Mixture | None = None,
        layout: Layout = "packed",
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for option, value, least in (
            ("max_length", max_length, 2),
            ("max_response_tokens", max_response_tokens, 1),
            ("num_workers", num_workers, 0),
            ("validation_size", validation_size, 1),
        ):
            if value is not None and value < least:
                raise InputError(f"expected --data.{option} of at least {least}, but got {value}")
        self.train_sources = train
        self.validation_sources = validation or []
        self.validation_size = validation_size
        self.test_sources = test or []
        self.tokenizer_path = tokenizer
        self.template: Template = TEMPLATES[template](question_position)
        self.max_length = max_length
        self.max_response_tokens = max_response_tokens
        self.batch_size = batch_size
        self.mixture = mixture or EqualMixture()
        self.layout = layout
        self.num_workers = num_workers
        self.seed = seed
        self.curated: list[Example] = []
        self.curated_rounds: list[str] = []
        self.begins_with_round = False  # callbacks.ResetRounds says so: then rows without answers are welcome
        self._examples: dict[str, dict[str, Sequence[Example]]] = {}
        self._tables: dict[tuple[str, str], EncodedTable] = {}
        self._encoder: Encoder | None = None

    # ------------------------------------------------------------------ examples

    def examples(self, split: Literal["train", "validation", "test"]) -> dict[str, Sequence[Example]]:
        """Data set → its examples, read once.

        Raises:
            InputError: A source cannot be read, or two sources of the split share a name.
        """
        if split not in self._examples:
            sources = {
                "train": self.train_sources,
                "validation": self.validation_sources,
                "test": self.test_sources,
            }[split]
            loaded: dict[str, Sequence[Example]] = {}
            for source in sources:
                if source.name in loaded:
                    raise InputError(f"expected data sets with different names in data.{split}: {source.name!r} twice")
                loaded[source.name] = source.load()
            self._examples[split] = loaded
        return self._examples[split]

    @property
    def seen(self) -> frozenset[str]:
        """Names of the data sets that training reads; of another run's curated set, those that it was drawn from."""
        names = {source.name for source in self.train_sources}
        for source in self.train_sources:
            if isinstance(source, CuratedSource):
                names |= {example.dataset for example in self.examples("train")[source.name]}
        return frozenset(names)

    @property
    def encoder(self) -> Encoder:
        """Tokenizer and template, loaded at first use."""
        if self._encoder is None:
            self._encoder = Encoder(
                tokenizer=load_tokenizer(self.tokenizer_path),
                template=self.template,
                max_length=self.max_length,
                max_response_tokens=self.max_response_tokens,
            )
        return self._encoder

    # ------------------------------------------------------------------ the curated pool

    def append(self, examples: Sequence[Example], *, round_dir: Path, accumulate: bool = True) -> None:
        """Train on curated examples from the next epoch on.

        Args:
            examples: A round's chosen prompts with the chosen answers as responses.
            round_dir: Their ledger; checkpoints hold this path, not the examples.
            accumulate: Extend the pool of earlier rounds (the method's default) or replace it.

        A round that is in the pool already (a restart comes back to it) changes nothing.
        """
        if str(round_dir) in self.curated_rounds:
            return
        if not accumulate:
            self.curated, self.curated_rounds = [], []
        self.curated.extend(examples)
        self.curated_rounds.append(str(round_dir))

    def drop(self, round_dir: Path) -> None:
        """Forget a round's curated examples, if they are in the pool."""
        rounds = [other for other in self.curated_rounds if other != str(round_dir)]
        if rounds != self.curated_rounds:
            self.load_state_dict({"curated_rounds": rounds})

    def state_dict(self) -> dict[str, Any]:
        """The rounds whose curated examples are in the pool."""
        return {"curated_rounds": list(self.curated_rounds)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read the pool again from the ledgers."""
        self.curated, self.curated_rounds = [], []
        for round_dir in state_dict["curated_rounds"]:
            self.append(CuratedSource(round_dir).load(), round_dir=Path(round_dir))

    # ------------------------------------------------------------------ loaders

    def prepare_data(self) -> None:
        """In one process: warn of conflicting objectives, and encode prepared sets where the others find them."""
        if self.trainer is not None and self.trainer.testing:
            return  # which trains on nothing
        for warning in lint(self.examples("train")):
            say(f"warning: {warning}")
        begins_with_round = self.trainer is not None and self.trainer.max_epochs == 0
        splits: tuple[Literal["train", "validation"], ...] = ("train", "validation")
        for split in splits[begins_with_round:]:
            for name, examples in self.examples(split).items():
                if isinstance(examples, ExampleTable):
                    self._encoded(split, name)

    def train_dataloader(self) -> DataLoader:
        """The mixture, or the curated pool once a round has been appended; a new order every time a round is added."""
        if self.curated:
            seed = stable_hash(self.seed, "curated", len(self.curated_rounds))
            return self._loader({"curated": encode("curated", self.curated, self.encoder)}, ProportionalMixture(), seed)
        if self.begins_with_round:
            return DataLoader([0])  # type: ignore[arg-type]  # Lightning wants a loader before the first round; it is replaced unread
        if not self.examples("train"):
            raise InputError("expected at least one training set in data.train, but got none")
        tables = {name: self._encoded("train", name) for name in self.examples("train")}
        return self._loader(tables, self.mixture, stable_hash(self.seed, "mixture", self._epoch()))

    def _epoch(self) -> int:
        """The epoch whose order is read: each has its own where Lightning asks for a loader at each.

        A restart asks in the middle of an epoch, and must get the order that the epoch began with.
        """
        every = self.trainer.reload_dataloaders_every_n_epochs if self.trainer else 0  # type: ignore[attr-defined]
        return self.trainer.current_epoch // every * every if self.trainer and every else 0

    def val_dataloader(self) -> ResumableLoader | list:
        """A seeded sample of the validation rows in their own order, the same however often and wherever it is read."""
        tables = {name: self._encoded("validation", name) for name in self.examples("validation")}
        return self._loader(tables, mixture=None) if tables else []

    def test_dataloader(self) -> DataLoader:
        """One empty batch, which Lightning wants: ``callbacks.CheckpointEvaluation`` reads the test sets itself."""
        return DataLoader([0])  # type: ignore[arg-type]

    def _encoded(self, split: Literal["train", "validation"], name: str) -> EncodedTable:
        if (split, name) not in self._tables:
            self._tables[split, name] = encode(f"{split}/{name}", self.examples(split)[name], self.encoder)
        return self._tables[split, name]

    def _loader(self, tables: Mapping[str, EncodedTable], mixture: Mixture | None, seed: int = 0) -> ResumableLoader:
        """A loader over an epoch of the mixture; without one, over the rows to validate on, one step a batch."""
        rows = EncodedRows(tables)
        lengths, num_targets = rows.lengths, rows.num_targets
        usable = np.flatnonzero(num_targets > 0)
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batch_size = self.batch_size
        if mixture is None:
            order = self._sampled(usable)
            if len(order) < world_size:
                raise InputError(
                    f"expected a row in data.validation for each of {world_size} processes, but got {len(order)}"
                )
            batch_size = _without_remainder(len(order), batch_size, world_size)
        else:
            sizes = {name: int((table.num_targets > 0).sum()) for name, table in tables.items()}
            order = usable[index_map(sizes, mixture.rows(sizes), seed=seed)]
            if self.layout == "grouped":
                order = length_grouped(order, lengths, self.batch_size, seed=seed)
        accumulate = self.trainer.accumulate_grad_batches if self.trainer and mixture is not None else 1
        if self.batch_size < world_size * accumulate:
            raise InputError(
                f"expected --data.batch_size (now {self.batch_size}) of at least one row for each of {world_size} "
                f"processes × {accumulate} accumulated batches: it counts the rows of a whole optimizer step"
            )
        sampler = GlobalBatchSampler(
            *(order, lengths, num_targets, batch_size),
            rank=rank,
            world_size=world_size,
            accumulate=accumulate,
            even_steps=self.trainer is not None and self.trainer.strategy.handles_gradient_accumulation,
        )
        if mixture is not None and len(order) > 0 and len(sampler) == 0:
            raise InputError(
                f"expected at least one row to train on for each of {world_size} processes × {accumulate} accumulated "
                f"batches, but got {len(order)} in all: take fewer --trainer.devices or "
                "--trainer.accumulate_grad_batches, or draw more prompts (ResetRounds.prompts_per_dataset)"
            )
        return ResumableLoader(
            rows,
            batch_sampler=sampler,
            collate_fn=Collate(self.encoder.tokenizer.pad_token_id, packed=self.layout == "packed"),
            num_workers=self.num_workers,
        )

    def _sampled(self, rows: np.ndarray) -> np.ndarray:
        if self.validation_size is None or len(rows) <= self.validation_size:
            return rows
        rng = np.random.default_rng(stable_hash(self.seed, "validation"))
        return np.sort(rng.choice(rows, self.validation_size, replace=False))


def _without_remainder(num_rows: int, batch_size: int, world_size: int) -> int:
    """The size nearest above at which the last batch has a row for every process, so that none is left out.

    >>> _without_remainder(1000, 32, 8), _without_remainder(1000, 32, 16)
    (32, 35)
    """
    sizes = range(batch_size, 2 * batch_size + 1)
    return next((size for size in sizes if not 0 < num_rows % size < world_size), batch_size)
