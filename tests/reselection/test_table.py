from reset_pl.reselection.table import sensitivity_table, summary_of

MANIFEST = {
    "weights": {"task": 1.0, "instruction": 2.0, "faithfulness": 4.0},
    "counts": {"prompts": 1500},
    "counts_per_dataset": {"qa": {"prompts": 1500, "selected": 1400, "answers": 2800}},
    "mean_score_per_dataset": {"qa": {"best": 3.5, "random": None}},
    "rates_per_dataset": {"qa": {"tie": 0.125}},
    "left_out": {"below_threshold": 90, "all_truncated": 10},
    "changed": {"prompts": 1200, "other_best": 1000, "newly_selected": 0, "newly_left_out": 100},
}


def test_a_summary() -> None:
    assert summary_of(MANIFEST, {"task": 1.0, "instruction": 2.0, "faithfulness": 2.0}).splitlines() == [
        "data set  prompts  selected  answers  tie  best  random",
        "───────────────────────────────────────────────────────",
        "qa          1,500     1,400    2,800  12%  3.50       –",
        "weights: task 1, instruction 2, faithfulness 4 (the round's: task 1, instruction 2, faithfulness 2)",
        "left out: 90 below threshold; 10 all truncated",
        "otherwise than in the round: 1,200 of 1,500 prompts (1,000 another best answer, 100 newly left out)",
    ]


def test_a_table_of_shares() -> None:
    table = sensitivity_table({"weights": [0.0, 0.125, 8.0], "changed": {"mini_nq": [0.5, 0.004, 0.0]}})
    assert table.splitlines()[:3] == [
        "weight     0  0.125   8",
        "───────────────────────",
        "mini_nq  50%   0.4%  0%",
    ]
