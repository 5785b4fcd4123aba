"""Create the sweep over `data.fraction` that shows whether more data would help."""

from msgspec.structs import replace

from tuitrain.config.schema import Config
from tuitrain.config.settings import FRACTION
from tuitrain.config.sweeps.overrides import parse_values
from tuitrain.config.sweeps.sweep import Sweep, SweepOptions
from tuitrain.config.sweeps.validation import check_sweep
from tuitrain.config.validation import has_validation
from tuitrain.errors import ConfigError
from tuitrain.text import plain

# The fractions and the number of seeds unless the user chooses others.
FRACTIONS, SEEDS = "0.1,0.25,0.5,1", 3


def fractions_sweep(config: Config, name: str, fractions: str, seeds: int) -> Sweep:
    """Return the sweep that trains `config` on each fraction in the text `fractions`, with `seeds` consecutive seeds
    from its own. Raise ConfigError if a fraction is invalid or only one is given."""
    try:
        values = tuple(sorted(parse_values(FRACTION, fractions)))
    except ConfigError:
        raise ConfigError(
            f"--fractions {plain(fractions, 80)!r} is not allowed.",
            f"Give fractions of the training images above 0 and up to 1, such as {FRACTIONS}.",
            key=FRACTION,
        ) from None
    if len(values) < 2:
        raise ConfigError(
            f"--fractions {plain(fractions, 80)} is one fraction, and a curve needs two.",
            f"Give several, such as {FRACTIONS}.",
            key=FRACTION,
        )
    metric = "validation.accuracy" if has_validation(config) else "train.accuracy"
    options = SweepOptions(name=f"learning curve of {plain(name, 60)}", seeds=seeds, metric=metric)  # type: ignore[arg-type]
    whole = replace(config, data=replace(config.data, fraction=1.0))
    return check_sweep(Sweep(base=whole, options=options, values={FRACTION: values}))
