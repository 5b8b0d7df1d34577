"""The LightningDataModule: an up-sampled mixture first, the curated pool of the RESET rounds afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning as L

from reset_pl.data.batching import GlobalBatchSampler, ResumableLoader, collate
from reset_pl.data.curated import CuratedSource
from reset_pl.data.encoding import EncodedRows, Encoder, load_tokenizer
from reset_pl.data.mixture import equal_mixture, shuffled
from reset_pl.data.prompts import AlpacaTemplate, ChatTemplate, Template, VicunaTemplate
from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.records import Example, stable_hash

_TEMPLATES = {template.name: template for template in (AlpacaTemplate, VicunaTemplate, ChatTemplate)}


class ResetDataModule(L.LightningDataModule):
    """Sources → examples → batches.

    Args:
        train: Training sets; smaller ones are up-sampled to the size of the largest. The rounds draw prompts from them.
        validation: Sets whose loss is logged.
        test: Sets that ``callbacks.CheckpointEvaluation`` scores after every stage.
        tokenizer: Folder or hub id of the tokenizer; linked to ``model.model``.
        template: Prompt template: ``alpaca`` (LLaMA, Table 2), ``vicuna`` (Table 6) or the tokenizer's own ``chat``.
        max_length: Longest row, in tokens; a longer context is cut from its end.
        max_response_tokens: Longest target, in tokens.
        batch_size: Rows of an optimizer step's global batch, over all ranks and before accumulation.
        num_workers: Loader processes of each rank.
        seed: Of the mixture's remainder and order.
    """

    def __init__(
        self,
        train: list[Source],
        tokenizer: str,
        validation: list[Source] | None = None,
        test: list[Source] | None = None,
        template: Literal["alpaca", "vicuna", "chat"] = "alpaca",
        max_length: int = 2048,
        max_response_tokens: int = 480,
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.train_sources = train
        self.validation_sources = validation or []
        self.test_sources = test or []
        self.tokenizer_path = tokenizer
        self.template: Template = _TEMPLATES[template]()
        self.max_length = max_length
        self.max_response_tokens = max_response_tokens
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.curated: list[Example] = []
        self.curated_rounds: list[str] = []
        self._examples: dict[str, dict[str, list[Example]]] = {}
        self._encoder: Encoder | None = None

    # ------------------------------------------------------------------ examples

    def examples(self, split: Literal["train", "validation", "test"]) -> dict[str, list[Example]]:
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
            loaded: dict[str, list[Example]] = {}
            for source in sources:
                if source.name in loaded:
                    raise InputError(f"expected data sets with different names in data.{split}: {source.name!r} twice")
                loaded[source.name] = source.load()
            self._examples[split] = loaded
        return self._examples[split]

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

    def state_dict(self) -> dict[str, Any]:
        """The rounds whose curated examples are in the pool."""
        return {"curated_rounds": list(self.curated_rounds)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read the pool again from the ledgers."""
        self.curated, self.curated_rounds = [], []
        for round_dir in state_dict["curated_rounds"]:
            self.append(CuratedSource(round_dir).load(), round_dir=Path(round_dir))

    # ------------------------------------------------------------------ loaders

    def train_dataloader(self) -> ResumableLoader:
        """The mixture, or the curated pool once a round has been appended; a new order every time a round is added."""
        if self.curated:
            seed = stable_hash(self.seed, "curated", len(self.curated_rounds))
            return self._loader([self.curated[i] for i in shuffled(len(self.curated), seed=seed)])
        sets = self.examples("train")
        if not sets:
            raise InputError("expected at least one training set in data.train, but got none")
        epoch = self.trainer.current_epoch if self.trainer else 0
        mixture = equal_mixture(
            {name: len(rows) for name, rows in sets.items()}, seed=stable_hash(self.seed, "mixture", epoch)
        )
        return self._loader([sets[name][index] for name, index in mixture])

    def val_dataloader(self) -> ResumableLoader | list:
        """All validation rows in their own order."""
        examples = [example for rows in self.examples("validation").values() for example in rows]
        return self._loader(examples) if examples else []

    def _loader(self, examples: list[Example]) -> ResumableLoader:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if self.batch_size < 1 or self.batch_size % world_size:
            raise InputError(
                f"expected --data.batch_size (now {self.batch_size}) to be a multiple, at least 1 times, of the number "
                f"of processes ({world_size})"
            )
        return ResumableLoader(
            EncodedRows(examples, self.encoder),
            batch_sampler=GlobalBatchSampler(len(examples), self.batch_size, rank, world_size),
            collate_fn=partial(collate, pad_token_id=self.encoder.tokenizer.pad_token_id),
            num_workers=self.num_workers,
        )
