"""Ask how the learning-rate schedule continues in a run that gets a new number of epochs."""

from collections.abc import Callable

from textual.message_pump import MessagePump

from tuitrain.config.schedule import Extension, LRCurve
from tuitrain.widgets.messages import AskChoice


def choose_extension(
    asking: MessagePump, curve: LRCurve, epochs: int, step: int, answer: Callable[[Extension], object]
) -> None:
    """Offer the choices with their learning rates and call `answer` with the chosen one. If all have the same rates,
    call it at once."""
    options = curve.choices(epochs, step)
    if not options:
        answer("stretch")
        return

    def choose(chosen: tuple[str, ...]) -> None:
        answer(next(choice for choice, *_ in options if choice == chosen[0]))

    title = f"The learning rate is {curve.rate(step):.3g}. With {epochs:,} epochs, {curve.schedule.name} can"
    asking.post_message(AskChoice(title, options, choose))
