"""Modules of tools that do what they must not."""

GYM = "[personas.gym]\nmodel = {model}\ntools = ['{module}:book']\n"

# A module, and what is said of it: with the line of the file where the user's own code did it.
MODULES = {
    "raises": ("import os\nraise RuntimeError('db is down')", "line 2: RuntimeError: db is down"),
    "lacks_a_key": ("import os\n\nos.environ['NOWHERE_SET']", "line 3: KeyError: 'NOWHERE_SET'"),
    "syntax": ("def book(:\n    pass", "line 1: SyntaxError: invalid syntax"),
    "unknown_name": ("x = 1\nx = Nope", "line 2: NameError: name 'Nope' is not defined"),
    "exits": ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "line 1: KeyboardInterrupt"),
    "deep_in_a_library": ("import json\njson.loads('{')", "line 2: JSONDecodeError"),
    "speechless": (
        "class Odd(BaseException):\n    def __str__(self):\n        raise ValueError\nraise Odd",
        "line 4: Odd",
    ),
    "annotation": ("def book(day: 'Nope'):\n    pass", "line 1: NameError: name 'Nope' is not defined"),
    "half_an_annotation": ("\ndef book(day: '1 +'):\n    pass", "line 2: SyntaxError"),
    "two_underscores": (
        "def book(__day: int):\n    pass",
        "line 1: TypeError: parameter '__day'",
    ),
    "no_function": ("book = 3", "is no function"),
    "nothing": ("", "has no attribute 'book'"),
    "nested": ("import raises_below", "raises_below.py line 1: RuntimeError: below"),
}
ODD_MODULES = {
    **{name: MODULES[name] for name in ("exits", "interrupts", "syntax", "annotation")},
    "dies": ("import os\nos._exit(5)", "dies.py line 2: it ends the process"),
}
ODD_FILES = {
    **{GYM.format(model="'aai'", module=name): words for name, (_, words) in ODD_MODULES.items()},
    "[[personas.x]]\n": "personas.x: must be a table",
    f"x = {'[' * 5_000}{']' * 5_000}\n": "is nested too deeply",
    "[models.x]\nkind = 'assemblyai-agent'\nurl = 'ws://[::bad'\n": "models.x.url: must begin with wss://",
}
