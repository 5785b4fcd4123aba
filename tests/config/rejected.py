"""The error of a value that a setting does not take."""

import pytest

from tuitrain.config.validation import check_value
from tuitrain.errors import ConfigError


def error_of(key: str, value: object) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        check_value(key, value)
    return raised.value
