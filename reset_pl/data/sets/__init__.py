"""The published data sets, one a file: where each is, what its rows look like, and how a row becomes an example."""

from reset_pl.data.sets.alpaca import Alpaca
from reset_pl.data.sets.base import PublishedSource
from reset_pl.data.sets.dolly import Dolly
from reset_pl.data.sets.koala_eval import KoalaEval
from reset_pl.data.sets.oasst import OASST1
from reset_pl.data.sets.self_instruct import SelfInstruct
from reset_pl.data.sets.sharegpt import ShareGPT
from reset_pl.data.sets.vicuna_eval import VicunaEval

PUBLISHED_SETS: tuple[type[PublishedSource], ...] = (
    *(Dolly, ShareGPT, SelfInstruct, OASST1),
    *(Alpaca, VicunaEval, KoalaEval),
)
"""The sets of the paper (Table 1): instructions to tune on, instructions to evaluate on."""
