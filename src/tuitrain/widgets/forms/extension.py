"""Ask what the learning rate does in a run that gets a new number of epochs."""

from collections.abc import Callable

from textual.message_pump import MessagePump

from tuitrain.config.schedule import Course, Extension
from tuitrain.widgets.messages import AskChoice


def choose_extension(
    asking: MessagePump, course: Course, epochs: int, step: int, answer: Callable[[Extension], object]
) -> None:
    """Let the user choose, with the learning rates of each choice; call `answer`, unless the user cancels. If there is
    no choice, call it at once."""
    options = course.choices(epochs, step)
    if not options:
        answer("stretch")
        return

    def choose(chosen: tuple[str, ...]) -> None:
        answer(next(choice for choice, *_ in options if choice == chosen[0]))

    title = f"The learning rate is {course.rate(step):.3g}. With {epochs:,} epochs, {course.schedule.name} can"
    asking.post_message(AskChoice(title, options, choose))
