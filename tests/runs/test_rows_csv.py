from array import array
from math import inf, nan
from pathlib import Path

from tuitrain.runs import rows_csv
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower, LayerColumns
from tuitrain.runs.row_stream import COLUMNS
from written_runs import add_row


def test_every_row_has_all_columns_and_unknown_numbers_are_empty() -> None:
    run = Follower(RunFolder(Path("nowhere")))
    add_row(run.train, 5, epoch=1, seconds=0.5, time=2.0**53, loss=inf, accuracy=0.25, lr=0.001, grad_norm=nan)
    add_row(run.train, 10, epoch=1, seconds=1.0, time=2.0**53 - 1, loss=0.5, accuracy=1.0, lr=0.001, grad_norm=3.5)
    run.layers = LayerColumns([array("d", [0.5, nan]), array("d", [2.0, 0.125])])
    run.info.layers = ["first\x1b[2J"]
    add_row(run.evaluations["validation"], 5, epoch=1, seconds=0.5, time=7, loss=0.75, accuracy=0.5, best=1)
    add_row(run.evaluations["test"], 5, epoch=1, seconds=0.5, time=8, loss=0.25)
    assert rows_csv.text(run).splitlines() == [
        "split,step,epoch,seconds,time,loss,accuracy,best,lr,grad_norm,grad_norm.first�[2J,grad_norm.1",
        "train,5,1,0.5,9007199254740992,,0.25,,0.001,,0.5,2",
        "validation,5,1,0.5,7,0.75,0.5,1,,,,",
        "test,5,1,0.5,8,0.25,,,,,,",
        "train,10,1,1,9007199254740991,0.5,1,,0.001,3.5,,0.125",
    ]


def test_a_brief_run_without_rows_has_only_titles() -> None:
    run = Follower(RunFolder(Path("nowhere")), brief=True)
    assert rows_csv.text(run) == f"split,step,{','.join(COLUMNS)}\n"
