"""Run slow methods of screens and of the app in threads."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from textual import work
from textual.dom import DOMNode
from textual.worker import Worker

from tuitrain.errors import TuitrainError
from tuitrain.widgets.terminal.textual_internals import NoActiveAppError

Node = TypeVar("Node", bound=DOMNode)
Arguments = ParamSpec("Arguments")


def in_thread(
    method: Callable[Concatenate[Node, Arguments], None],
) -> Callable[Concatenate[Node, Arguments], Worker[None]]:
    """Run a method in a thread. The app shows a TuitrainError, and reports any other exception, which Textual would
    drop."""

    @work(thread=True, exit_on_error=False)
    @wraps(method)
    def run(node: Node, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            method(node, *args, **kwargs)
        except TuitrainError as error:
            node.app.notify(str(error), severity="error", markup=False)
        except NoActiveAppError:
            pass  # The app has ended while the thread worked.
        except Exception as error:
            details = (type(error), error, error.__traceback__, threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(details))

    return run
