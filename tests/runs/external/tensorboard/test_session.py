from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

from tuitrain.runs.external.hparams import MOST
from tuitrain.runs.external.tensorboard.session import session


def test_most_hyperparameters_are_limited() -> None:
    info = SessionStartInfo()
    for number in range(MOST + 5):
        info.hparams[f"p{number}"].number_value = number
    assert len(session(HParamsPluginData(session_start_info=info).SerializeToString())[0]) == MOST


def test_a_session_has_its_hyperparameters_and_its_end() -> None:
    info = SessionStartInfo()
    info.hparams["lr"].number_value = 0.5
    info.hparams["name"].string_value = "sgd"
    info.hparams["flag"].bool_value = True
    info.hparams["off"].bool_value = False
    info.hparams["none"].null_value = 0
    start = HParamsPluginData(session_start_info=info).SerializeToString()
    assert session(start) == ({"lr": 0.5, "name": "sgd", "flag": True, "off": False, "none": None}, None)
    for end, ended in (
        ({"status": 1}, None),
        ({"status": 2, "end_time_secs": 1.0}, "failed"),
        ({"end_time_secs": 1.0}, "finished"),
    ):
        assert session(HParamsPluginData(session_end_info=end).SerializeToString()) == ({}, ended)
